// What of a policy rule the kernel can be asked in one family, tidied: families filtered, prefixes sorted and reduced, ports
// merged and split by 15, contradictions found. Internal to rules.
#pragma once

#include <optional>
#include <vector>

#include "calc/messages.hpp"
#include "margay/kernel/rule.hpp"

namespace margay::rules {

// All lists are ANDed with each other. Within src_nets, dst_nets, src_ports and dst_ports one alternative must hold (an empty
// list restricts nothing); of the not_ lists none may; of `cheap` and `sets` all must.
struct Criteria {
  std::optional<kernel::ProtocolMatch> protocol;
  std::vector<Cidr> src_nets, not_src_nets, dst_nets, not_dst_nets;
  std::vector<kernel::Match> src_ports, dst_ports;  // multiport or two-dimensional set
  std::vector<kernel::Match> cheap;                 // multiport, icmp
  std::vector<kernel::Match> sets;
};

// The rule matches where any of these does. Empty: it matches nothing in this family.
[[nodiscard]] std::vector<Criteria> expressible(Family family, const calc::ActiveRule& rule);

}  // namespace margay::rules
