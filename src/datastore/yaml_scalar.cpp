#include "yaml_scalar.hpp"

#include <array>
#include <charconv>
#include <cstdint>

#include <nlohmann/json.hpp>

namespace margay::datastore {
namespace {

using nlohmann::json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <std::size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  for (const auto word : words)
    if (word == text) return true;
  return false;
}

constexpr std::array<std::string_view, 11> kTrue{"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::array<std::string_view, 11> kFalse{"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 4> kNull{"~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 3> kNotANumber{".nan", ".NaN", ".NAN"};
constexpr std::array<std::string_view, 3> kInfinity{".inf", ".Inf", ".INF"};

// Go's strconv.ParseInt(text, 0, 64) / ParseUint: sign, then 0x, 0o, 0b, or a leading 0 for octal, or decimal.
std::optional<json> parse_integer(std::string_view text) {
  bool negative = false;
  bool sign = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    sign = true;
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (negative) {
    if (magnitude > std::uint64_t{1} << 63) return std::nullopt;
    return json(static_cast<std::int64_t>(-magnitude));
  }
  if (magnitude <= static_cast<std::uint64_t>(INT64_MAX)) return json(static_cast<std::int64_t>(magnitude));
  if (sign) return std::nullopt;
  return json(magnitude);
}

// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
bool looks_like_float(std::string_view s) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < s.size() && is_digit(s[i])) ++i;
    return i > from;
  };
  if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
  if (i < s.size() && s[i] == '.') {
    ++i;
    if (!digits()) return false;
  } else {
    if (!digits()) return false;
    if (i < s.size() && s[i] == '.') {
      ++i;
      digits();
    }
  }
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == s.size();
}

std::optional<double> parse_float(std::string_view text) {
  if (!looks_like_float(text)) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;  // out of range stays text, as in Go
  return value;
}

}  // namespace

std::optional<json> resolve_plain(std::string_view text) {
  if (text.empty()) return json(nullptr);
  const char first = text[0];
  switch (first) {
    case 'y':
    case 'Y':
    case 't':
    case 'T':
    case 'o':
    case 'O':
    case 'n':
    case 'N':
    case 'f':
    case 'F':
    case '~':
      if (text.size() > 5) break;
      if (one_of(text, kTrue)) return json(true);
      if (one_of(text, kFalse)) return json(false);
      if (one_of(text, kNull)) return json(nullptr);
      break;
    case '.':
      if (one_of(text, kNotANumber) || one_of(text, kInfinity)) return std::nullopt;
      if (const auto value = parse_float(text)) return json(*value);
      break;
    case '+':
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': {
      if (text.size() > 1 && text[1] == '.' && one_of(text.substr(1), kInfinity)) return std::nullopt;
      if (text.size() > 64) break;  // no number is that long; an address list may be
      std::string stripped;
      std::string_view plain = text;
      if (text.find('_') != std::string_view::npos) {
        for (const char c : text)
          if (c != '_') stripped += c;
        plain = stripped;
      }
      if (auto value = parse_integer(plain)) return value;
      if (const auto value = parse_float(plain)) return json(*value);
      break;
    }
    default: break;
  }
  return json(std::string{text});
}

bool plain_is_text(std::string_view text) {
  // Most are told by their first character, without making the value.
  constexpr std::string_view kWords = "yYtToOnNfF", kOthers = "~.+-0123456789";
  if (!text.empty() && kOthers.find(text[0]) == std::string_view::npos &&
      (text.size() > 5 || kWords.find(text[0]) == std::string_view::npos))
    return true;
  const auto value = resolve_plain(text);
  return value && value->is_string();
}

}  // namespace margay::datastore
