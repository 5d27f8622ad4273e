// World: a kernel of fakes and a dataplane on it that can be killed and started anew, for tests of the whole component.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/dataplane.hpp"
#include "fakes/fake_conntrack.hpp"
#include "fakes/fake_links.hpp"
#include "fakes/fake_routes.hpp"
#include "fakes/fake_sets.hpp"
#include "fakes/fake_sysctls.hpp"
#include "fakes/fake_tables.hpp"
#include "fakes/manual_clock.hpp"

namespace margay::dataplane::test {

struct World {
  fakes::Fuse fuse;
  fakes::FakeSets sets{fuse};
  fakes::FakeTables tables{fuse, sets};
  fakes::FakeRoutes routes{fuse};
  fakes::FakeLinks links{fuse, routes};
  fakes::FakeConntrack conntrack{fuse};
  fakes::FakeSysctls sysctls{fuse};
  fakes::ManualClock clock;
  Config config;
  std::unique_ptr<Dataplane> dataplane;

  World() { start(); }
  void start() {
    dataplane.reset();
    dataplane = std::make_unique<Dataplane>(config, Ports{tables, sets, routes, links, conntrack, sysctls, clock});
  }
  void send(const std::vector<calc::Message>& messages) {
    for (const auto& message : messages) dataplane->on_message(message);
  }
  void event(const kernel::LinkEvent& e) { dataplane->on_event(e); }
  Outcome apply() { return dataplane->apply(); }
  // Lets time pass until nothing is due soon: retries, grace.
  Outcome settle(Duration time = std::chrono::seconds{20}) {
    Outcome last = dataplane->apply();
    const auto end = clock.now() + time;
    for (int i = 0; i < 200; ++i) {
      const auto due = dataplane->next_wakeup();
      if (!due || *due > end) break;
      if (*due > clock.now()) clock.advance(*due - clock.now());
      last = dataplane->apply();
    }
    return last;
  }
  const std::vector<kernel::Rule>* chain(Family family, kernel::Table table, const std::string& name) const {
    const auto& all = tables.of(family, table);
    const auto it = all.find(name);
    return it == all.end() ? nullptr : &it->second;
  }
  const std::vector<kernel::Rule>* filter(const std::string& name) const {
    return chain(Family::V4, kernel::Table::Filter, name);
  }
};

// ---- messages ------------------------------------------------------------------------------------------------------

inline calc::PolicyId policy_id(const std::string& name) { return {Kind::NetworkPolicy, "default", name}; }
inline calc::EndpointId endpoint_id(const std::string& name) { return {Kind::WorkloadEndpoint, "default", name}; }

inline calc::Message policy(const std::string& name, const std::string& set, const std::string& selector = "all()",
                            Action action = Action::Allow) {
  auto p = std::make_shared<calc::ActivePolicy>();
  p->tier = "default";
  p->selector = selector;
  calc::ActiveRule rule;
  rule.action = action;
  if (!set.empty()) rule.src_sets = {set};
  p->ingress = {rule};
  return calc::PolicyUpdate{policy_id(name), p};
}

inline calc::Message profile(const std::string& name) {
  auto p = std::make_shared<calc::ActiveProfile>();
  p->egress = {calc::ActiveRule{}};
  return calc::ProfileUpdate{name, p};
}

inline calc::Message workload(const std::string& name, const std::string& interface, const std::vector<std::string>& nets,
                              const std::vector<std::string>& policies, const std::string& with_profile = {}) {
  auto e = std::make_shared<WorkloadEndpoint>();
  e->orchestrator = "k8s";
  e->workload = "default/" + name;
  e->endpoint = "eth0";
  e->interface_name = interface;
  e->mac = *Mac::parse("02:00:00:00:00:01");
  for (const auto& net : nets) e->nets.push_back(*Cidr::parse(net));
  auto p = std::make_shared<calc::EndpointPolicies>();
  if (!policies.empty()) {
    calc::TierPolicies tier{.tier = "default"};
    for (const auto& id : policies) tier.ingress.push_back(policy_id(id));
    p->normal = {tier};
  }
  if (!with_profile.empty()) {
    e->profiles = {with_profile};
    p->profiles = {with_profile};
  }
  return calc::WorkloadUpdate{endpoint_id(name), e, p};
}

inline calc::Message set(const std::string& id, const std::vector<std::string>& members) {
  calc::SetUpdate update{.id = id};
  for (const auto& m : members) update.members.push_back({.net = *Cidr::parse(m)});
  return update;
}

}  // namespace margay::dataplane::test
