#include "rules/match.hpp"

#include <functional>

#include "rules/parts.hpp"
#include "support/catch.hpp"
#include "text.hpp"

using namespace margay;
using namespace margay::rules;
using namespace margay::rules::test;

namespace {

// The mark bits of policy-rendering's Appendix A.
constexpr Marks kMarks{.accept = 0x80, .pass = 0x100, .drop = 0x800, .scratch0 = 0x200, .scratch1 = 0x400};

struct Row {
  const char* name;
  std::function<void(calc::ActiveRule&)> rule;
  const char* v4;
  const char* v6;
  Action action = Action::Allow;
};

const Row kRows[] = {
    {"empty", [](auto&) {}, "-g V", "-g V"},
    {"tcp", [](auto& r) { r.protocol = protocol::kTcp; }, "-p tcp -g V", "-p tcp -g V"},
    {"a protocol number", [](auto& r) { r.protocol = 89; }, "-p ospf -g V", "-p ospf -g V"},
    {"not a protocol", [](auto& r) { r.not_protocol = protocol::kUdp; }, "! -p udp -g V", "! -p udp -g V"},
    {"a protocol and not another: the positive one says it all",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.not_protocol = protocol::kUdp;
     },
     "-p tcp -g V", "-p tcp -g V"},
    {"a protocol and not the same: nothing", [](auto& r) { r.protocol = r.not_protocol = protocol::kTcp; }, "", ""},
    {"ip version", [](auto& r) { r.family = Family::V6; }, "", "-g V"},
    {"protocol icmp implies IPv4", [](auto& r) { r.protocol = protocol::kIcmp; }, "-p icmp -g V", ""},
    {"protocol icmpv6 implies IPv6", [](auto& r) { r.protocol = protocol::kIcmpV6; }, "", "-p ipv6-icmp -g V"},

