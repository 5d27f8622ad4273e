#include <charconv>

#include <fmt/format.h>

#include "margay/model/bgp.hpp"

namespace margay {

std::optional<Community> Community::parse(std::string_view text) noexcept {
  Community out;
  for (std::size_t count = 0; count < out.parts.size(); ++count) {
    const auto colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out.parts[count]);
    if (part.empty() || error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
    if (colon != std::string_view::npos) {
      text.remove_prefix(colon + 1);
      continue;
    }
    out.large = count == 2;
    const bool fits = out.large || (out.parts[0] <= 0xffff && out.parts[1] <= 0xffff);
    return count > 0 && fits ? std::optional{out} : std::nullopt;
  }
  return std::nullopt;
}

std::string Community::to_string() const {
  return large ? fmt::format("{}:{}:{}", parts[0], parts[1], parts[2]) : fmt::format("{}:{}", parts[0], parts[1]);
}

}  // namespace margay
