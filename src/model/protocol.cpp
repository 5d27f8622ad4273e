#include <array>
#include <charconv>
#include <cstddef>

#include "margay/model/rule.hpp"

namespace margay::protocol {
namespace {

struct Name {
  std::string_view text;
  Protocol number;
};
constexpr std::array<Name, 6> kNames{
    {{"tcp", kTcp}, {"udp", kUdp}, {"icmp", kIcmp}, {"icmpv6", kIcmpV6}, {"sctp", kSctp}, {"udplite", kUdpLite}}};

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view text, std::string_view lower_case) noexcept {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

}  // namespace

std::optional<Protocol> parse(std::string_view text) noexcept {
  for (const auto& name : kNames) {
    if (same_word(text, name.text)) return name.number;
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > 255) return std::nullopt;
  return static_cast<Protocol>(number);
}

std::string to_string(Protocol p) {
  for (const auto& name : kNames) {
    if (name.number == p) return std::string{name.text};
  }
  return std::to_string(p);
}

}  // namespace margay::protocol
