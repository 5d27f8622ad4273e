// ActiveRules: which policies and profiles matter on this node, scanned into rules over sets.
//
// A policy is active while its selector matches a local endpoint, or if it asks to be everywhere; a profile while a local
// endpoint lists it. A listed profile that does not exist is one Deny in each direction. Staged policies are announced (their
// place in the order is visible to operators) but their rules only on request: rules nobody enforces need no sets.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "calc/local_endpoints.hpp"
#include "calc/sequencer.hpp"
#include "calc/set_index.hpp"

namespace margay::calc {

class ActiveRules {
 public:
  struct Entry {
    PolicyId id;
    Ref<Policy> policy;
    LabelIndex::SelectorId selector = 0;
    Symbol tier;
    std::string tie;  // "name/namespace/kind": orders policies of equal order (policy-rendering §2.2)
  };

  ActiveRules(LocalEndpoints& local, SetIndex& sets, Sequencer& out, bool staged_rules)
      : local_{local}, sets_{sets}, out_{out}, staged_rules_{staged_rules} {}

  void on_policy(const Key& key, const Ref<Policy>& policy);  // null: gone
  void on_profile(const Key& key, const Ref<Profile>& profile);

  // The policies with a selector, for those who resolve an endpoint. Pointers live until the next on_policy.
  [[nodiscard]] const std::vector<const Entry*>& with_selector(LabelIndex::SelectorId selector) const;

  // Scans what became active or changed, drops what is no longer active.
  void complete();
  [[nodiscard]] bool dirty() const noexcept { return !dirty_policies_.empty() || !dirty_profiles_.empty(); }
  [[nodiscard]] std::size_t active_policies() const noexcept { return active_policies_.size(); }

 private:
  template <class T>
  struct Active {
    Ref<T> from;
    std::vector<SetId> sets;
  };
  void complete_policy(const PolicyId& id);
  void complete_profile(const Symbol& name);
  void hold(std::vector<SetId>& held, const std::vector<SetDef>& wanted);

  LocalEndpoints& local_;
  SetIndex& sets_;
  Sequencer& out_;
  bool staged_rules_;

  std::unordered_map<PolicyId, Entry> policies_;
  std::unordered_map<LabelIndex::SelectorId, std::vector<const Entry*>> by_selector_;
  std::unordered_map<Symbol, Ref<Profile>> profiles_;
  std::unordered_map<PolicyId, Active<Policy>> active_policies_;
  std::unordered_map<Symbol, Active<Profile>> active_profiles_;
  std::unordered_set<PolicyId> dirty_policies_;
  std::unordered_set<Symbol> dirty_profiles_;
};

}  // namespace margay::calc
