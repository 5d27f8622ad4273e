// Mirror: a MessageSink that keeps the state the dataplane would keep, and checks every message against it: references exist
// before their users and outlive them, deltas are exact, removes are of things that exist, nothing is said twice.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "calc/messages.hpp"

namespace margay::calc::test {

struct State {
  struct Set {
    kernel::SetType type;
    std::set<kernel::SetMember> members;
    friend bool operator==(const Set&, const Set&) = default;
  };
  std::map<std::string, Set> sets;
  std::map<Key, ActivePolicy> policies;
  std::map<std::string, ActiveProfile> profiles;
  std::map<Key, std::pair<WorkloadEndpoint, EndpointPolicies>> workloads;
  std::map<Key, std::pair<HostEndpoint, EndpointPolicies>> host_endpoints;
  std::map<std::string, std::pair<std::optional<Addr>, std::optional<Addr>>> nodes;
  std::map<std::string, IpPool> pools;
  std::vector<Cidr> service_cidrs, blocks;
  std::map<Key, std::string> peers;  // BGPPeers of those workloads that have one
  std::pair<std::optional<Addr>, std::optional<Addr>> peering;
  friend bool operator==(const State&, const State&) = default;
};

// Names the first thing in which two states differ; empty if they are equal.
[[nodiscard]] std::string difference(const State& expected, const State& actual);

class Mirror final : public MessageSink {
 public:
  void on_message(Message message) override {
    ++messages;
    std::visit([this](const auto& m) { apply(m); }, message);
  }

  State state;
  bool in_sync = false;
  std::size_t messages = 0;

 private:
  static void check(bool good, const std::string& what) {
    if (!good) throw std::logic_error("message contract broken: " + what);
  }
  void phase(int next, const std::string& what) {
    check(next >= phase_, "out of order: " + what);
    phase_ = next;
  }
  void check_sets(const std::vector<ActiveRule>& rules) {
    for (const ActiveRule& rule : rules) {
      for (const auto* list : {&rule.src_sets, &rule.not_src_sets, &rule.dst_sets, &rule.not_dst_sets, &rule.src_port_sets,
                               &rule.not_src_port_sets, &rule.dst_port_sets, &rule.not_dst_port_sets, &rule.dst_service_sets}) {
        for (const SetId& id : *list) check(state.sets.contains(id.str()), "rule names absent set " + id.str());
      }
    }
  }
  [[nodiscard]] bool names_set(const std::string& wanted) const {
    const auto in = [&](const std::vector<ActiveRule>& rules) {
      for (const ActiveRule& rule : rules) {
        for (const auto* list : {&rule.src_sets, &rule.not_src_sets, &rule.dst_sets, &rule.not_dst_sets, &rule.src_port_sets,
                                 &rule.not_src_port_sets, &rule.dst_port_sets, &rule.not_dst_port_sets, &rule.dst_service_sets}) {
          for (const SetId& id : *list) {
            if (id == std::string_view{wanted}) return true;
          }
        }
      }
      return false;
    };
    for (const auto& [id, policy] : state.policies) {
      if (in(policy.ingress) || in(policy.egress)) return true;
    }
    for (const auto& [id, profile] : state.profiles) {
      if (in(profile.ingress) || in(profile.egress)) return true;
    }
    return false;
  }
  void check_policies(const EndpointPolicies& policies) {
    for (const auto* tiers : {&policies.normal, &policies.untracked, &policies.pre_dnat, &policies.forward}) {
      for (const TierPolicies& tier : *tiers) {
        check(!tier.ingress.empty() || !tier.egress.empty(), "empty tier");
        for (const auto* list : {&tier.ingress, &tier.egress}) {
          for (const PolicyId& id : *list) check(state.policies.contains(id), "endpoint names absent policy " + id.to_string());
        }
      }
    }
    for (const ProfileId& id : policies.profiles) check(state.profiles.contains(id.str()), "absent profile " + id.str());
  }
  template <class F>
  [[nodiscard]] bool any_endpoint(F&& uses) const {
    for (const auto& [id, endpoint] : state.workloads) {
      if (uses(endpoint.second)) return true;
    }
    for (const auto& [id, endpoint] : state.host_endpoints) {
      if (uses(endpoint.second)) return true;
    }
    return false;
  }

