// The selector language's parser: text → tree, or the position and what was expected there.
#pragma once

#include <cstddef>
#include <string_view>

#include "margay/base/result.hpp"
#include "selector_tree.hpp"

namespace margay::selector {

// Operators nested in each other (as in the canonical text). More than a person writes, and little stack to evaluate.
inline constexpr std::size_t kMaxDepth = 100;
// Parentheses around each other, redundant ones included. Bounds the parser's own stack.
inline constexpr std::size_t kMaxParentheses = 500;

[[nodiscard]] Result<Tree> parse(std::string_view text);

}  // namespace margay::selector
