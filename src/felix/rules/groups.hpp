// Which policies of a tier share a chain: runs of equal selector are one group chain, shared by all endpoints with the same run
// (policy-rendering §5.6).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "calc/messages.hpp"
#include "margay/kernel/rule.hpp"
#include "rules/config.hpp"

namespace margay::rules {

// Null if there is no such policy: then whatever refers to it drops (law 3).
using PolicyLookup = std::function<const calc::ActivePolicy*(const calc::PolicyId&)>;

struct PolicyGroup {
  std::string chain;  // the group's own chain; empty: its policies are jumped to one by one
  struct Member {
    calc::PolicyId id;
    bool missing = false;  // not found: closed
  };
  std::vector<Member> enforced;  // in order; staged ones are gone. Empty: nothing to do
};

// The groups of one tier in one direction. A run with at most one enforced policy is inlined.
// They depend on each policy's selector, `staged` and existence only, not on its rules.
[[nodiscard]] std::vector<PolicyGroup> plan_groups(const std::vector<calc::PolicyId>& policies, Direction direction,
                                                   const PolicyLookup& lookup);

// The chain of a group that has one.
[[nodiscard]] kernel::Chain group_chain(const Config& config, kernel::Table table, const PolicyGroup& group, Direction direction);

}  // namespace margay::rules
