// Policies and profiles as chains. A policy chain gives no verdict by itself but drop: Allow and Pass leave a mark bit behind and
// return to the endpoint (or group) chain that jumped here, so one policy serves every endpoint it selects.
//
//   Allow:  M → goto cali-allow      one rule, no MARK and no mark match: `goto` leaves the policy chain for good
//   Pass:   M → goto cali-pass
//   Deny:   M → DROP                 (filter: REJECT if so configured)
//   Log:    M [limit] → LOG
//
// M may take several rules: see render_rule. A rule that cannot match in this family yields nothing. A criterion the kernel
// cannot express never widens a policy: the rule is left out, or, if it denies, denies without that criterion.
// No comment but one: a chain whose name is a digest says on its first rule which policy it is (docs/decisions/0052).
#pragma once

#include <vector>

#include "calc/messages.hpp"
#include "margay/kernel/rule.hpp"
#include "rules/config.hpp"
#include "rules/names.hpp"

namespace margay::rules {

// cali-allow and cali-pass: wanted in every table where a policy or profile chain is (raw, mangle, filter).
[[nodiscard]] std::vector<kernel::Chain> verdict_chains(const Config& config);

// Inbound and outbound chain, in this order. A policy that is `closed` drops in both, whatever its rules say. Staged policies
// have none: empty.
[[nodiscard]] std::vector<kernel::Chain> policy_chains(const Config& config, Family family, kernel::Table table,
                                                       const calc::PolicyId& id, const calc::ActivePolicy& policy);

// A null profile is one that does not exist: it denies (law 3).
[[nodiscard]] std::vector<kernel::Chain> profile_chains(const Config& config, Family family, kernel::Table table,
                                                        const calc::ProfileId& id, const calc::ActiveProfile* profile);

}  // namespace margay::rules
