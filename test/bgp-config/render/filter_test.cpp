// BGPFilter rules as BIRD's conditions: rows of rule and line.
#include "render/filters.hpp"
#include "render/text.hpp"
#include "routers.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using bgp::test::net;

namespace {

std::string body(const BgpFilterRule& rule, bool import = false, Family family = Family::V4) {
  BgpFilter filter;
  (import ? filter.import_rules : filter.export_rules)[index(family)] = {rule};
  const std::string text = render_filter("f", &filter, import, family, 1024);
  const std::size_t from = text.find("{\n") + 2;
  return text.substr(from, text.size() - from - 2);
}

BgpFilterRule cidr(std::string_view text, BgpFilterRule::Match match, std::optional<std::uint8_t> low = {},
                   std::optional<std::uint8_t> high = {}) {
  BgpFilterRule r;
  r.cidr = net(text);
  r.match = match;
  r.min_length = low;
  r.max_length = high;
  return r;
}

}  // namespace

TEST_CASE("a rule's CIDR and prefix lengths are one condition") {
  using Match = BgpFilterRule::Match;
  struct Row {
    BgpFilterRule rule;
    std::string text;
  };
  const Row rows[] = {
      {cidr("10.0.0.0/8", Match::In), "  if net ~ [10.0.0.0/8+] then reject;\n"},
      {cidr("10.0.0.0/8", Match::NotIn), "  if !(net ~ [10.0.0.0/8+]) then reject;\n"},
      {cidr("10.0.0.0/8", Match::Equal), "  if net = 10.0.0.0/8 then reject;\n"},
      {cidr("10.0.0.0/8", Match::NotEqual), "  if !(net = 10.0.0.0/8) then reject;\n"},
      // Never the nets that contain it, whatever the minimum says.
      {cidr("10.0.0.0/8", Match::In, 0, 32), "  if net ~ [10.0.0.0/8{8,32}] then reject;\n"},
      {cidr("10.0.0.0/8", Match::In, 16), "  if net ~ [10.0.0.0/8{16,32}] then reject;\n"},
      {cidr("10.0.0.0/8", Match::In, {}, 24), "  if net ~ [10.0.0.0/8{8,24}] then reject;\n"},
      {cidr("10.0.0.0/8", Match::NotIn, 16, 255), "  if !(net ~ [10.0.0.0/8{16,32}]) then reject;\n"},
      {cidr("10.0.0.0/8", Match::In, {}, 4), ""},  // nothing is that short
      {cidr("10.0.0.0/8", Match::NotIn, {}, 4), "  reject;\n"},
      {cidr("10.0.0.0/8", Match::Equal, 8, 9), "  if net = 10.0.0.0/8 then reject;\n"},
      {cidr("10.0.0.0/8", Match::Equal, 9, 32), ""},
      {cidr("10.0.0.0/8", Match::NotEqual, 9, 32), "  reject;\n"},
      {cidr("fd00::/8", Match::In), ""},  // of the other family
      {cidr("fd00::/8", Match::NotIn), "  reject;\n"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(body(row.rule) == row.text);
  }
  CHECK(body(cidr("fd00::/8", Match::In, 0, 255), false, Family::V6) == "  if net ~ [fd00::/8{8,128}] then reject;\n");
}

TEST_CASE("other conditions of a rule") {
  BgpFilterRule r;
  CHECK(body(r) == "  reject;\n");
  r.interface = "*";  // a blackhole has no interface
  CHECK(body(r) == "  if ifname != \"\" then reject;\n");
  r.interface = "eth\"0\n";
  CHECK(body(r) == "  if ifname ~ \"eth?0?\" then reject;\n");
  r = {};
  r.external_peer = true;
  r.from_remote_peers = true;
  r.community = Community{true, {1, 2, 4294967295}};
  CHECK(body(r) == "  if source = RTS_BGP && !same_as && (1, 2, 4294967295) ~ bgp_large_community then reject;\n");
  r = {};
  r.external_peer = false;
  r.community = Community{false, {65535, 0, 0}};
  r.as_path_prefix = {65001, 4294967295};
  r.priority = 512;
  CHECK(body(r) ==
        "  if same_as && (65535, 0) ~ bgp_community && bgp_path ~ [= 65001 4294967295 * =] && bgp_local_pref = 2147483135 then "
        "reject;\n");
  r = {};
  r.priority = 4294967295;  // no route has it
  CHECK(body(r).empty());
}

TEST_CASE("operations are done in order, and a priority set on import is a preference too") {
  BgpFilterRule r;
  r.accept = true;
  r.operations = {BgpFilterRule::PrependAsPath{{1, 2}}, BgpFilterRule::AddCommunity{Community{false, {3, 4, 0}}},
                  BgpFilterRule::SetPriority{1024}};
  CHECK(body(r) ==
        "  if true then {\n    bgp_path.prepend(2);\n    bgp_path.prepend(1);\n    bgp_community.add((3, 4));\n"
        "    bgp_local_pref = 2147482623;\n    accept;\n  }\n");
  r.operations = {BgpFilterRule::SetPriority{1024}};
  CHECK(body(r, true) == "  if true then {\n    bgp_local_pref = 2147482623;\n    preference = 100;\n    accept;\n  }\n");
  r.operations = {BgpFilterRule::SetPriority{1023}};
  CHECK(body(r, true) == "  if true then {\n    bgp_local_pref = 2147482624;\n    preference = 220;\n    accept;\n  }\n");
}

TEST_CASE("text that resources bring cannot leave its string") {
  CHECK(quotable("a\"b\nc\x7f\xc3\xa9 #") == "a?b?c??? #");
  CHECK(quotable(std::string(5000, 'x')).size() == 200);
  CHECK(protocol_name("Mesh_10_0_0_1") == "Mesh_10_0_0_1");
  for (const char* name : {"margay_direct", "kernel", "Mesh_a-b", "Mesh_a b", "", "RTS_BGP"})
    CHECK(protocol_name(name).starts_with("Peer_"));
  CHECK(protocol_name("Mesh_" + std::string(60, 'x')).size() == 21);
}
