// Rules as values: their text, digest and ownership.
#include "margay/kernel/rule.hpp"

#include <set>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;

namespace {

Prefix prefix(const char* text, bool negated = false) { return {*Cidr::parse(text), negated}; }

struct Case {
  Family family;
  Rule rule;
  const char* text;
};

// Texts as iptables-legacy-save 1.8.9 prints them; test/kernel/tables_live_test.cpp holds them against the program itself.
std::vector<Case> cases() {
  const auto v4 = Family::V4, v6 = Family::V6;
  return {
      {v4, Rule{}, "-A cali-x"},
      {v4, Rule{.target = Accept{}}, "-A cali-x -j ACCEPT"},
      {v4,
       Rule{.in = Interface{"cali", true, true},
            .out = Interface{"eth0"},
            .protocol = ProtocolMatch{6},
            .source = prefix("10.0.0.0/8"),
            .destination = prefix("192.0.2.1/32", true),
            .target = Drop{}},
       "-A cali-x -s 10.0.0.0/8 ! -d 192.0.2.1/32 ! -i cali+ -o eth0 -p tcp -j DROP"},
      {v4, Rule{.source = prefix("0.0.0.0/0"), .target = Return{}}, "-A cali-x -j RETURN"},
      {v6, Rule{.protocol = ProtocolMatch{58, true}, .source = prefix("fd00::1"), .target = Goto{"cali-y"}},
       "-A cali-x -s fd00::1/128 ! -p ipv6-icmp -g cali-y"},
      {v4, Rule{.matches = {MarkMatch{0x10000, 0x30000}, MarkMatch{1, 0xffffffff, true}}, .target = SetMark{0x8, 0x18}},
       "-A cali-x -m mark --mark 0x10000/0x30000 -m mark ! --mark 0x1 -j MARK --set-xmark 0x8/0x18"},
      {v4, Rule{.matches = {ConntrackMatch{ConntrackMatch::Related | ConntrackMatch::Established}}, .target = Accept{}},
       "-A cali-x -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"},
      {v4, Rule{.matches = {SetMatch{"cali40s:x", true, 1, true}, SetMatch{"cali40n:y", false, 2}}},
       "-A cali-x -m set ! --match-set cali40s:x src -m set --match-set cali40n:y dst,dst"},
      {v4, Rule{.protocol = ProtocolMatch{17}, .matches = {PortsMatch{false, {{53, 53}, {1000, 2000}}, true}}},
       "-A cali-x -p udp -m multiport ! --dports 53,1000:2000"},
      {v4, Rule{.protocol = ProtocolMatch{1}, .matches = {IcmpTypeMatch{8, std::nullopt, false}}},
       "-A cali-x -p icmp -m icmp --icmp-type 8"},
      {v6, Rule{.protocol = ProtocolMatch{58}, .matches = {IcmpTypeMatch{135, 0, true}}},
       "-A cali-x -p ipv6-icmp -m icmp6 ! --icmpv6-type 135/0"},
      {v4, Rule{.matches = {AddrTypeMatch{false, true, false}, AddrTypeMatch{true, false, true}}},
       "-A cali-x -m addrtype ! --dst-type LOCAL -m addrtype --src-type LOCAL --limit-iface-out"},
      {v4, Rule{.matches = {RpfilterMatch{}}, .target = Drop{}}, "-A cali-x -m rpfilter --validmark --invert -j DROP"},
      {v4, Rule{.matches = {LimitMatch{60, LimitMatch::Unit::Minute, 7}}}, "-A cali-x -m limit --limit 1/sec --limit-burst 7"},
      {v4, Rule{.protocol = ProtocolMatch{6}, .matches = {ConnlimitMatch{10}}, .target = Reject{true}},
       "-A cali-x -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above 10 --connlimit-mask 0 "
       "--connlimit-saddr -j REJECT --reject-with tcp-reset"},
      {v4, Rule{.matches = {CommentMatch{"cali:a \"b\""}}}, "-A cali-x -m comment --comment \"cali:a \\\"b\\\"\""},
      {v4, Rule{.matches = {CommentMatch{"plain_1"}}}, "-A cali-x -m comment --comment plain_1"},
      {v6, Rule{.target = Reject{}}, "-A cali-x -j REJECT --reject-with icmp6-port-unreachable"},
      {v4, Rule{.target = Log{"calico-packet: ", 5}}, "-A cali-x -j LOG --log-prefix \"calico-packet: \" --log-level 5"},
      {v4, Rule{.target = Nflog{2, "DPI|x", 80}}, "-A cali-x -j NFLOG --nflog-prefix \"DPI|x\" --nflog-group 2 --nflog-size 80"},
      {v4, Rule{.target = NoTrack{}}, "-A cali-x -j CT --notrack"},
      {v4, Rule{.protocol = ProtocolMatch{6}, .target = Masquerade{PortsMatch::Range{100, 200}, true}},
       "-A cali-x -p tcp -j MASQUERADE --to-ports 100-200 --random-fully"},
      {v6, Rule{.protocol = ProtocolMatch{6}, .target = SourceNat{*Addr::parse("fd00::1"), PortsMatch::Range{1, 2}, false}},
       "-A cali-x -p tcp -j SNAT --to-source [fd00::1]:1-2"},
      {v4, Rule{.protocol = ProtocolMatch{6}, .target = DestNat{*Addr::parse("10.0.0.1"), 80}},
       "-A cali-x -p tcp -j DNAT --to-destination 10.0.0.1:80"},
      {v4, Rule{.target = SetDscp{10}}, "-A cali-x -j DSCP --set-dscp 0x0a"},
  };
}

}  // namespace

