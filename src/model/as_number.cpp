#include "as_number.hpp"

#include <charconv>

namespace margay::model {

namespace {

std::optional<std::uint32_t> decimal(std::string_view text, std::uint32_t max) noexcept {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::uint32_t> parse_as_number(std::string_view text) noexcept {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return decimal(text, 0xffffffff);
  const auto high = decimal(text.substr(0, dot), 0xffff);
  const auto low = decimal(text.substr(dot + 1), 0xffff);
  if (!high || !low) return std::nullopt;
  return *high << 16 | *low;
}

std::optional<std::uint32_t> read_as_number(Field field) {
  const auto given = field.int_or_text();
  if (!given) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(&*given)) {
    if (*number >= 0 && *number <= 0xffffffff) return static_cast<std::uint32_t>(*number);
  } else if (const auto parsed = parse_as_number(std::get<std::string_view>(*given))) {
    return parsed;
  }
  field.error("is not an AS number: 0 to 4294967295, or two numbers up to 65535 joined by '.'");
  return std::nullopt;
}

std::optional<std::uint32_t> read_as_number_or_unset(Field field) {
  const auto number = read_as_number(field);
  return number == 0u ? std::nullopt : number;
}

}  // namespace margay::model
