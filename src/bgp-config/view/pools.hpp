// Pools: what each IPPool says about export and about who writes its routes into the kernel (specification §1.8).
#pragma once

#include "inputs.hpp"

namespace margay::bgp::view {

[[nodiscard]] std::vector<PoolRule> pool_rules(const Inputs& inputs, Family family);
// Nodes whose pods' packets WireGuard carries: felix has the routes.
[[nodiscard]] std::vector<Addr> wireguard_nodes(const Inputs& inputs, const Symbol& self, Family family);

}  // namespace margay::bgp::view
