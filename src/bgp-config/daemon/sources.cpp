#include "daemon/sources.hpp"

namespace margay::bgp {
namespace {

std::string of(const settings::Environment& environment, const char* name) {
  const auto it = environment.find(name);
  return it == environment.end() ? std::string{} : it->second;
}

}  // namespace

ViewOptions view_options(const settings::Settings& settings, const settings::Environment& environment) {
  ViewOptions out;
  out.node = settings.node;
  out.router_id = of(environment, "CALICO_ROUTER_ID");
  out.cluster_ips = of(environment, "CALICO_ADVERTISE_CLUSTER_IPS");
  if (auto name = of(environment, "NAMESPACE"); !name.empty()) out.secrets_namespace = std::move(name);
  out.pod_cidrs_are_blocks = of(environment, "USE_POD_CIDR") == "true";
  out.wait_for_policy = settings.bgp.wait_for_policy;
  return out;
}

Result<std::unique_ptr<datastore::Watcher>> watch(const settings::Settings& settings, boost::asio::io_context& io,
                                                  datastore::WatchSink& sink, bool read_only) {
  datastore::Settings wanted;
  wanted.at = settings.datastore;
  wanted.secrets_dir = settings.bgp.secrets_dir;
  wanted.state_dir = settings.state_dir + "/bgp-config";
  wanted.read_only_state = read_only;
  wanted.kinds = View::kinds();
  wanted.kinds.insert({Kind::CalicoNodeStatus, Kind::ClusterInformation});
  return datastore::connect_watcher(wanted, io, sink);
}

std::string workload_directory(const settings::Settings& settings, const settings::Environment& environment) {
  const std::string prefix = of(environment, "CALICO_ENDPOINT_STATUS_PATH_PREFIX");
  return (prefix.empty() ? settings.run_dir : prefix) + "/endpoint-status";
}

}  // namespace margay::bgp