TEST_CASE("a rule's text is what iptables-save prints") {
  for (const auto& c : cases()) CHECK(to_text(c.family, "cali-x", c.rule) == c.text);
}

TEST_CASE("different rules have different digests, equal rules equal ones") {
  std::set<Digest> digests;
  std::vector<Rule> all;
  for (const auto& c : cases()) {
    // No prefix and a /0 are one rule to the kernel, and so to the digest.
    if (c.rule.source && c.rule.source->cidr.prefix == 0) {
      CHECK(digest({c.rule}) == digest({Rule{.target = c.rule.target}}));
      continue;
    }
    CHECK(digest({c.rule}) == digest({Rule{c.rule}}));
    CHECK(digests.insert(digest({c.rule})).second);
    all.push_back(c.rule);
  }
  const Digest forward = digest(all);
  std::swap(all.front(), all.back());
  CHECK(digest(all) != forward);
  CHECK(digest({}) != digest({Rule{}}));
  CHECK(digest({Rule{.matches = {LimitMatch{60, LimitMatch::Unit::Minute, 5}}}}) ==
        digest({Rule{.matches = {LimitMatch{1, LimitMatch::Unit::Second, 5}}}}));
}

TEST_CASE("a digest over an opaque part equals none of ours") {
  for (const auto& c : cases()) CHECK((digest({c.rule}) >> 63) == 0);
  CHECK((digest({Rule{.matches = {OpaqueMatch{"recent", 1}}}}) >> 63) == 1);
  CHECK((digest({Rule{}, Rule{.target = OpaqueTarget{"TEE", 1}}}) >> 63) == 1);
}

TEST_CASE("our rules jump to our chains or say so in a comment") {
  CHECK(is_our_chain("cali-FORWARD"));
  CHECK_FALSE(is_our_chain("KUBE-cali"));
  CHECK(is_our_rule(Rule{.target = Jump{"cali-INPUT"}}));
  CHECK(is_our_rule(Rule{.target = Goto{"cali-INPUT"}}));
  CHECK(is_our_rule(Rule{.matches = {CommentMatch{"cali:accepted"}}, .target = Accept{}}));
  CHECK_FALSE(is_our_rule(Rule{.matches = {CommentMatch{"not cali:"}}, .target = Accept{}}));
  CHECK_FALSE(is_our_rule(Rule{.in = Interface{"cali", true}, .target = Jump{"DOCKER"}}));
}

TEST_CASE("a rule names its target chain and its sets") {
  const Rule rule{.matches = {SetMatch{"a"}, MarkMatch{1}, SetMatch{"b"}}, .target = Goto{"c"}};
  CHECK(*rule.target_chain() == "c");
  CHECK(rule.sets() == std::vector<std::string_view>{"a", "b"});
  CHECK(Rule{.target = Accept{}}.target_chain() == nullptr);
}
