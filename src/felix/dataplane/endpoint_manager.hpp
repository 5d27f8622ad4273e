// EndpointManager: local workloads as chains, dispatch, anti-spoofing exemptions, floating addresses, routes and neighbours.
//
// Unit of work is the interface: one that changed is rendered again, the others are not touched. Two endpoints on one interface:
// the one with the smaller (orchestrator, workload, endpoint) is active, the other is shadowed and takes over when it goes. Group
// chains are shared and counted.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "dataplane/link_sysctls.hpp"
#include "dataplane/manager.hpp"
#include "dataplane/peering_manager.hpp"
#include "dataplane/plane.hpp"
#include "dataplane/policy_manager.hpp"

namespace margay::dataplane {

class EndpointManager final : public Manager {
 public:
  EndpointManager(const Config& config, Planes& planes, PolicyManager& policies, LinkSysctls& sysctls, PeeringManager& peering);
  void on_message(const calc::Message& message) override;
  void on_link(const kernel::Link& link, bool removed) override;
  void complete() override;

  struct Workload {
    Ref<WorkloadEndpoint> endpoint;
    Ref<calc::EndpointPolicies> policies;
    Symbol bgp_peer;  // empty: it is none
  };
  [[nodiscard]] const std::unordered_map<calc::EndpointId, Workload>& workloads() const { return workloads_; }
  [[nodiscard]] const Workload* find(const calc::EndpointId& id) const;
  // Rendered, not shadowed by another on its interface.
  [[nodiscard]] bool is_active(const calc::EndpointId& id) const;
  [[nodiscard]] bool link_up(Symbol interface) const { return up_.count(interface) > 0; }
  // Endpoints that changed, appeared, went, or whose link did, since last asked.
  [[nodiscard]] std::unordered_set<calc::EndpointId> take_touched() { return std::exchange(touched_, {}); }

 private:
  struct Interface {
    std::vector<calc::EndpointId> endpoints;       // the active one first, once completed
    std::optional<calc::EndpointId> active;        // as rendered
    std::vector<std::vector<std::string>> groups;  // per plane: group chains it holds
    std::vector<calc::PolicyId> policies;          // that its groups depend on
  };
  void attach(Symbol interface, const calc::EndpointId& id);
  void detach(Symbol interface, const calc::EndpointId& id);
  void render(Symbol name, Interface& interface);
  void hold_groups(Interface& interface, std::size_t plane, std::vector<kernel::Chain> groups);
  void watch_policies(Symbol name, Interface& interface, std::vector<calc::PolicyId> policies);
  void complete_shared();

  const Config& config_;
  Planes& planes_;
  PolicyManager& policies_;
  LinkSysctls& sysctls_;
  PeeringManager& peering_;

  std::unordered_map<calc::EndpointId, Workload> workloads_;
  std::unordered_map<Symbol, Interface> interfaces_;
  std::unordered_map<calc::PolicyId, std::unordered_set<Symbol>> users_of_policy_;
  std::vector<std::unordered_map<std::string, unsigned>> group_counts_;  // per plane
  std::unordered_set<Symbol> dirty_, up_;
  std::unordered_set<calc::EndpointId> touched_;

  // What all endpoints share; each rendered again only when its inputs changed.
  std::set<std::string> dispatched_;                     // interfaces
  std::map<std::string, std::vector<Cidr>> allowances_;  // by interface: source prefixes
  std::map<std::string, std::vector<Nat>> nats_;         // by interface
  std::vector<std::set<std::string>> dispatch_chains_;   // per plane: names
  bool dispatch_dirty_ = true, allowances_dirty_ = true, nats_dirty_ = true;
};

}  // namespace margay::dataplane
