// NFLOG prefixes, by which a flow-log collector knows which rule decided (policy-rendering §3.7). Internal to rules.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "margay/kernel/rule.hpp"
#include "margay/model/rule.hpp"

namespace margay::rules {

// Group 1 carries ingress, 2 egress.
[[nodiscard]] kernel::Target nflog(Direction direction, std::string prefix);

// "API0|gnp/name": action (A, D, P), owner (P policy, R profile), direction, index of the rule, whose it is.
[[nodiscard]] std::string rule_flow_prefix(char action, char owner, Direction direction, std::size_t index,
                                           std::string_view label);
// "DPI|tier" at the end of a tier that drops, "PPI|tier" of one that passes.
[[nodiscard]] std::string tier_flow_prefix(char action, Direction direction, std::string_view tier);
// "DRI": no profile matched.
[[nodiscard]] std::string no_profile_flow_prefix(Direction direction);

}  // namespace margay::rules
