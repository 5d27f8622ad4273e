// Expected rules as iptables-save text, one a line, leading blanks and the "-A chain" left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "margay/kernel/rule.hpp"

namespace margay::rules::test {

inline std::string trim(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (line.empty()) continue;
    out += line;
    out += '\n';
  }
  return out;
}

inline std::string text_of(Family family, const std::vector<kernel::Rule>& rules) {
  std::string out;
  for (const kernel::Rule& rule : rules) out += kernel::to_text(family, "x", rule).substr(5) + '\n';
  return trim(out);
}

inline std::string text_of(Family family, const std::vector<kernel::Chain>& chains) {
  std::string out;
  for (const kernel::Chain& chain : chains) {
    out += ':' + chain.name + '\n';
    out += text_of(family, chain.rules);
  }
  return out;
}

inline Cidr net(std::string_view text) { return Cidr::parse(text).value(); }

}  // namespace margay::rules::test