    // prefixes
    {"one source", [](auto& r) { r.src_nets = {net("10.0.0.0/24")}; }, "-s 10.0.0.0/24 -g V", ""},
    {"sources of both families",
     [](auto& r) {
       r.src_nets = {net("10.0.0.1"), net("feed::beef")};
     },
     "-s 10.0.0.1/32 -g V", "-s feed::beef/128 -g V"},
    {"two sources: one rule each",
     [](auto& r) {
       r.src_nets = {net("10.0.1.0/24"), net("10.0.0.0/24")};
     },
     "-s 10.0.0.0/24 -g V\n-s 10.0.1.0/24 -g V", ""},
    {"a source inside another adds nothing",
     [](auto& r) {
       r.src_nets = {net("10.0.0.0/24"), net("10.0.0.0/8"), net("10.0.0.0/8")};
     },
     "-s 10.0.0.0/8 -g V", ""},
    {"every source", [](auto& r) { r.src_nets = {net("0.0.0.0/0")}; }, "-g V", ""},
    {"not one source", [](auto& r) { r.not_src_nets = {net("11.0.0.0/8")}; }, "! -s 11.0.0.0/8 -g V", ""},
    {"not two sources: cleared by either",
     [](auto& r) {
       r.not_src_nets = {net("11.0.0.0/8"), net("12.0.0.0/8")};
     },
     R"(-j MARK --set-xmark 0x200/0x200
        -s 11.0.0.0/8 -j MARK --set-xmark 0x0/0x200
        -s 12.0.0.0/8 -j MARK --set-xmark 0x0/0x200
        -m mark --mark 0x200/0x200 -g V)",
     ""},
    {"every source but one: as if only the exception were there",
     [](auto& r) {
       r.src_nets = {net("0.0.0.0/0")};
       r.not_src_nets = {net("10.0.0.0/8")};
     },
     "! -s 10.0.0.0/8 -g V", ""},
    {"a source and an exception in it",
     [](auto& r) {
       r.src_nets = {net("10.0.0.0/8")};
       r.not_src_nets = {net("10.1.0.0/16")};
     },
     R"(-s 10.0.0.0/8 -j MARK --set-xmark 0x200/0x200
        -s 10.1.0.0/16 -j MARK --set-xmark 0x0/0x200
        -s 10.0.0.0/8 -m mark --mark 0x200/0x200 -g V)",
     ""},
    {"an exception outside excludes nothing",
     [](auto& r) {
       r.src_nets = {net("10.0.0.0/8")};
       r.not_src_nets = {net("11.0.0.0/8")};
     },
     "-s 10.0.0.0/8 -g V", ""},
    {"an exception around the source leaves nothing",
     [](auto& r) {
       r.src_nets = {net("10.1.0.0/16")};
       r.not_src_nets = {net("10.0.0.0/8")};
     },
     "", ""},
    {"not everything is nothing", [](auto& r) { r.not_dst_nets = {net("0.0.0.0/0")}; }, "", ""},
    {"negated prefixes of one family only: not for the other", [](auto& r) { r.not_dst_nets = {net("fd00::/8")}; }, "",
     "! -d fd00::/8 -g V"},
    {"source IPv4, destination IPv6: nothing",
     [](auto& r) {
       r.src_nets = {net("10.0.0.1")};
       r.dst_nets = {net("fd00::1")};
     },
     "", ""},
    {"two sources and two destinations: their product",
     [](auto& r) {
       r.src_nets = {net("10.0.0.1"), net("10.0.0.2")};
       r.dst_nets = {net("10.0.1.1"), net("10.0.1.2")};
     },
     R"(-s 10.0.0.1/32 -d 10.0.1.1/32 -g V
        -s 10.0.0.1/32 -d 10.0.1.2/32 -g V
        -s 10.0.0.2/32 -d 10.0.1.1/32 -g V
        -s 10.0.0.2/32 -d 10.0.1.2/32 -g V)",
     ""},

    // ports
    {"ports",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.dst_ports = {{443, 443}, {80, 80}, {8000, 8080}};
     },
     "-p tcp -m multiport --dports 80,443,8000:8080 -g V", "-p tcp -m multiport --dports 80,443,8000:8080 -g V"},
    {"adjacent and overlapping ports are merged",
     [](auto& r) {
       r.protocol = protocol::kSctp;
       r.src_ports = {{80, 82}, {83, 83}, {81, 90}, {65535, 65535}, {65534, 65534}};
     },
     "-p sctp -m multiport --sports 80:90,65534:65535 -g V", "-p sctp -m multiport --sports 80:90,65534:65535 -g V"},
    {"eight ranges need sixteen slots: two matches",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       for (std::uint16_t p = 1; p <= 22; p = static_cast<std::uint16_t>(p + 3))
         r.src_ports.push_back({p, static_cast<std::uint16_t>(p + 1)});
     },
     R"(-p tcp -m multiport --sports 1:2,4:5,7:8,10:11,13:14,16:17,19:20 -g V
        -p tcp -m multiport --sports 22:23 -g V)",
     R"(-p tcp -m multiport --sports 1:2,4:5,7:8,10:11,13:14,16:17,19:20 -g V
        -p tcp -m multiport --sports 22:23 -g V)"},
    {"many negated ports are several matches of one rule",
     [](auto& r) {
       r.protocol = protocol::kUdp;
       for (std::uint16_t p = 1; p <= 31; p = static_cast<std::uint16_t>(p + 2)) r.not_dst_ports.push_back({p, p});
     },
     "-p udp -m multiport ! --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -m multiport ! --dports 31 -g V",
     "-p udp -m multiport ! --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -m multiport ! --dports 31 -g V"},
    {"a named port, no protocol", [](auto& r) { r.dst_port_sets = {"n:a"}; }, "-m set --match-set cali40n:a dst,dst -g V",
     "-m set --match-set cali60n:a dst,dst -g V"},
    {"numbers or a name",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.dst_ports = {{80, 80}};
       r.dst_port_sets = {"n:a"};
       r.dst_sets = {"s:b"};
     },
     R"(-p tcp -m multiport --dports 80 -m set --match-set cali40s:b dst -g V
        -p tcp -m set --match-set cali40n:a dst,dst -m set --match-set cali40s:b dst -g V)",
     R"(-p tcp -m multiport --dports 80 -m set --match-set cali60s:b dst -g V
        -p tcp -m set --match-set cali60n:a dst,dst -m set --match-set cali60s:b dst -g V)"},
    {"negated names",
     [](auto& r) {
       r.not_src_port_sets = {"n:a", "n:b"};
     },
     "-m set ! --match-set cali40n:a src,src -m set ! --match-set cali40n:b src,src -g V",
     "-m set ! --match-set cali60n:a src,src -m set ! --match-set cali60n:b src,src -g V"},
    {"Allow with ports and no protocol cannot be said: not allowed",
     [](auto& r) {
       r.dst_ports = {{80, 80}};
     },
     "", ""},
    {"Deny with ports and no protocol denies more",
     [](auto& r) {
       r.dst_ports = {{80, 80}};
       r.src_sets = {"s:a"};
     },
     "-m set --match-set cali40s:a src -g V", "-m set --match-set cali60s:a src -g V", Action::Deny},
    {"Allow with negated ports and no protocol: not allowed",
     [](auto& r) {
       r.not_dst_ports = {{80, 80}};
     },
     "", ""},
    {"Deny with negated ports and no protocol denies more",
     [](auto& r) {
       r.not_dst_ports = {{80, 80}};
     },
     "-g V", "-g V", Action::Deny},
    {"a protocol without ports has none of these",
     [](auto& r) {
       r.protocol = 47;
       r.dst_ports = {{80, 80}};
     },
     "", "", Action::Deny},
    {"a protocol without ports has none of these, negated",
     [](auto& r) {
       r.protocol = 47;
       r.not_dst_ports = {{80, 80}};
     },
     "-p gre -g V", "-p gre -g V"},
    {"an impossible range matches nothing",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.dst_ports = {{90, 80}};
     },
     "", ""},

    // ICMP
    {"icmp type",
     [](auto& r) {
       r.protocol = protocol::kIcmp;
       r.icmp = IcmpMatch{.type = 8, .code = {}};
     },
     "-p icmp -m icmp --icmp-type 8 -g V", ""},
    {"icmpv6 type and code 0",
     [](auto& r) {
       r.protocol = protocol::kIcmpV6;
       r.icmp = IcmpMatch{.type = 1, .code = 0};
     },
     "", "-p ipv6-icmp -m icmp6 --icmpv6-type 1/0 -g V"},
    {"icmp type without protocol: the family's", [](auto& r) { r.icmp = IcmpMatch{.type = 8, .code = {}}; },
     "-p icmp -m icmp --icmp-type 8 -g V", "-p ipv6-icmp -m icmp6 --icmpv6-type 8 -g V"},
    {"icmp type of tcp: nothing",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.icmp = IcmpMatch{.type = 8, .code = {}};
     },
     "", "", Action::Deny},
    {"not icmp type",
     [](auto& r) {
       r.protocol = protocol::kIcmp;
       r.not_icmp = IcmpMatch{.type = 8, .code = 3};
     },
     "-p icmp -m icmp ! --icmp-type 8/3 -g V", ""},
    {"not icmp type, protocol open: all but that", [](auto& r) { r.not_icmp = IcmpMatch{.type = 8, .code = {}}; },
     "! -p icmp -g V\n-p icmp -m icmp ! --icmp-type 8 -g V", "! -p ipv6-icmp -g V\n-p ipv6-icmp -m icmp6 ! --icmpv6-type 8 -g V"},
    {"not icmp type of tcp holds always",
     [](auto& r) {
       r.protocol = protocol::kTcp;
       r.not_icmp = IcmpMatch{.type = 8, .code = {}};
     },
     "-p tcp -g V", "-p tcp -g V"},
    {"not icmp at all, and not icmp type",
     [](auto& r) {
       r.not_protocol = protocol::kIcmp;
       r.not_icmp = IcmpMatch{.type = 8, .code = {}};
       r.family = Family::V4;
     },
     "! -p icmp -g V", ""},
    {"icmp type 255 means any to the kernel: not allowed",
     [](auto& r) {
       r.protocol = protocol::kIcmp;
       r.icmp = IcmpMatch{.type = 255, .code = {}};
     },
     "", ""},

    // sets
    {"sets of all kinds",
     [](auto& r) {
       r.src_sets = {"s:a"};
       r.dst_sets = {"s:b"};
       r.not_src_sets = {"s:c"};
       r.not_dst_sets = {"s:d"};
       r.dst_service_sets = {"svc:e"};
     },
     "-m set --match-set cali40s:a src -m set --match-set cali40s:b dst -m set --match-set cali40svc:e dst,dst "
     "-m set ! --match-set cali40s:c src -m set ! --match-set cali40s:d dst -g V",
     "-m set --match-set cali60s:a src -m set --match-set cali60s:b dst -m set --match-set cali60svc:e dst,dst "
     "-m set ! --match-set cali60s:c src -m set ! --match-set cali60s:d dst -g V"},
};

}  // namespace

