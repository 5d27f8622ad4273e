#include "pools.hpp"

#include <algorithm>

namespace margay::bgp::view {

namespace {

using Kernel = PoolRule::Kernel;

Kernel kernel_rule(const IpPool& pool, ClusterRoutes routes) {
  if (pool.vxlan != IpPool::Encap::Never) return Kernel::Reject;  // always felix's
  if (pool.ipip == IpPool::Encap::Never) {
    const bool ours = routes == ClusterRoutes::EnabledNoEncapOnly || routes == ClusterRoutes::Enabled;
    return ours ? Kernel::Program : Kernel::Reject;
  }
  if (routes != ClusterRoutes::Enabled && routes != ClusterRoutes::EnabledIpipOnly) return Kernel::Reject;
  return pool.ipip == IpPool::Encap::Always ? Kernel::Tunnel : Kernel::TunnelOffLink;
}

}  // namespace

std::vector<PoolRule> pool_rules(const Inputs& inputs, Family family) {
  const ClusterRoutes routes = inputs.configuration("default").cluster_routes;
  std::vector<std::pair<std::string, PoolRule>> sorted;
  for (const auto& [name, pool] : inputs.pools) {
    const Key owner{Kind::IPPool, {}, name};
    if (pool->cidr.family() != family || inputs.refusals(owner) != 0) continue;
    sorted.emplace_back(pool->cidr.to_string(),
                        PoolRule{pool->cidr, !pool->disable_bgp_export, kernel_rule(*pool, routes), owner});
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PoolRule> out;
  for (auto& [text, rule] : sorted) out.push_back(std::move(rule));
  return out;
}

std::vector<Addr> wireguard_nodes(const Inputs& inputs, const Symbol& self, Family family) {
  std::vector<Addr> out;
  const auto own = inputs.nodes.find(self);
  if (own == inputs.nodes.end() || !own->second->wireguard[index(family)]) return out;
  for (const auto& [name, node] : inputs.nodes)
    if (name != self && node->wireguard[index(family)] && address(*node, family)) out.push_back(*address(*node, family));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace margay::bgp::view
