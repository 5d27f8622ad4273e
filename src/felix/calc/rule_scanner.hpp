// Rule scanner: rules as written → rules that name sets, and the definitions of those sets (policy-rendering §3.3).
//
// A pure function; who uses a set, and for how long, is the business of active_rules.
#pragma once

#include <vector>

#include "calc/set_def.hpp"

namespace margay::calc {

struct ScannedRules {
  std::vector<ActiveRule> ingress, egress;
  std::vector<SetDef> sets;  // every set the rules name, once
};

// Rules of a direction that the policy does not govern are left out. A closed policy is one Deny in each direction it governs.
[[nodiscard]] ScannedRules scan(const Policy& policy);
// A profile that does not exist is one Deny in each direction (§2.5).
[[nodiscard]] ScannedRules scan(const Profile* profile);

}  // namespace margay::calc