TEST_CASE("criteria as rules") {
  for (const Row& row : kRows) {
    INFO(row.name);
    calc::ActiveRule rule;
    rule.action = row.action;
    row.rule(rule);
    CHECK(text_of(Family::V4, render_rule(Family::V4, kMarks, rule, go_to("V"))) == trim(row.v4));
    CHECK(text_of(Family::V6, render_rule(Family::V6, kMarks, rule, go_to("V"))) == trim(row.v6));
  }
}

TEST_CASE("many alternatives on several sides become blocks, with the second bit cleared before each further block") {
  calc::ActiveRule rule;
  rule.protocol = protocol::kTcp;
  for (unsigned i = 0; i < 12; ++i) {
    rule.src_nets.push_back(net("10.0." + std::to_string(2 * i) + ".0/24"));
    rule.dst_nets.push_back(net("10.1." + std::to_string(2 * i) + ".0/24"));
  }
  for (std::uint16_t p = 1; p < 90; p = static_cast<std::uint16_t>(p + 2)) {
    rule.src_ports.push_back({p, p});
    rule.dst_ports.push_back({p, p});
  }
  rule.not_dst_nets = {net("10.1.2.128/25")};
  const std::string text = text_of(Family::V4, render_rule(Family::V4, kMarks, rule, go_to("V")));
  INFO(text);
  // 12 + 12 prefixes and one of the port lists in blocks; the other port list, three matches, as a product.
  CHECK(text.find("-p tcp -j MARK --set-xmark 0x0/0x600\n") == 0);
  CHECK(text.find("-s 10.0.0.0/24 -p tcp -j MARK --set-xmark 0x200/0x200\n") != std::string::npos);
  CHECK(text.find("-d 10.1.0.0/24 -p tcp -j MARK --set-xmark 0x400/0x400\n") != std::string::npos);
  CHECK(text.find("-p tcp -m mark --mark 0x0/0x400 -j MARK --set-xmark 0x0/0x200\n") != std::string::npos);
  CHECK(text.find("-d 10.1.2.128/25 -p tcp -j MARK --set-xmark 0x0/0x200\n") != std::string::npos);
  std::size_t finals = 0, clears = 0;
  for (std::size_t at = 0; (at = text.find("-g V\n", at)) != std::string::npos; ++at) ++finals;
  for (std::size_t at = 0; (at = text.find("-p tcp -j MARK --set-xmark 0x0/0x400\n", at)) != std::string::npos; ++at) ++clears;
  CHECK(finals < 10);
  CHECK(clears >= 1);
}

