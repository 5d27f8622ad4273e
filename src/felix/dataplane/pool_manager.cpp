#include "dataplane/pool_manager.hpp"

#include <algorithm>

#include "rules/nat_chains.hpp"
#include "rules/static_chains.hpp"

namespace margay::dataplane {

PoolManager::PoolManager(const Config& config, Planes& planes) : config_{config}, planes_{planes} {
  for (const auto& plane : planes_) {
    for (const auto& spec : rules::fixed_sets(config_.rules, plane->family)) {
      fixed_[spec.name] = spec;
      plane->sets.want(spec, {});
    }
  }
  complete();
}

void PoolManager::on_message(const calc::Message& message) {
  if (const auto* pool = std::get_if<calc::PoolUpdate>(&message)) {
    pools_[pool->name] = pool->pool;
    pools_dirty_ = true;
  } else if (const auto* gone = std::get_if<calc::PoolRemove>(&message)) {
    pools_dirty_ |= pools_.erase(gone->name) > 0;
  } else if (const auto* node = std::get_if<calc::NodeUpdate>(&message)) {
    nodes_[node->name] = *node;
    nodes_dirty_ = true;
  } else if (const auto* lost = std::get_if<calc::NodeRemove>(&message)) {
    nodes_dirty_ |= nodes_.erase(lost->name) > 0;
  }
}

void PoolManager::fill(Plane& plane, std::string_view id, const std::vector<Cidr>& nets) {
  const auto name = rules::set_name(plane.family, id);
  if (!fixed_.count(name)) return;
  std::set<kernel::SetMember> wanted;
  for (const auto& net : nets) {
    if (net.family() != plane.family) continue;
    if (net.prefix > 0) {
      wanted.insert({.net = net});
      continue;
    }
    Addr upper = net.addr;  // hash:net holds no /0
    upper.bytes[0] = 0x80;
    wanted.insert({.net = Cidr{net.addr, 1}});
    wanted.insert({.net = Cidr{upper, 1}});
  }
  auto& have = filled_[name];
  std::vector<kernel::SetMember> added, removed;
  std::set_difference(wanted.begin(), wanted.end(), have.begin(), have.end(), std::back_inserter(added));
  std::set_difference(have.begin(), have.end(), wanted.begin(), wanted.end(), std::back_inserter(removed));
  if (!added.empty() || !removed.empty()) plane.sets.change(name, added, removed);
  have = std::move(wanted);
}

void PoolManager::complete() {
  for (const auto& plane : planes_) {
    if (pools_dirty_) {
      std::vector<Cidr> all, natted;
      for (const auto& [name, pool] : pools_) {
        if (pool->cidr.family() != plane->family) continue;
        if (!pool->only_load_balancer) all.push_back(pool->cidr);
        if (pool->nat_outgoing) natted.push_back(pool->cidr);
      }
      fill(*plane, rules::set::kPools, all);
      fill(*plane, rules::set::kMasqueradePools, natted);
      (*plane)[kernel::Table::Nat].want(rules::nat_outgoing_chain(config_.rules, plane->family, !natted.empty()));
    }
    if (nodes_dirty_) {
      std::vector<Cidr> hosts = config_.rules.external_nodes;
      for (const auto& [name, node] : nodes_) {
        const auto& address = plane->family == Family::V4 ? node.ipv4 : node.ipv6;
        if (address) hosts.emplace_back(*address);
      }
      fill(*plane, rules::set::kAllHosts, hosts);
    }
  }
  pools_dirty_ = nodes_dirty_ = false;
}

}  // namespace margay::dataplane
