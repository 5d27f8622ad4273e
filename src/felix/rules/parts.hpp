// Small words that the renderers build rules from. Internal to rules.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "margay/kernel/rule.hpp"
#include "rules/config.hpp"

namespace margay::rules {

// Mark bits set, or all clear.
inline kernel::MarkMatch has(std::uint32_t bits) { return {.value = bits, .mask = bits}; }
inline kernel::MarkMatch lacks(std::uint32_t bits) { return {.value = 0, .mask = bits}; }
inline kernel::SetMark set_bits(std::uint32_t bits) { return {.value = bits, .mask = bits}; }
inline kernel::SetMark clear_bits(std::uint32_t bits) { return {.value = 0, .mask = bits}; }

inline kernel::Jump jump(std::string_view chain) { return {std::string{chain}}; }
inline kernel::Goto go_to(std::string_view chain) { return {std::string{chain}}; }

inline kernel::Rule rule(kernel::Target target) {
  kernel::Rule r;
  r.target = std::move(target);
  return r;
}
inline kernel::Rule rule(kernel::Match match, kernel::Target target) {
  kernel::Rule r;
  r.matches.push_back(std::move(match));
  r.target = std::move(target);
  return r;
}

inline kernel::Interface any_of_prefix(const std::string& prefix) { return {.name = prefix, .wildcard = true}; }
inline kernel::ConntrackMatch established() {
  return {.states = kernel::ConntrackMatch::Established | kernel::ConntrackMatch::Related};
}

inline kernel::Target target_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Accept: return kernel::Accept{};
    case Verdict::Return: return kernel::Return{};
    case Verdict::Drop: return kernel::Drop{};
    case Verdict::Reject: return kernel::Reject{};
  }
  return kernel::Drop{};
}
// REJECT exists in filter only; one such rule elsewhere would make the whole table unloadable.
inline kernel::Target deny(const Config& config, kernel::Table table) {
  return table == kernel::Table::Filter ? target_of(config.filter_deny) : kernel::Target{kernel::Drop{}};
}

// A comment iptables-save can show: characters outside [A-Za-z0-9_ @%+=:,./-] become '_', at most 255 bytes.
[[nodiscard]] std::string sanitise_comment(std::string_view text);

// A limit the kernel takes: it refuses a burst so large that rate × burst overflows (xt_limit).
[[nodiscard]] kernel::LimitMatch make_limit(std::uint32_t rate, kernel::LimitMatch::Unit unit, std::uint32_t burst);

}  // namespace margay::rules
