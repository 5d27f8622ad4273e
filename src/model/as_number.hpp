// Numbers of autonomous systems: 32 bits, as a number, as decimal text, or as "high.low" text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fields.hpp"

namespace margay::model {

[[nodiscard]] std::optional<std::uint32_t> parse_as_number(std::string_view text) noexcept;
[[nodiscard]] std::optional<std::uint32_t> read_as_number(Field field);
// The same where 0, which is nobody's number, means that none is given.
[[nodiscard]] std::optional<std::uint32_t> read_as_number_or_unset(Field field);

}  // namespace margay::model
