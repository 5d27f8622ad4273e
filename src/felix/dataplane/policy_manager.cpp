#include "dataplane/policy_manager.hpp"

#include "rules/policy_chains.hpp"

namespace margay::dataplane {
namespace {

constexpr Direction kDirections[] = {Direction::Ingress, Direction::Egress};

}  // namespace

PolicyManager::PolicyManager(const Config& config, Planes& planes) : config_{config}, planes_{planes} {
  for (const auto& plane : planes_) {
    for (auto& chain : rules::verdict_chains(config_.rules)) (*plane)[kernel::Table::Filter].want(std::move(chain));
  }
}

const calc::ActivePolicy* PolicyManager::find(const calc::PolicyId& id) const {
  const auto it = policies_.find(id);
  return it == policies_.end() ? nullptr : it->second.get();
}

void PolicyManager::on_message(const calc::Message& message) {
  if (const auto* update = std::get_if<calc::PolicyUpdate>(&message)) {
    auto& policy = policies_[update->id];
    if (!policy || policy->selector != update->policy->selector || policy->staged != update->policy->staged) {
      regrouped_.insert(update->id);
    }
    policy = update->policy;
    dirty_policies_.insert(update->id);
  } else if (const auto* remove = std::get_if<calc::PolicyRemove>(&message)) {
    if (policies_.erase(remove->id) == 0) return;
    regrouped_.insert(remove->id);
    dirty_policies_.insert(remove->id);
  } else if (const auto* profile = std::get_if<calc::ProfileUpdate>(&message)) {
    profiles_[profile->id] = profile->profile;
    dirty_profiles_.insert(profile->id);
  } else if (const auto* gone = std::get_if<calc::ProfileRemove>(&message)) {
    if (profiles_.erase(gone->id) > 0) dirty_profiles_.insert(gone->id);
  }
}

// Chains nobody jumps to are not programmed, and one somebody jumps to that is gone is closed: the table sees to both.
void PolicyManager::complete() {
  for (const auto& plane : planes_) {
    auto& filter = (*plane)[kernel::Table::Filter];
    for (const auto& id : dirty_policies_) {
      const auto* policy = find(id);
      const bool enforced = policy && !policy->staged;
      if (enforced) {
        for (auto& chain : rules::policy_chains(config_.rules, plane->family, kernel::Table::Filter, id, *policy)) {
          filter.want(std::move(chain));
        }
      }
      for (const Direction direction : kDirections) {
        const auto name = rules::policy_chain_name(id, direction);
        filter.force(name, enforced && policy->needed_everywhere);
        if (!enforced) filter.unwant(name);
      }
    }
    for (const auto& id : dirty_profiles_) {
      const auto it = profiles_.find(id);
      if (it != profiles_.end()) {
        for (auto& chain : rules::profile_chains(config_.rules, plane->family, kernel::Table::Filter, id, it->second.get())) {
          filter.want(std::move(chain));
        }
        continue;
      }
      for (const Direction direction : kDirections) filter.unwant(rules::profile_chain_name(id, direction));
    }
  }
  dirty_policies_.clear();
  dirty_profiles_.clear();
}

}  // namespace margay::dataplane
