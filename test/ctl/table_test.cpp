#include "ctl/table.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;
using nlohmann::json;

namespace {
json policy(const char* ns, const char* name) {
  return {{"metadata", {{"name", name}, {"namespace", ns}}},
          {"spec", {{"tier", "sec"}, {"order", 10.5}, {"selector", "has(x)"}}}};
}
}  // namespace

TEST_CASE("table: columns are aligned, at least 5 wide, 3 apart, with nothing after the last") {
  CHECK(align({{"A", "LONGER", "C"}, {"abcdefg", "x", ""}}) == "A         LONGER   C\nabcdefg   x\n");
  CHECK(align({{"é", "b"}, {"ee", "b"}}) == "é       b\nee      b\n");
}

TEST_CASE("table: control characters do not reach the terminal") { CHECK(align({{"a\033[31mb\nc"}}) == "a?[31mb?c\n"); }

TEST_CASE("table: policies, plain and wide") {
  TableOptions options;
  CHECK(table_of(Kind::NetworkPolicy, {policy("shop", "web")}, options) == "NAME    TIER\nweb     sec\n");
  options.wide = options.show_namespace = true;
  CHECK(table_of(Kind::NetworkPolicy, {policy("shop", "web")}, options) ==
        "NAMESPACE   NAME    TIER    ORDER   SELECTOR\nshop        web     sec     10.5    has(x)\n");
}

TEST_CASE("table: a kind without namespaces has no such column") {
  TableOptions options;
  options.show_namespace = true;
  options.name_prefix = "tier.projectcalico.org/";
  CHECK(table_of(Kind::Tier, {{{"metadata", {{"name", "t"}}}, {"spec", {{"order", 1000000}}}}}, options) ==
        "NAME                       ORDER\ntier.projectcalico.org/t   1000000\n");
}

TEST_CASE("table: nodes that have no AS number show the cluster's in parentheses") {
  TableOptions options;
  options.wide = true;
  options.as_number = "65001";
  const json own{{"metadata", {{"name", "n"}}}, {"spec", {{"bgp", {{"asNumber", 64999}, {"ipv4Address", "10.0.0.1/24"}}}}}};
  const json none{{"metadata", {{"name", "m"}}}, {"spec", json::object()}};
  CHECK(table_of(Kind::Node, {own, none}, options) ==
        "NAME    ASN       IPV4          IPV6\nn       64999     10.0.0.1/24\nm       (65001)\n");
}

TEST_CASE("table: lists of nets are cut at 80 characters") {
  json nets = json::array();
  for (int i = 0; i < 20; ++i) nets.push_back("10.0.0." + std::to_string(i));
  TableOptions options;
  options.wide = true;
  const std::string text =
      table_of(Kind::GlobalNetworkSet, {{{"metadata", {{"name", "s"}}}, {"spec", {{"nets", nets}}}}}, options);
  const std::string row = text.substr(text.find('\n') + 1);
  CHECK(row.size() == 8 + 80 + 1);
  CHECK(row.ends_with("...\n"));
}

TEST_CASE("table: every kind shows an object that is nothing but a name, or is malformed") {
  for (const KindInfo& kind : all_kinds()) {
    for (const bool wide : {false, true}) {
      TableOptions options;
      options.wide = wide;
      INFO(kind.name);
      for (const json& spec : {json(nullptr), json("text"), json::array({1, nullptr}), json{{"nets", 3}, {"ports", "x"}}}) {
        const json object{{"metadata", {{"name", "thing"}, {"labels", 7}}}, {"spec", spec}, {"status", spec}, {"ports", spec}};
        const std::string text = table_of(kind.kind, {object}, options);
        CHECK(std::count(text.begin(), text.end(), '\n') == 2);
      }
    }
  }
}

TEST_CASE("table: the kinds of routing as calicoctl shows them; of secrets, how many") {
  const auto row = [](Kind kind, const char* object, bool wide = false) {
    TableOptions options;
    options.wide = wide;
    return table_of(kind, {json::parse(object)}, options);
  };
  CHECK(
      row(Kind::BGPConfiguration,
          R"j({"metadata":{"name":"default"},"spec":{"logSeverityScreen":"Info","nodeToNodeMeshEnabled":true,"asNumber":"1.10"}})j") ==
      "NAME      LOGSEVERITY   MESHENABLED   ASNUMBER\ndefault   Info          true          1.10\n");
  CHECK(row(Kind::BGPConfiguration, R"j({"metadata":{"name":"default"}})j") ==
        "NAME      LOGSEVERITY   MESHENABLED   ASNUMBER\ndefault   -             -             -\n");
  CHECK(row(Kind::BGPPeer, R"j({"metadata":{"name":"tor"},"spec":{"peerIP":"[fd00::1]:179","nodeSelector":"all()","asNumber":64512
}
})j") == "NAME    PEERIP          NODE    ASN\ntor     [fd00::1]:179   all()   64512\n");
  CHECK(row(Kind::BGPPeer, R"j({"metadata":{"name":"tor"},"spec":{"peerIP":"10.0.0.1","asNumber":1}})j") ==
        "NAME    PEERIP     NODE       ASN\ntor     10.0.0.1   (global)   1\n");
  CHECK(row(Kind::BGPFilter, R"j({"metadata":{"name":"f"},"spec":{"exportV4":[{},{}],"importV6":[{}]}})j") ==
        "NAME    NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6\nf       2             0             0             1\n");
  CHECK(row(Kind::CalicoNodeStatus, R"j({"metadata":{"name":"s"},"spec":{"node":"n1","classes":["Agent","BGP"]}})j", false) ==
        "NAME    NODE\ns       n1\n");
  CHECK(row(Kind::CalicoNodeStatus,
            R"j({"metadata":{"name":"s"},"spec":{"node":"n1","classes":["BGP"]},
                 "status":{"lastUpdated":"now","bgp":{"numberEstablishedV4":2,"numberNotEstablishedV4":1}}})j",
            true) ==
        "NAME    NODE    CLASSES   LASTUPDATED   BIRDV4   BIRDV6   ESTABLISHEDV4   ESTABLISHEDV6\n"
        "s       n1      BGP       now           -        -        2/3             -\n");
  CHECK(row(Kind::Secret, R"j({"metadata":{"name":"s"},"data":{"a":"x","b":"y"},"stringData":{"b":"z","c":"t"}})j") ==
        "NAME    TYPE     DATA\ns       Opaque   3\n");
}
