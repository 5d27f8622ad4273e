// From a parameter's text to a typed value. Pure; every function answers an empty string when the text was taken, else why not.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace margay::config {

using Complaint = std::string;

[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] bool is_none(std::string_view text);  // "none" in any case
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view text);  // by comma, trimmed, empty parts left out

[[nodiscard]] Complaint parse_bool(std::string_view text, bool& out);
[[nodiscard]] Complaint parse_number(std::string_view text, std::int64_t low, std::int64_t high, std::int64_t& out);
template <class N>
[[nodiscard]] Complaint parse_integer(std::string_view text, std::int64_t low, std::int64_t high, N& out) {
  std::int64_t wide = 0;
  if (Complaint why = parse_number(text, low, high, wide); !why.empty()) return why;
  out = static_cast<N>(wide);
  return {};
}
// Decimal seconds ("90", "0.5"), or a Go duration ("1m30s", "250ms").
[[nodiscard]] Complaint parse_seconds(std::string_view text, Milliseconds& out);
[[nodiscard]] Complaint parse_mark_mask(std::string_view text, std::uint32_t& out);
[[nodiscard]] Complaint parse_interface_prefixes(std::string_view text, std::vector<std::string>& out);
[[nodiscard]] Complaint parse_interface_filter(std::string_view text, std::string& out);  // "eth0", "eth+"
// "[proto:][net:]port, …": policy-rendering §6.1, also with IPv6 nets in brackets.
[[nodiscard]] Complaint parse_failsafe_ports(std::string_view text, std::vector<rules::FailsafePort>& out);
[[nodiscard]] Complaint parse_port_range(std::string_view text, std::optional<PortRange>& out);
[[nodiscard]] Complaint parse_address(std::string_view text, Family family, std::optional<Addr>& out);
[[nodiscard]] Complaint parse_cidrs(std::string_view text, std::vector<Cidr>& out);
[[nodiscard]] Complaint parse_log_rate(std::string_view text, std::string& out);
[[nodiscard]] Complaint parse_log_prefix(std::string_view text, std::string& out);
[[nodiscard]] Complaint parse_log_level(std::string_view text, std::optional<log::Level>& out);
[[nodiscard]] Complaint parse_timeouts(std::string_view text, std::map<std::string, Milliseconds>& out);

// One of several words, case-insensitive.
template <class T>
struct Word {
  std::string_view text;
  T value;
};
template <class T>
[[nodiscard]] Complaint parse_word(std::string_view text, std::initializer_list<Word<T>> words, T& out) {
  std::string known;
  for (const Word<T>& word : words) {
    if (lower(word.text) == lower(text)) {
      out = word.value;
      return {};
    }
    known.append(known.empty() ? "" : ", ").append(word.text);
  }
  return "must be one of " + known;
}

}  // namespace margay::config
