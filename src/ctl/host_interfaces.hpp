// What the kernel says of this host's interfaces, addresses and default routes, for choosing a node's address.
#pragma once

#include <string>

#include "margay/base/result.hpp"
#include "node_address.hpp"

namespace margay::ctl {

// Of the network namespace it is called in.
[[nodiscard]] Result<Host> read_host();
// The address this host would use to reach a host (a literal or a name); sends nothing to it.
[[nodiscard]] Result<Addr> source_towards(Family family, const std::string& destination);

}  // namespace margay::ctl
