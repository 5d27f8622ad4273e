#include "quantity.hpp"

#include <limits>

namespace margay::model {

namespace {

__extension__ typedef __int128 Wide;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr Wide kHuge = static_cast<Wide>(1) << 122;  // more than any result; times ten it still fits

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Digits with at most one '.': value = mantissa / 10^decimals. Digits beyond what fits only make the mantissa sticky-up.
struct Decimal {
  Wide mantissa = 0;
  int decimals = 0;
  bool any = false;
};

Decimal take_decimal(std::string_view& text) noexcept {
  Decimal out;
  bool point = false;
  while (!text.empty() && (digit(text.front()) || (text.front() == '.' && !point))) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '.') {
      point = true;
      continue;
    }
    out.any = true;
    if (point && out.decimals >= 18) {  // beyond any use; rounding up is all that can be left of it
      if (c != '0' && out.mantissa % 10 == 0) ++out.mantissa;
      continue;
    }
    if (out.mantissa < kHuge / 10) {
      out.mantissa = out.mantissa * 10 + (c - '0');
      if (point) ++out.decimals;
    } else if (!point) {
      out.mantissa = kHuge;
    }
  }
  return out;
}

// Rounded up; saturates.
std::int64_t scaled(Wide mantissa, Wide factor, int exponent10) noexcept {
  for (; exponent10 > 0; --exponent10) {
    if (mantissa > kHuge / 10) return kMax;
    mantissa *= 10;
  }
  if (mantissa != 0 && factor > kHuge / mantissa) return kMax;
  mantissa *= factor;
  // Rounding up at each step is rounding up once: ceil(ceil(x/10)/10) = ceil(x/100).
  for (; exponent10 < 0 && mantissa > 1; ++exponent10) mantissa = (mantissa + 9) / 10;
  return mantissa > kMax ? kMax : static_cast<std::int64_t>(mantissa);
}

}  // namespace

std::optional<std::int64_t> parse_quantity(std::string_view text) noexcept {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const Decimal number = take_decimal(text);
  if (!number.any) return std::nullopt;

  Wide factor = 1;
  int exponent = 0;
  if (!text.empty()) {
    static constexpr std::string_view kBinary = "KMGTPE";
    static constexpr std::string_view kDecimal = "kMGTPE";
    if (text.size() == 2 && text[1] == 'i') {
      const auto at = kBinary.find(text[0]);
      if (at == std::string_view::npos) return std::nullopt;
      factor = static_cast<Wide>(1) << (10 * (at + 1));
    } else if (text == "n" || text == "u" || text == "m") {
      exponent = text == "n" ? -9 : text == "u" ? -6 : -3;
    } else if (const auto at = kDecimal.find(text[0]); text.size() == 1 && at != std::string_view::npos) {
      exponent = 3 * (static_cast<int>(at) + 1);
    } else if (text[0] == 'e' || text[0] == 'E') {
      text.remove_prefix(1);
      const bool minus = !text.empty() && text.front() == '-';
      if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
      if (text.empty()) return std::nullopt;
      for (const char c : text) {
        if (!digit(c)) return std::nullopt;
        if (exponent < 1000) exponent = exponent * 10 + (c - '0');
      }
      if (minus) exponent = -exponent;
    } else {
      return std::nullopt;
    }
  }
  const std::int64_t magnitude = scaled(number.mantissa, factor, exponent - number.decimals);
  return negative ? -magnitude : magnitude;
}

std::optional<std::int64_t> parse_go_duration(std::string_view text) noexcept {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  Wide total = 0;
  while (!text.empty()) {
    const Decimal number = take_decimal(text);
    if (!number.any) return std::nullopt;
    struct Unit {
      std::string_view name;
      Wide nanoseconds;
    };
    // Two letters first: "ms" is not "m" and "s". Both micro signs that Go knows.
    static constexpr Unit kUnits[] = {{"ns", 1},
                                      {"us", 1000},
                                      {"\xc2\xb5s", 1000},
                                      {"\xce\xbcs", 1000},
                                      {"ms", 1000000},
                                      {"s", 1000000000},
                                      {"m", static_cast<Wide>(60) * 1000000000},
                                      {"h", static_cast<Wide>(3600) * 1000000000}};
    Wide unit = 0;
    for (const Unit& u : kUnits) {
      if (!text.starts_with(u.name)) continue;
      unit = u.nanoseconds;
      text.remove_prefix(u.name.size());
      break;
    }
    if (unit == 0 || number.mantissa >= kHuge / unit) return std::nullopt;
    Wide part = number.mantissa * unit;
    for (int i = 0; i < number.decimals; ++i) part /= 10;
    total += part;
    if (total > kMax) return std::nullopt;
  }
  const auto out = static_cast<std::int64_t>(total);
  return negative ? -out : out;
}

}  // namespace margay::model