  void apply(const SetUpdate& m) {
    phase(0, "set update");
    check(!state.sets.contains(m.id.str()), "set announced twice: " + m.id.str());
    std::set<kernel::SetMember> members(m.members.begin(), m.members.end());
    check(members.size() == m.members.size(), "repeated member in " + m.id.str());
    state.sets[m.id.str()] = {m.type, std::move(members)};
  }
  void apply(const SetDelta& m) {
    phase(1, "set delta");
    check(state.sets.contains(m.id.str()), "delta of absent set");
    check(!m.added.empty() || !m.removed.empty(), "empty delta");
    auto& members = state.sets[m.id.str()].members;
    for (const auto& member : m.removed) check(members.erase(member) == 1, "removed what was not there");
    for (const auto& member : m.added) check(members.insert(member).second, "added what was there");
  }
  void apply(const SetRemove& m) {
    phase(8, "set remove");
    check(!names_set(m.id.str()), "set removed under its user");
    check(state.sets.erase(m.id.str()) == 1, "removed absent set");
  }
  void apply(const PolicyUpdate& m) {
    phase(2, "policy update");
    check_sets(m.policy->ingress);
    check_sets(m.policy->egress);
    const auto it = state.policies.find(m.id);
    check(it == state.policies.end() || !(it->second == *m.policy), "policy said again");
    state.policies.insert_or_assign(m.id, *m.policy);
  }
  void apply(const PolicyRemove& m) {
    phase(7, "policy remove");
    check(!any_endpoint([&](const EndpointPolicies& policies) {
      for (const auto* tiers : {&policies.normal, &policies.untracked, &policies.pre_dnat, &policies.forward}) {
        for (const TierPolicies& tier : *tiers) {
          for (const auto* list : {&tier.ingress, &tier.egress}) {
            for (const PolicyId& id : *list) {
              if (id == m.id) return true;
            }
          }
        }
      }
      return false;
    }),
          "policy removed under its user");
    check(state.policies.erase(m.id) == 1, "removed absent policy");
  }
  void apply(const ProfileUpdate& m) {
    phase(3, "profile update");
    check_sets(m.profile->ingress);
    check_sets(m.profile->egress);
    const auto it = state.profiles.find(m.id.str());
    check(it == state.profiles.end() || !(it->second == *m.profile), "profile said again");
    state.profiles.insert_or_assign(m.id.str(), *m.profile);
  }
  void apply(const ProfileRemove& m) {
    phase(6, "profile remove");
    check(!any_endpoint([&](const EndpointPolicies& policies) {
      return std::find(policies.profiles.begin(), policies.profiles.end(), m.id) != policies.profiles.end();
    }),
          "profile removed under its user");
    check(state.profiles.erase(m.id.str()) == 1, "removed absent profile");
  }
  void apply(const WorkloadUpdate& m) {
    phase(4, "workload update");
    check_policies(*m.policies);
    state.workloads.insert_or_assign(m.id, std::pair{*m.endpoint, *m.policies});
    if (m.bgp_peer.empty()) state.peers.erase(m.id);
    else state.peers[m.id] = m.bgp_peer.str();
  }
  void apply(const WorkloadRemove& m) {
    phase(5, "workload remove");
    check(state.workloads.erase(m.id) == 1, "removed absent workload");
    state.peers.erase(m.id);
  }
  void apply(const HostEndpointUpdate& m) {
    phase(4, "host endpoint update");
    check_policies(*m.policies);
    state.host_endpoints.insert_or_assign(m.id, std::pair{*m.endpoint, *m.policies});
  }
  void apply(const HostEndpointRemove& m) {
    phase(5, "host endpoint remove");
    check(state.host_endpoints.erase(m.id) == 1, "removed absent host endpoint");
  }
  void apply(const NodeUpdate& m) {
    phase(9, "node");
    state.nodes[m.name.str()] = {m.ipv4, m.ipv6};
  }
  void apply(const NodeRemove& m) {
    phase(9, "node");
    check(state.nodes.erase(m.name.str()) == 1, "removed absent node");
  }
  void apply(const PoolUpdate& m) {
    phase(9, "pool");
    state.pools.insert_or_assign(m.name.str(), *m.pool);
  }
  void apply(const PoolRemove& m) {
    phase(9, "pool");
    check(state.pools.erase(m.name.str()) == 1, "removed absent pool");
  }
  void apply(const ServiceCidrsUpdate& m) {
    phase(9, "service CIDRs");
    check(!(state.service_cidrs == m.cidrs), "service CIDRs said again");
    state.service_cidrs = m.cidrs;
  }
  void apply(const BlocksUpdate& m) {
    phase(9, "blocks");
    check(!(state.blocks == m.blocks), "blocks said again");
    state.blocks = m.blocks;
  }
  void apply(const WorkloadPeeringUpdate& m) {
    phase(9, "peering");
    check(state.peering != std::pair{m.ipv4, m.ipv6}, "peering said again");
    state.peering = {m.ipv4, m.ipv6};
  }
  void apply(const InSync&) {
    phase(10, "in sync");
    check(!in_sync, "in sync twice");
    in_sync = true;
  }

 public:
  // To be called before each flush.
  void begin_flush() { phase_ = 0; }

 private:
  int phase_ = 0;
};

}  // namespace margay::calc::test
