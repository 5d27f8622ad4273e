// What feeds a view: its options from settings and environment, and a watcher of the kinds it reads.
#pragma once

#include <memory>

#include "margay/datastore/connect.hpp"
#include "margay/settings/settings.hpp"
#include "view/view.hpp"

namespace margay::bgp {

// Calico's variables are honoured: CALICO_ROUTER_ID, CALICO_ADVERTISE_CLUSTER_IPS, NAMESPACE (of secrets), USE_POD_CIDR.
[[nodiscard]] ViewOptions view_options(const settings::Settings& settings, const settings::Environment& environment);

// `read_only`: beside a running daemon of this node.
[[nodiscard]] Result<std::unique_ptr<datastore::Watcher>> watch(const settings::Settings& settings, boost::asio::io_context& io,
                                                                datastore::WatchSink& sink, bool read_only);

// Felix's files of this node's workloads.
[[nodiscard]] std::string workload_directory(const settings::Settings& settings, const settings::Environment& environment);

}  // namespace margay::bgp
