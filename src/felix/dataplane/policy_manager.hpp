// PolicyManager: active policies and profiles as chains of the filter table, and the look-up that endpoints group them by.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"
#include "rules/groups.hpp"

namespace margay::dataplane {

class PolicyManager final : public Manager {
 public:
  PolicyManager(const Config& config, Planes& planes);
  void on_message(const calc::Message& message) override;
  void complete() override;

  [[nodiscard]] const calc::ActivePolicy* find(const calc::PolicyId& id) const;
  // Policies whose selector, staging or existence changed: whoever groups by them renders again.
  [[nodiscard]] std::unordered_set<calc::PolicyId> take_regrouped() { return std::exchange(regrouped_, {}); }

 private:
  const Config& config_;
  Planes& planes_;
  std::unordered_map<calc::PolicyId, Ref<calc::ActivePolicy>> policies_;
  std::unordered_map<calc::ProfileId, Ref<calc::ActiveProfile>> profiles_;
  std::unordered_set<calc::PolicyId> dirty_policies_, regrouped_;
  std::unordered_set<calc::ProfileId> dirty_profiles_;
};

}  // namespace margay::dataplane
