// From "some workload interface" to that workload's chain, by header compares only: a tree of two levels, binned on the first
// character after the common prefix. What is not found is dropped: an interface with our prefix and no endpoint is closed (law
// 3).
#pragma once

#include <string>
#include <vector>

#include "margay/kernel/rule.hpp"
#include "rules/config.hpp"

namespace margay::rules {

// Filter table only. Roots cali-from-wl-dispatch and cali-to-wl-dispatch first, then their children. Names in any order,
// duplicates allowed; names that no interface can have (empty, over 15 characters) are left out. No names: just the drop.
[[nodiscard]] std::vector<kernel::Chain> workload_dispatch_chains(const Config& config,
                                                                  const std::vector<std::string>& interfaces);

}  // namespace margay::rules
