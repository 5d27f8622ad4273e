// Two text forms of numbers: Kubernetes quantities ("10k", "1.5Gi") and Go durations ("1m30s").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace margay::model {

// Rounded up to an integer as Kubernetes does; the nearest limit if it does not fit. Nothing if the text is no quantity.
[[nodiscard]] std::optional<std::int64_t> parse_quantity(std::string_view text) noexcept;

// Nanoseconds. Nothing if the text is no duration or does not fit.
[[nodiscard]] std::optional<std::int64_t> parse_go_duration(std::string_view text) noexcept;

}  // namespace margay::model
