#include "base64.hpp"

#include <cstdint>

namespace margay::model {

namespace {

int digit_of(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  unsigned digits = 0, padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      // At the end of the last group of four only, and never more than two.
      if (digits < 2 || digits + ++padding > 4) return std::nullopt;
      continue;
    }
    const int digit = digit_of(c);
    if (digit < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (++digits < 4) continue;
    for (const unsigned shift : {16u, 8u, 0u}) out += static_cast<char>(group >> shift & 0xff);
    group = digits = 0;
  }
  if (digits == 0) return out;
  if (digits + padding != 4) return std::nullopt;
  out += static_cast<char>(digits == 2 ? group >> 4 : group >> 10);
  if (digits == 3) out += static_cast<char>(group >> 2 & 0xff);
  return out;
}

}  // namespace margay::model
