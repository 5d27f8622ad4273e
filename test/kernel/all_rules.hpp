// Every match and target of rule.hpp, in every spelling, by table: for the tests that hold the encoding against something.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "margay/kernel/rule.hpp"

namespace margay::test {

using namespace margay::kernel;

inline Prefix prefix(const char* text, bool negated = false) { return {*Cidr::parse(text), negated}; }
inline std::string text_of(std::size_t size) { return std::string(size, 'x'); }

// Every match and target there is, in every spelling, for one family; by table.
inline std::map<Table, std::vector<Rule>> all_rules(Family family) {
  const bool v4 = family == Family::V4;
  const char *net = v4 ? "10.1.0.0/16" : "fd00:1::/32", *host = v4 ? "10.1.2.3" : "fd00:1::3",
             *odd = v4 ? "10.0.0.0/9" : "fd00::/9";
  const std::uint8_t icmp = v4 ? 1 : 58;
  const std::string set = v4 ? "cali40s:" : "cali60s:";
  const ProtocolMatch tcp{6}, udp{17};
  const Addr address = *Addr::parse(host);
  const std::vector<Rule> anywhere = {
      Rule{},
      Rule{.target = Accept{}},
      Rule{.target = Drop{}},
      Rule{.target = Return{}},
      Rule{.target = Jump{"cali-sub"}},
      Rule{.target = Goto{"cali-sub"}},
      Rule{.in = Interface{"cali", true}, .out = Interface{"eth0", false, true}, .target = Accept{}},
      Rule{.in = Interface{"abcdefghijklmno"}, .out = Interface{"abcdefghijklmn", true}},
      Rule{.source = prefix(net), .destination = prefix(host, true), .target = Drop{}},
      Rule{.source = prefix(odd, true), .destination = prefix(v4 ? "0.0.0.0/1" : "::/1")},
      Rule{.source = prefix(v4 ? "0.0.0.0/0" : "::/0", true)},
      Rule{.protocol = tcp, .target = Accept{}},
      Rule{.protocol = ProtocolMatch{47, true}},
      Rule{.protocol = ProtocolMatch{200}},
      Rule{.matches = {MarkMatch{0x10000, 0x30000}, MarkMatch{0, 0xff, true}, MarkMatch{7}}},
      Rule{.matches = {ConntrackMatch{ConntrackMatch::Established | ConntrackMatch::Related}}},
      Rule{.matches = {ConntrackMatch{127, true}}},
      Rule{.matches = {ConntrackMatch{ConntrackMatch::Invalid}, ConntrackMatch{ConntrackMatch::Untracked},
                       ConntrackMatch{ConntrackMatch::SourceNat}, ConntrackMatch{ConntrackMatch::DestNat}}},
      Rule{.matches = {SetMatch{set + "a", true}, SetMatch{set + "a", false, 1, true}}},
      Rule{.matches = {SetMatch{set + "p", true, 2}, SetMatch{set + "p", false, 2, true}}},
      Rule{.protocol = tcp, .matches = {PortsMatch{false, {{80, 80}, {1000, 2000}, {0, 65535}}}}},
      Rule{.protocol = udp, .matches = {PortsMatch{true, {{53, 53}}, true}}},
      Rule{.protocol = ProtocolMatch{132},
           .matches = {PortsMatch{true, {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {11, 12}, {13, 14}, {15, 15}}}}},
      Rule{.protocol = ProtocolMatch{icmp}, .matches = {IcmpTypeMatch{8, std::nullopt}}},
      Rule{.protocol = ProtocolMatch{icmp}, .matches = {IcmpTypeMatch{3, 4, true}}},
      Rule{.protocol = ProtocolMatch{icmp}, .matches = {IcmpTypeMatch{0, 0}}},
      Rule{.matches = {AddrTypeMatch{false}, AddrTypeMatch{true, true}}},
      Rule{.matches = {LimitMatch{10, LimitMatch::Unit::Minute, 20}, LimitMatch{7, LimitMatch::Unit::Second, 5}}},
      Rule{.matches = {LimitMatch{1, LimitMatch::Unit::Day, 1}, LimitMatch{3, LimitMatch::Unit::Hour, 1}}},
      Rule{.protocol = tcp, .matches = {ConnlimitMatch{10}}, .target = Drop{}},
      Rule{.matches = {CommentMatch{"cali:policy \"a\" \\ 'b'"}}},
      Rule{.matches = {CommentMatch{text_of(255)}}},
      Rule{.target = SetMark{0x10000, 0x30000}},
      Rule{.target = SetMark{0, 0xffffffff}},
      Rule{.target = Log{"calico-packet: ", 5}},
      Rule{.target = Log{text_of(29), 4}},
      Rule{.target = Nflog{1, "API|x", 80}},
      Rule{.target = Nflog{65535, text_of(63), 0}},
      Rule{.in = Interface{"cali12345", false},
           .protocol = tcp,
           .source = prefix(host),
           .matches = {MarkMatch{1, 1}, ConntrackMatch{8}, SetMatch{set + "a", true}, PortsMatch{false, {{443, 443}}},
                       CommentMatch{"all"}},
           .target = SetMark{1, 1}},
  };
  std::map<Table, std::vector<Rule>> rules;
  for (Table table : kTables)
    for (const auto& rule : anywhere)
      if (table != Table::Nat || !std::holds_alternative<Drop>(rule.target)) rules[table].push_back(rule);
  const auto add = [&](Table table, Rule rule) { rules[table].push_back(std::move(rule)); };
  add(Table::Raw, {.matches = {RpfilterMatch{}}, .target = Drop{}});
  add(Table::Mangle, {.matches = {RpfilterMatch{}}, .target = Drop{}});
  add(Table::Raw, {.target = NoTrack{}});
  add(Table::Mangle, {.target = SetDscp{46}});
  add(Table::Filter, {.target = Reject{}});
  add(Table::Filter, {.protocol = tcp, .target = Reject{true}});
  add(Table::Nat, {.target = Masquerade{}});
  add(Table::Nat, {.target = Masquerade{std::nullopt, true}});
  add(Table::Nat, {.protocol = tcp, .target = Masquerade{PortsMatch::Range{1024, 65535}, true}});
  add(Table::Nat, {.target = SourceNat{address, std::nullopt, false}});
  add(Table::Nat, {.protocol = udp, .target = SourceNat{address, PortsMatch::Range{100, 200}, true}});
  add(Table::Nat, {.target = DestNat{address, std::nullopt}});
  add(Table::Nat, {.protocol = tcp, .target = DestNat{address, 8080}});
  add(Table::Nat, {.matches = {AddrTypeMatch{true, true, true}}, .target = Masquerade{}});
  return rules;
}

}  // namespace margay::test
