// Suggestions for words that were mistyped. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace margay::ctl {

// "; did you mean \"x\"?" for the closest of the known words, or nothing if none is close.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);
// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace margay::ctl