TEST_CASE("a log rule logs a packet once, and only what it logs uses up its limit") {
  calc::ActiveRule rule;
  rule.action = Action::Log;
  rule.protocol = protocol::kTcp;
  rule.src_nets = {net("10.0.0.1"), net("10.0.0.2")};
  rule.src_sets = {"s:a"};
  const auto rules = render_rule(Family::V4, kMarks, rule, kernel::Log{.prefix = "p: "},
                                 {.once = true, .limit = make_limit(10, kernel::LimitMatch::Unit::Minute, 7)});
  CHECK(text_of(Family::V4, rules) == trim(R"(
    -p tcp -j MARK --set-xmark 0x0/0x200
    -s 10.0.0.1/32 -p tcp -j MARK --set-xmark 0x200/0x200
    -s 10.0.0.2/32 -p tcp -j MARK --set-xmark 0x200/0x200
    -p tcp -m mark --mark 0x200/0x200 -m set --match-set cali40s:a src -m limit --limit 10/min --limit-burst 7 -j LOG --log-prefix "p: " --log-level 5
  )"));
}

TEST_CASE("limits that xt_limit would refuse are cut") {
  using Unit = kernel::LimitMatch::Unit;
  CHECK(make_limit(1, Unit::Day, 5).burst == 1);
  CHECK(make_limit(9999, Unit::Day, 9999).burst == 9999);
  CHECK(make_limit(10, Unit::Minute, 0).burst == 1);
  CHECK(make_limit(0, Unit::Second, 5).rate == 1);
  CHECK(make_limit(20000, Unit::Second, 5).rate == 10000);
}
