#include "config/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace margay::config {

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_none(std::string_view text) { return text.size() == 4 && lower(text) == "none"; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    if (!part.empty()) out.push_back(part);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return out;
}

Complaint parse_bool(std::string_view text, bool& out) {
  const std::string word = lower(text);
  for (const char* yes : {"true", "1", "yes", "y", "t", "enabled"})
    if (word == yes) return out = true, Complaint{};
  for (const char* no : {"false", "0", "no", "n", "f", "disabled", "none"})
    if (word == no) return out = false, Complaint{};
  return "must be true or false";
}

Complaint parse_number(std::string_view text, std::int64_t low, std::int64_t high, std::int64_t& out) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (is_none(text) && low <= 0) return out = 0, Complaint{};
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
    return fmt::format("must be a whole number from {} to {}", low, high);
  out = value;
  return {};
}

namespace {

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." && std::none_of(name.begin(), name.end(), [](char c) {
    return c == '/' || c == ':' || c == '+' || c == '*' || std::isspace(static_cast<unsigned char>(c)) ||
           std::iscntrl(static_cast<unsigned char>(c));
  });
}

}  // namespace

// Sum of number-and-unit pairs; a bare number counts in seconds.
Complaint parse_seconds(std::string_view text, Milliseconds& out) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-6},     {"us", 1e-3},  {"ms", 1},
                                                                   {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};
  constexpr double kMost = 1e12;  // some 30 years
  if (is_none(text)) return out = Milliseconds{0}, Complaint{};
  double total = 0;
  std::string_view rest = text;
  bool first = true;
  while (!rest.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(number) || number < 0) return "must be a duration such as 90, 0.5, 90s or 1m30s";
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) {
      if (!first) return "must have a unit after every number";
      total = number * 1'000;
      break;
    }
    const auto unit =
        std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& u) { return rest.starts_with(u.first); });
    if (unit == std::end(kUnits)) return "must be a duration such as 90, 0.5, 90s or 1m30s";
    total += number * unit->second;
    rest.remove_prefix(unit->first.size());
    first = false;
  }
  if (text.empty() || total > kMost) return "must be a duration of at most 30 years";
  out = Milliseconds{static_cast<std::int64_t>(std::llround(total))};
  return {};
}

Complaint parse_mark_mask(std::string_view text, std::uint32_t& out) {
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    digits.remove_prefix(2);
    base = 16;
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return "must be a 32-bit mask such as 0xffff0000";
  // accept, pass, drop, two scratch bits, and at least one for endpoints (policy-rendering §0.2)
  if (std::popcount(value) < 6) return "must have at least 6 bits set";
  out = value;
  return {};
}

Complaint parse_interface_prefixes(std::string_view text, std::vector<std::string>& out) {
  std::vector<std::string> prefixes;
  for (std::string_view part : split_list(text)) {
    if (!is_interface_name(part)) return fmt::format("\"{}\" cannot begin an interface name", part);
    prefixes.emplace_back(part);
  }
  if (prefixes.empty() || is_none(text)) return "must name at least one prefix";
  out = std::move(prefixes);
  return {};
}

Complaint parse_interface_filter(std::string_view text, std::string& out) {
  if (is_none(text)) return out.clear(), Complaint{};
  std::string_view name = text;
  if (name.ends_with('+')) name.remove_suffix(1);
  if (!is_interface_name(name)) return "must be an interface name, or the beginning of one followed by +";
  out = text;
  return {};
}

Complaint parse_failsafe_ports(std::string_view text, std::vector<rules::FailsafePort>& out) {
  std::vector<rules::FailsafePort> ports;
  if (is_none(text)) return out.clear(), Complaint{};
  for (std::string_view part : split_list(text)) {
    rules::FailsafePort entry;
    std::string_view rest = part;
    const auto wrong = [&] {
      return fmt::format("\"{}\" is not [protocol:][net:]port, such as tcp:22 or udp:[fd00::/8]:53", part);
    };
    const auto colon = rest.find(':');
    if (colon != std::string_view::npos && !rest.starts_with('[')) {
      const std::string word = lower(rest.substr(0, colon));
      if (word == "tcp" || word == "udp") {
        entry.protocol = word == "tcp" ? protocol::kTcp : protocol::kUdp;
        rest.remove_prefix(colon + 1);
      } else if (!word.empty() && std::isalpha(static_cast<unsigned char>(word.front()))) {
        return fmt::format("\"{}\": only tcp and udp can be failsafe ports", part);
      }
    }
    const auto last = rest.rfind(':');
    if (last != std::string_view::npos) {
      std::string_view net = rest.substr(0, last);
      rest.remove_prefix(last + 1);
      if (net.starts_with('[') && net.ends_with(']')) net = net.substr(1, net.size() - 2);
      entry.net = Cidr::parse(net);
      if (!entry.net) return wrong();
    }
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), entry.port);
    if (error != std::errc{} || end != rest.data() + rest.size()) return wrong();
    ports.push_back(entry);
  }
  out = std::move(ports);
  return {};
}

