#include <algorithm>

#include "overloaded.hpp"
#include "xt_encode.hpp"

namespace margay::kernel::xt {

namespace {

Error bad(std::string text) { return {ErrorCode::Invalid, std::move(text)}; }

bool has_ports(const Rule& rule) {
  if (!rule.protocol || rule.protocol->negated) return false;
  const auto p = rule.protocol->number;
  return p == 6 || p == 17 || p == 33 || p == 132 || p == 136;
}
bool is_protocol(const Rule& rule, std::uint8_t number) {
  return rule.protocol && !rule.protocol->negated && rule.protocol->number == number;
}
bool plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

Status check_interface(const std::optional<Interface>& interface) {
  if (!interface) return {};
  // IFNAMSIZ is 16 with the terminator.
  if (interface->name.empty() || interface->name.size() > 15)
    return bad("interface name \"" + interface->name + "\" is not 1 to 15 long");
  if (interface->name.find('+') != std::string::npos || !plain_text(interface->name))
    return bad("interface name with '+' or a control character");
  return {};
}
Status check_prefix(Family family, const std::optional<Prefix>& prefix) {
  if (prefix && prefix->cidr.family() != family) return bad("prefix " + prefix->cidr.to_string() + " of the other family");
  return {};
}
Status check_nat_ports(const Rule& rule, bool given) {
  if (given && !has_ports(rule)) return bad("a port needs a protocol with ports");
  return {};
}

Status check_match(Family family, Table table, const Rule& rule, const Match& match) {
  return std::visit(Overloaded{
                        [&](const MarkMatch&) -> Status { return {}; },
                        [&](const ConntrackMatch& m) -> Status {
                          return m.states == 0 || m.states > 127 ? Status{bad("no conntrack state")} : Status{};
                        },
                        [&](const SetMatch& m) -> Status {
                          if (m.set.empty() || m.set.size() > 31) return bad("set name \"" + m.set + "\" is not 1 to 31 long");
                          if (m.dimensions < 1 || m.dimensions > 3) return bad("a set match has 1 to 3 dimensions");
                          return {};
                        },
                        [&](const PortsMatch& m) -> Status {
                          if (!has_ports(rule)) return bad("ports need a protocol with ports");
                          std::size_t slots = 0;
                          for (const auto& range : m.ranges) {
                            if (range.min > range.max) return bad("port range upside down");
                            slots += range.min == range.max ? 1 : 2;
                          }
                          if (slots == 0 || slots > 15) return bad("multiport takes 1 to 15 ports, a range counting two");
                          return {};
                        },
                        [&](const IcmpTypeMatch&) -> Status {
                          if (!is_protocol(rule, family == Family::V4 ? 1 : 58))
                            return bad("an ICMP type needs the family's ICMP protocol");
                          return {};
                        },
                        [&](const AddrTypeMatch&) -> Status { return {}; },
                        [&](const RpfilterMatch&) -> Status {
                          if (table != Table::Raw && table != Table::Mangle) return bad("rpfilter works in raw and mangle only");
                          return {};
                        },
                        [&](const LimitMatch& m) -> Status {
                          constexpr std::uint64_t kTicks[] = {10000, 600000, 36000000, 864000000};
                          const std::uint64_t ticks = kTicks[static_cast<int>(m.unit)];
                          if (m.rate == 0 || m.rate > ticks) return bad("limit rate too slow or too fast");
                          // xt_limit's credits hold one day at any HZ; more wraps, and the kernel notices (ERANGE) only
                          // sometimes.
                          if (m.burst == 0 || ticks / m.rate * m.burst > kTicks[3])
                            return bad("limit burst above one day's worth");
                          return {};
                        },
                        [&](const ConnlimitMatch&) -> Status {
                          if (!is_protocol(rule, 6)) return bad("the connection limit needs protocol tcp");
                          return {};
                        },
                        [&](const CommentMatch& m) -> Status {
                          if (m.text.size() > 255) return bad("comment longer than 255 bytes");
                          if (!plain_text(m.text)) return bad("comment with a control character");
                          return {};
                        },
                        [&](const OpaqueMatch& m) -> Status { return bad("foreign match " + m.name); },
                    },
                    match);
}

Status check_target(Family family, Table table, const Rule& rule) {
  const auto nat_only = [&]() -> Status { return table == Table::Nat ? Status{} : Status{bad("NAT outside the nat table")}; };
  return std::visit(
      Overloaded{
          [&](const Drop&) -> Status {  // the kernel takes it, but iptables-restore would then refuse what iptables-save gives
            return table == Table::Nat ? Status{bad("DROP in the nat table")} : Status{};
          },
          [&](const Jump& t) -> Status { return validate_chain_name(t.chain); },
          [&](const Goto& t) -> Status { return validate_chain_name(t.chain); },
          [&](const Reject& t) -> Status {
            if (table != Table::Filter) return bad("REJECT outside the filter table");
            if (t.tcp_reset && !is_protocol(rule, 6)) return bad("tcp-reset needs protocol tcp");
            return {};
          },
          [&](const Log& t) -> Status {
            if (t.prefix.size() > 29 || !plain_text(t.prefix))
              return bad("log prefix longer than 29 bytes or with a control character");
            if (t.level > 7) return bad("log level above 7");
            return {};
          },
          [&](const Nflog& t) -> Status {
            if (t.prefix.size() > 63 || !plain_text(t.prefix))
              return bad("NFLOG prefix longer than 63 bytes or with a control character");
            return {};
          },
          [&](const NoTrack&) -> Status { return table == Table::Raw ? Status{} : Status{bad("NOTRACK outside the raw table")}; },
          [&](const Masquerade& t) -> Status {
            if (auto ok = nat_only(); !ok) return ok;
            return check_nat_ports(rule, t.ports.has_value());
          },
          [&](const SourceNat& t) -> Status {
            if (auto ok = nat_only(); !ok) return ok;
            if (t.address.family != family) return bad("SNAT address of the other family");
            return check_nat_ports(rule, t.ports.has_value());
          },
          [&](const DestNat& t) -> Status {
            if (auto ok = nat_only(); !ok) return ok;
            if (t.address.family != family) return bad("DNAT address of the other family");
            return check_nat_ports(rule, t.port.has_value());
          },
          [&](const SetDscp& t) -> Status {
            if (table != Table::Mangle) return bad("DSCP outside the mangle table");
            return t.value > 63 ? Status{bad("DSCP above 63")} : Status{};
          },
          [&](const OpaqueTarget& t) -> Status { return bad("foreign target " + t.name); },
          [&](const auto&) -> Status { return {}; },
      },
      rule.target);
}

}  // namespace

Status validate_chain_name(std::string_view name) {
  static constexpr std::string_view kReserved[] = {"ACCEPT", "DROP", "QUEUE", "RETURN", "ERROR"};
  if (name.empty() || name.size() > kMaxChainName) return bad("chain name \"" + std::string{name} + "\" is not 1 to 28 long");
  if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) return bad("chain name is a verdict");
  if (name.front() == '-' || name.front() == '!' || name.find(' ') != name.npos || !plain_text(name))
    return bad("chain name with odd characters");
  return {};
}

Status validate(Family family, Table table, const Rule& rule) {
  if (auto ok = check_interface(rule.in); !ok) return ok;
  if (auto ok = check_interface(rule.out); !ok) return ok;
  if (auto ok = check_prefix(family, rule.source); !ok) return ok;
  if (auto ok = check_prefix(family, rule.destination); !ok) return ok;
  if (rule.protocol && rule.protocol->number == 0) return bad("protocol 0 means any to the kernel; leave it out");
  for (const auto& match : rule.matches)
    if (auto ok = check_match(family, table, rule, match); !ok) return ok;
  return check_target(family, table, rule);
}

}  // namespace margay::kernel::xt
