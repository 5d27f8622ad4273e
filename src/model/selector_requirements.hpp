// What a selector's matches must have in common: the restrictions an index may look up instead of evaluating.
#pragma once

#include <vector>

#include "margay/model/selector.hpp"
#include "selector_tree.hpp"

namespace margay::selector {

[[nodiscard]] std::vector<Selector::Requirement> requirements(const Tree& tree);

}  // namespace margay::selector
