// BGPFilter: every field, every rule.
#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::errors_of;
using margay::test::value_of;
using nlohmann::json;

namespace {

constexpr const char* kFull = R"j({"kind":"BGPFilter","apiVersion":"projectcalico.org/v3","metadata":{"name":"f"},"spec":{
  "importV4":[{"cidr":"10.1.2.3/8","matchOperator":"Equal","prefixLength":{"min":0,"max":32},"source":"RemotePeers","interface":"eth?*","peerType":"eBGP",
    "communities":{"values":["65000:100"]},"asPathPrefix":[65000,"1.1"],"priority":512,"action":"Accept",
    "operations":[{"addCommunity":{"value":"1:2:3"}},{"prependASPath":{"prefix":["1.0",2]}},{"setPriority":{"value":256}}]}],
  "importV6":[{"cidr":"fd00::/8","matchOperator":"NotIn","peerType":"iBGP","action":"Reject"}],
  "exportV4":[{"cidr":"10.0.0.0/8","matchOperator":"In","action":"Reject"},{"action":"Accept"}],
  "exportV6":[{"cidr":"fd00::1","matchOperator":"NotEqual","prefixLength":{"max":128},"action":"Accept","operations":[]}]}})j";

}  // namespace

TEST_CASE("a BGP filter with everything in it") {
  CHECK(errors_of(json::parse(kFull), true) == "");
  const auto filter = value_of<BgpFilter>(json::parse(kFull));
  using Match = BgpFilterRule::Match;
  BgpFilterRule full;
  full.cidr = *Cidr::parse("10.0.0.0/8");
  full.match = Match::Equal;
  full.min_length = 0;
  full.max_length = 32;
  full.from_remote_peers = true;
  full.interface = "eth?*";
  full.external_peer = true;
  full.community = Community{false, {65000, 100, 0}};
  full.as_path_prefix = {65000, 65537};
  full.priority = 512;
  full.accept = true;
  full.operations = {BgpFilterRule::AddCommunity{{true, {1, 2, 3}}}, BgpFilterRule::PrependAsPath{{65536, 2}},
                     BgpFilterRule::SetPriority{256}};
  CHECK(filter->import_rules[0] == std::vector<BgpFilterRule>{full});
  BgpFilterRule six;
  six.cidr = *Cidr::parse("fd00::/8");
  six.match = Match::NotIn;
  six.external_peer = false;
  CHECK(filter->import_rules[1] == std::vector<BgpFilterRule>{six});
  BgpFilterRule in, all;
  in.cidr = *Cidr::parse("10.0.0.0/8");
  all.accept = true;
  CHECK(filter->export_rules[0] == std::vector<BgpFilterRule>{in, all});
  BgpFilterRule host;
  host.cidr = *Cidr::parse("fd00::1");
  host.match = Match::NotEqual;
  host.max_length = 128;
  host.accept = true;
  CHECK(filter->export_rules[1] == std::vector<BgpFilterRule>{host});
}

