#include "dataplane/endpoint_manager.hpp"

#include <algorithm>
#include <tuple>

#include "rules/dispatch_chains.hpp"
#include "rules/endpoint_chains.hpp"
#include "rules/nat_chains.hpp"
#include "rules/static_chains.hpp"

namespace margay::dataplane {
namespace {

constexpr Direction kDirections[] = {Direction::Ingress, Direction::Egress};

auto precedence(const WorkloadEndpoint& e) { return std::tie(e.orchestrator, e.workload, e.endpoint); }

}  // namespace

EndpointManager::EndpointManager(const Config& config, Planes& planes, PolicyManager& policies, LinkSysctls& sysctls,
                                 PeeringManager& peering)
    : config_{config},
      planes_{planes},
      policies_{policies},
      sysctls_{sysctls},
      peering_{peering},
      group_counts_(planes.size()),
      dispatch_chains_(planes.size()) {
  complete_shared();
}

const EndpointManager::Workload* EndpointManager::find(const calc::EndpointId& id) const {
  const auto it = workloads_.find(id);
  return it == workloads_.end() ? nullptr : &it->second;
}

bool EndpointManager::is_active(const calc::EndpointId& id) const {
  const auto* workload = find(id);
  if (!workload) return false;
  const auto it = interfaces_.find(workload->endpoint->interface_name);
  return it != interfaces_.end() && it->second.active == id;
}

void EndpointManager::attach(Symbol interface, const calc::EndpointId& id) {
  auto& endpoints = interfaces_[interface].endpoints;
  if (std::find(endpoints.begin(), endpoints.end(), id) == endpoints.end()) endpoints.push_back(id);
  dirty_.insert(interface);
}

void EndpointManager::detach(Symbol interface, const calc::EndpointId& id) {
  const auto it = interfaces_.find(interface);
  if (it == interfaces_.end()) return;
  std::erase(it->second.endpoints, id);
  dirty_.insert(interface);
}

void EndpointManager::on_message(const calc::Message& message) {
  if (const auto* update = std::get_if<calc::WorkloadUpdate>(&message)) {
    auto& workload = workloads_[update->id];
    if (workload.endpoint && workload.endpoint->interface_name != update->endpoint->interface_name) {
      detach(workload.endpoint->interface_name, update->id);
    }
    workload = {update->endpoint, update->policies, update->bgp_peer};
    attach(update->endpoint->interface_name, update->id);
    touched_.insert(update->id);
  } else if (const auto* remove = std::get_if<calc::WorkloadRemove>(&message)) {
    const auto it = workloads_.find(remove->id);
    if (it == workloads_.end()) return;
    detach(it->second.endpoint->interface_name, remove->id);
    workloads_.erase(it);
    touched_.insert(remove->id);
  }
}

void EndpointManager::on_link(const kernel::Link& link, bool removed) {
  const Symbol name{link.name};
  const bool up = !removed && link.up;
  const bool changed = up ? up_.insert(name).second : up_.erase(name) > 0;
  if (!changed) return;
  const auto it = interfaces_.find(name);
  if (it == interfaces_.end()) return;
  touched_.insert(it->second.endpoints.begin(), it->second.endpoints.end());
  if (up) sysctls_.want(link.name, allowances_.count(link.name) > 0);
  else sysctls_.unwant(link.name);
}

// New references before old ones go: a chain in both is never without one.
void EndpointManager::hold_groups(Interface& interface, std::size_t plane, std::vector<kernel::Chain> groups) {
  auto& filter = (*planes_[plane])[kernel::Table::Filter];
  auto& counts = group_counts_[plane];
  std::vector<std::string> names;
  for (auto& chain : groups) {
    names.push_back(chain.name);
    ++counts[chain.name];
    filter.want(std::move(chain));
  }
  interface.groups.resize(planes_.size());
  for (const auto& name : std::exchange(interface.groups[plane], std::move(names))) {
    const auto count = counts.find(name);
    if (--count->second > 0) continue;
    counts.erase(count);
    filter.unwant(name);
  }
}

void EndpointManager::watch_policies(Symbol name, Interface& interface, std::vector<calc::PolicyId> policies) {
  // A policy that governs both directions, in both families, comes four times.
  std::sort(policies.begin(), policies.end());
  policies.erase(std::unique(policies.begin(), policies.end()), policies.end());
  for (const auto& id : policies) users_of_policy_[id].insert(name);
  for (const auto& id : std::exchange(interface.policies, policies)) {
    if (std::find(policies.begin(), policies.end(), id) != policies.end()) continue;
    const auto users = users_of_policy_.find(id);
    users->second.erase(name);
    if (users->second.empty()) users_of_policy_.erase(users);
  }
}

void EndpointManager::render(Symbol name, Interface& interface) {
  const auto best = std::min_element(interface.endpoints.begin(), interface.endpoints.end(), [&](const auto& a, const auto& b) {
    return precedence(*workloads_.at(a).endpoint) < precedence(*workloads_.at(b).endpoint);
  });
  const std::optional<calc::EndpointId> before = interface.active;
  interface.active = best == interface.endpoints.end() ? std::nullopt : std::optional{*best};
  if (before && before != interface.active) touched_.insert(*before);
  if (interface.active) touched_.insert(*interface.active);

  const std::string text = name.str();
  const Workload* workload = interface.active ? &workloads_.at(*interface.active) : nullptr;
  std::vector<Cidr> destinations, sources;
  std::vector<Nat> nats;
  std::optional<Mac> mac;
  std::vector<calc::PolicyId> policies;
  if (workload) {
    const auto& endpoint = *workload->endpoint;
    const auto lookup = [&](const calc::PolicyId& id) { return policies_.find(id); };
    for (std::size_t i = 0; i < planes_.size(); ++i) {
      auto rendered = rules::workload_chains(config_.rules, planes_[i]->family, endpoint, *workload->policies, lookup);
      hold_groups(interface, i, std::move(rendered.groups));
      for (auto& chain : rendered.chains) (*planes_[i])[kernel::Table::Filter].want(std::move(chain));
    }
    for (const auto& tier : workload->policies->normal) {
      policies.insert(policies.end(), tier.ingress.begin(), tier.ingress.end());
      policies.insert(policies.end(), tier.egress.begin(), tier.egress.end());
    }
    if (endpoint.active) {
      destinations = endpoint.nets;
      mac = endpoint.mac;
      if (config_.rules.floating_ips) {
        nats = endpoint.nats;
        for (const auto& nat : nats) destinations.emplace_back(nat.external);
      }
    }
    if (config_.rules.spoofing_allowed) sources = endpoint.allowed_source_prefixes;
  } else {
    for (std::size_t i = 0; i < planes_.size(); ++i) {
      hold_groups(interface, i, {});
      for (const Direction d : kDirections) {
        (*planes_[i])[kernel::Table::Filter].unwant(rules::workload_chain_name(text, d));
      }
    }
  }
  watch_policies(name, interface, std::move(policies));
  for (const auto& plane : planes_) plane->routes.claim(text, destinations, mac);
  const bool peers = workload && workload->endpoint->active && !workload->bgp_peer.empty();
  peering_.set_peer(text, peers ? workload->endpoint->nets : std::vector<Cidr>{});

  dispatch_dirty_ |= workload ? dispatched_.insert(text).second : dispatched_.erase(text) > 0;
  const auto share = [&](auto& map, auto value, bool& dirty) {
    const auto it = map.find(text);
    if (value.empty()) {
      if (it == map.end()) return false;
      map.erase(it);
    } else {
      if (it != map.end() && it->second == value) return false;
      map[text] = std::move(value);
    }
    dirty = true;
    return true;
  };
  const bool spoofs = !sources.empty();
  share(allowances_, std::move(sources), allowances_dirty_);
  share(nats_, std::move(nats), nats_dirty_);
  if (workload && up_.count(name)) sysctls_.want(text, spoofs);
  else sysctls_.unwant(text);
}

void EndpointManager::complete() {
  for (const auto& id : policies_.take_regrouped()) {
    if (const auto it = users_of_policy_.find(id); it != users_of_policy_.end())
      dirty_.insert(it->second.begin(), it->second.end());
  }
  for (const Symbol& name : std::exchange(dirty_, {})) {
    const auto it = interfaces_.find(name);
    if (it == interfaces_.end()) continue;
    render(name, it->second);
    if (it->second.endpoints.empty()) interfaces_.erase(it);
  }
  complete_shared();
}

void EndpointManager::complete_shared() {
  for (std::size_t i = 0; i < planes_.size(); ++i) {
    Plane& plane = *planes_[i];
    if (dispatch_dirty_) {
      std::set<std::string> names;
      for (auto& chain : rules::workload_dispatch_chains(config_.rules, {dispatched_.begin(), dispatched_.end()})) {
        names.insert(chain.name);
        plane[kernel::Table::Filter].want(std::move(chain));
      }
      for (const auto& name : std::exchange(dispatch_chains_[i], names)) {
        if (!names.count(name)) plane[kernel::Table::Filter].unwant(name);
      }
    }
    if (allowances_dirty_) {
      std::vector<rules::SpoofAllowance> all;
      for (const auto& [interface, prefixes] : allowances_) all.push_back({interface, prefixes});
      plane[kernel::Table::Raw].want(rules::rpf_skip_chain(config_.rules, plane.family, std::move(all)));
    }
    if (nats_dirty_) {
      std::vector<Nat> all;
      for (const auto& [interface, nats] : nats_) all.insert(all.end(), nats.begin(), nats.end());
      for (auto& chain : rules::floating_ip_chains(config_.rules, plane.family, all)) {
        plane[kernel::Table::Nat].want(std::move(chain));
      }
    }
  }
  dispatch_dirty_ = allowances_dirty_ = nats_dirty_ = false;
}

}  // namespace margay::dataplane
