// PolicyResolver: for each local endpoint, the tiers and in them the policies that select it, in the order they are asked; and
// what LocalPeers says of it.
//
// Order (policy-rendering §2.1, §2.2): tiers that exist before tiers that policies only name; those with an order before those
// without; by order; by name. In a tier by order, absent last, then by "name/namespace/kind" byte by byte.
// A tier that only policies name is Deny: unlike Felix, it keeps nothing of a Tier object that was deleted, since what is
// enforced is a function of what exists (docs/decisions/0043).
#pragma once

#include <unordered_map>

#include "calc/active_rules.hpp"
#include "calc/local_endpoints.hpp"
#include "calc/local_peers.hpp"
#include "calc/sequencer.hpp"

namespace margay::calc {

class PolicyResolver {
 public:
  PolicyResolver(LocalEndpoints& local, const ActiveRules& policies, const LocalPeers& peers, Sequencer& out)
      : local_{local}, policies_{policies}, peers_{peers}, out_{out} {}

  void on_tier(const Key& key, const Ref<Tier>& tier);  // null: gone
  void complete();

 private:
  [[nodiscard]] Ref<EndpointPolicies> resolve(const LocalEndpoints::Endpoint& endpoint) const;

  LocalEndpoints& local_;
  const ActiveRules& policies_;
  const LocalPeers& peers_;
  Sequencer& out_;
  std::unordered_map<Symbol, Ref<Tier>> tiers_;
};

}  // namespace margay::calc