Complaint parse_port_range(std::string_view text, std::optional<PortRange>& out) {
  if (is_none(text)) return out.reset(), Complaint{};
  PortRange range;
  const auto colon = text.find_first_of(":-");
  const std::string_view low = text.substr(0, colon);
  const std::string_view high = colon == std::string_view::npos ? low : text.substr(colon + 1);
  const auto number = [](std::string_view digits, std::uint16_t& to) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  if (!number(low, range.min) || !number(high, range.max) || range.min > range.max)
    return "must be ports as MIN:MAX, such as 32768:65535";
  // A greatest port of 0 means "no range" in Calico's parameter.
  if (range.max == 0) out.reset();
  else out = range;
  return {};
}

Complaint parse_address(std::string_view text, Family family, std::optional<Addr>& out) {
  if (is_none(text)) return out.reset(), Complaint{};
  const auto address = Addr::parse(text);
  if (!address || address->family != family) return fmt::format("must be an IPv{} address", digit(family));
  out = address;
  return {};
}

Complaint parse_cidrs(std::string_view text, std::vector<Cidr>& out) {
  std::vector<Cidr> cidrs;
  if (!is_none(text)) {
    for (std::string_view part : split_list(text)) {
      const auto cidr = Cidr::parse(part);
      if (!cidr) return fmt::format("\"{}\" is no address or CIDR", part);
      cidrs.push_back(*cidr);
    }
  }
  out = std::move(cidrs);
  return {};
}

Complaint parse_log_rate(std::string_view text, std::string& out) {
  if (is_none(text)) return out.clear(), Complaint{};
  // ^[1-9]\d{0,3}/(second|minute|hour|day)$
  const auto slash = text.find('/');
  const std::string_view digits = text.substr(0, slash);
  const std::string_view unit = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
  const bool number = !digits.empty() && digits.size() <= 4 && digits.front() != '0' &&
                      std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); });
  if (!number || (unit != "second" && unit != "minute" && unit != "hour" && unit != "day"))
    return "must be 1 to 9999 a unit, such as 10/minute; units are second, minute, hour, day";
  out = text;
  return {};
}

Complaint parse_log_prefix(std::string_view text, std::string& out) {
  // ^([a-zA-Z0-9%: /_-])*$
  if (is_none(text)) return out.clear(), Complaint{};
  const bool ok = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c < 128 && std::isalnum(c)) || c == '%' || c == ':' || c == ' ' || c == '/' || c == '_' || c == '-';
  });
  if (!ok) return "may hold only letters, digits, spaces and % : / _ -";
  out = text;
  return {};
}

Complaint parse_log_level(std::string_view text, std::optional<log::Level>& out) {
  // The level a word asks for; FATAL and NONE leave errors, the least there is.
  if (is_none(text)) return out = log::Level::Error, Complaint{};
  log::Level level{};
  Complaint why = parse_word<log::Level>(text,
                                         {{"Trace", log::Level::Debug},
                                          {"Debug", log::Level::Debug},
                                          {"Info", log::Level::Info},
                                          {"Warning", log::Level::Warning},
                                          {"Warn", log::Level::Warning},
                                          {"Error", log::Level::Error},
                                          {"Fatal", log::Level::Error}},
                                         level);
  if (why.empty()) out = level;
  return why;
}

Complaint parse_timeouts(std::string_view text, std::map<std::string, Milliseconds>& out) {
  std::map<std::string, Milliseconds> timeouts;
  if (!is_none(text)) {
    for (std::string_view part : split_list(text)) {
      const auto equals = part.find('=');
      Milliseconds value{};
      if (equals == std::string_view::npos || equals == 0 || !parse_seconds(trim(part.substr(equals + 1)), value).empty())
        return fmt::format("\"{}\" is not name=duration", part);
      timeouts[std::string{trim(part.substr(0, equals))}] = value;
    }
  }
  out = std::move(timeouts);
  return {};
}

}  // namespace margay::config