TEST_CASE("what a BGP filter must not say") {
  // Each case is one rule of importV4, or of the list named.
  const struct {
    const char *rule, *error;
    const char* list = "importV4";
  } cases[] = {
      {R"j({})j", "action: is required\n"},
      {R"j({"action":"accept"})j", "action: \"accept\" is not one of Accept, Reject\n"},
      {R"j({"action":"Accept","cidr":"10.0.0.0/8"})j", "matchOperator: is required with cidr\n"},
      {R"j({"action":"Accept","matchOperator":"In"})j", "matchOperator: needs cidr\n"},
      {R"j({"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"Is"})j",
       "matchOperator: \"Is\" is not one of In, NotIn, Equal, NotEqual\n"},
      {R"j({"action":"Accept","cidr":"x","matchOperator":"In"})j", "cidr: \"x\" is not an IP network\n"},
      {R"j({"action":"Accept","cidr":"fd00::/8","matchOperator":"In"})j", "cidr: must be an IPv4 network\n"},
      {R"j({"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"In"})j", "cidr: must be an IPv6 network\n", "exportV6"},
      {R"j({"action":"Accept","prefixLength":{"min":8}})j", "prefixLength: needs cidr\n"},
      {R"j({"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"In","prefixLength":{"max":33}})j",
       "prefixLength.max: 33 is not between 0 and 32\n"},
      {R"j({"action":"Accept","cidr":"fd00::/8","matchOperator":"In","prefixLength":{"min":129}})j",
       "prefixLength.min: 129 is not between 0 and 128\n", "importV6"},
      {R"j({"action":"Accept","cidr":"10.0.0.0/8","matchOperator":"In","prefixLength":{"min":25,"max":24}})j",
       "prefixLength.min: is more than max\n"},
      {R"j({"action":"Accept","source":"Local"})j", "source: \"Local\" is not one of RemotePeers\n"},
      {R"j({"action":"Accept","interface":"a\"b"})j", "interface: \"a\\\"b\" is not a pattern of interface names"},
      {R"j({"action":"Accept","interface":"sixteen-letters-"})j", "interface: \"sixteen-letters-\" is not a pattern"},
      {R"j({"action":"Accept","peerType":"ebgp"})j", "peerType: \"ebgp\" is not one of eBGP, iBGP\n"},
      {R"j({"action":"Accept","communities":{"values":[]}})j", "communities.values: must have exactly one community\n"},
      {R"j({"action":"Accept","communities":{}})j", "communities.values: must have exactly one community\n"},
      {R"j({"action":"Accept","communities":{"values":["1:1","1:2"]}})j",
       "communities.values: must have exactly one community\n"},
      {R"j({"action":"Accept","communities":{"values":["name"]}})j", "communities.values[0]: \"name\" is not a community"},
      {R"j({"action":"Accept","asPathPrefix":[4294967296]})j", "asPathPrefix[0]: is not an AS number"},
      {R"j({"action":"Accept","priority":0})j", "priority: 0 is not between 1 and 2147483646\n"},
      {R"j({"action":"Accept","priority":2147483647})j", "priority: 2147483647 is not between 1 and 2147483646\n"},
      {R"j({"action":"Reject","operations":[{"setPriority":{"value":1}}]})j", "operations: can only be with the action Accept\n"},
      {R"j({"action":"Accept","operations":[{}]})j", "operations[0]: must have exactly one of addCommunity, "},
      {R"j({"action":"Accept","operations":[{"setPriority":{"value":1},"addCommunity":{"value":"1:1"}}]})j",
       "operations[0]: must have exactly one of "},
      {R"j({"action":"Accept","operations":[{"setPriority":{"value":0}}]})j",
       "operations[0].setPriority.value: 0 is not between"},
      {R"j({"action":"Accept","operations":[{"setPriority":{}}]})j", "operations[0].setPriority.value: is required\n"},
      {R"j({"action":"Accept","operations":[{"addCommunity":{}}]})j", "operations[0].addCommunity.value: is required\n"},
      {R"j({"action":"Accept","operations":[{"addCommunity":{"value":"1"}}]})j",
       "operations[0].addCommunity.value: \"1\" is not a community"},
      {R"j({"action":"Accept","operations":[{"prependASPath":{"prefix":[]}}]})j",
       "operations[0].prependASPath.prefix: must have at least one AS number\n"},
      {R"j({"action":"Accept","operations":[{"prependASPath":{}}]})j",
       "operations[0].prependASPath.prefix: must have at least one AS number\n"},
      {R"j({"action":"Accept","operations":[{"prependASPath":{"prefix":["x"]}}]})j",
       "operations[0].prependASPath.prefix[0]: is not an AS number"},
      {R"j({"action":"Accept","operations":[{"prependASPath":{"prefix":[1,1,1,1,1,1,1,1,1,1,1]}}]})j",
       "operations[0].prependASPath.prefix: has 11 elements, at most 10 are allowed\n"},
  };
  for (const auto& c : cases) {
    json manifest = json::parse(kFull);
    manifest["spec"] = {{c.list, json::array({{{"action", "Reject"}}, json::parse(c.rule)})}};
    const std::string found = errors_of(manifest);
    INFO(c.rule << "\nfound:\n" << found);
    CHECK(found.starts_with("spec." + std::string{c.list} + "[1]." + c.error));
    CHECK(std::count(found.begin(), found.end(), '\n') == 1);
  }
  json many = json::parse(kFull);
  json& operations = many["spec"]["importV4"][0]["operations"];
  operations = json::array();
  for (int i = 0; i < 10; ++i) operations.push_back({{"setPriority", {{"value", 1}}}});
  CHECK(errors_of(many) == "");
  operations.push_back(operations[0]);
  CHECK(errors_of(many) == "spec.importV4[0].operations: has 11 elements, at most 10 are allowed\n");
  CHECK(errors_of(json::parse(R"j({"kind":"BGPFilter","apiVersion":"projectcalico.org/v3","metadata":{"name":"f"}})j")) == "");
}

TEST_CASE("a BGP filter that is not valid rejects everything in each list it has") {
  struct Row {
    const char* spec;
    bool import4, import6, export4, export6;
  };
  const BgpFilterRule reject;
  REQUIRE_FALSE(reject.accept);
  for (const Row& row :
       {Row{R"j({"importV4":[{"action":"Accept"},{"action":"x"}]})j", true, false, false, false},
        Row{R"j({"importV4":[{"action":"x"}],"exportV6":[{"action":"Accept"}]})j", true, false, false, true},
        Row{R"j({"exportV4":[{"action":"Accept","cidr":"x","matchOperator":"In"}],"importV6":[]})j", false, false, true, false},
        Row{R"j({"exportV4":"x","importV4":null})j", false, false, true, false},
        Row{R"j({"importV6":{"action":"Accept"}})j", false, true, false, false}, Row{R"j("x")j", true, true, true, true},
        Row{R"j([])j", true, true, true, true}}) {
    json manifest = json::parse(kFull);
    manifest["spec"] = json::parse(row.spec);
    INFO(row.spec);
    const Decoded out = decode(*identify(manifest), manifest, {});
    CHECK_FALSE(out.errors.empty());
    REQUIRE(out.value);
    const BgpFilter& filter = *std::get<Ref<BgpFilter>>(*out.value);
    CHECK(filter.closed);
    const auto is = [&](const std::vector<BgpFilterRule>& rules, bool closed) {
      return closed ? rules == std::vector<BgpFilterRule>{reject} : rules.empty();
    };
    CHECK(is(filter.import_rules[0], row.import4));
    CHECK(is(filter.import_rules[1], row.import6));
    CHECK(is(filter.export_rules[0], row.export4));
    CHECK(is(filter.export_rules[1], row.export6));
  }
  CHECK_FALSE(value_of<BgpFilter>(json::parse(kFull))->closed);
  // Wrong outside of its rules: as a whole it was never valid.
  json labelled = json::parse(kFull);
  labelled["metadata"]["labels"] = 7;
  const Decoded out = decode(*identify(labelled), labelled, {});
  CHECK_FALSE(out.errors.empty());
  REQUIRE(out.value);
  CHECK(std::get<Ref<BgpFilter>>(*out.value)->export_rules[1] == std::vector<BgpFilterRule>{reject});
}
