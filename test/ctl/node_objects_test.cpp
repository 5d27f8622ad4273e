#include "ctl/node_objects.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;
using nlohmann::json;

namespace {

NodeValues values(const char* v4, const char* v6 = nullptr, std::optional<std::uint32_t> as = std::nullopt,
                  bool prefix_matters = true) {
  NodeValues out;
  for (const Family family : kFamilies) {
    const char* text = family == Family::V4 ? v4 : v6;
    if (text == nullptr) continue;
    const std::string_view whole = text;
    out.addresses[index(family)] =
        NodeAddress{{*Addr::parse(whole.substr(0, whole.find('/'))), Cidr::parse(whole)->prefix, "eth0"}, prefix_matters};
  }
  out.as_number = as;
  return out;
}

json node(json bgp) {
  return {{"apiVersion", "projectcalico.org/v3"},
          {"kind", "Node"},
          {"metadata", {{"name", "n1"}, {"labels", {{"rack", "1"}}}}},
          {"spec", {{"bgp", std::move(bgp)}, {"orchRefs", json::array()}}}};
}

}  // namespace

TEST_CASE("node objects: a new cluster's information, and one that is there") {
  const std::string guid(32, 'a');
  const json made = cluster_information(nullptr, guid);
  CHECK(made["spec"] == json{{"clusterGUID", guid}, {"clusterType", "bgp"}, {"datastoreReady", true}});
  CHECK(identify(made)->name == "default");
  CHECK(cluster_information(&made, std::string(32, 'b')) == made);
  json locked = made;
  locked["spec"] = {{"clusterGUID", "mine"}, {"clusterType", "k8s,kdd"}, {"datastoreReady", false}, {"calicoVersion", "v3.30.0"}};
  CHECK(cluster_information(&locked, guid) == locked);
  json half = made;
  half["spec"] = {{"datastoreReady", nullptr}, {"calicoVersion", "v3.30.0"}};
  CHECK(cluster_information(&half, guid)["spec"] ==
        json{{"clusterGUID", guid}, {"clusterType", "bgp"}, {"datastoreReady", true}, {"calicoVersion", "v3.30.0"}});
}

TEST_CASE("node objects: a new node, in both families") {
  const auto made = node_with(nullptr, "n1", values("10.0.0.1/24", "fd00::1/64", 64512), false);
  REQUIRE(made);
  CHECK((*made)["spec"]["bgp"] == json{{"ipv4Address", "10.0.0.1/24"}, {"ipv6Address", "fd00::1/64"}, {"asNumber", 64512}});
  CHECK(decoded_node(*made)->as_number == 64512u);
  const auto bare = node_with(nullptr, "n1", {}, false);
  REQUIRE(bare);
  CHECK_FALSE((*bare)["spec"].contains("bgp"));  // an empty one is refused by Calico's clients
}

TEST_CASE("node objects: what is set stays unless it is to be overwritten") {
  const json before = node({{"ipv4Address", "10.0.0.1/24"}, {"asNumber", "1.10"}, {"routeReflectorClusterID", "1.1.1.1"}});
  CHECK(*node_with(&before, "n1", {}, false) == before);
  CHECK(*node_with(&before, "n1", values("10.0.0.1/24", nullptr, 65546), false) == before);  // the same AS, however written
  CHECK(*node_with(&before, "n1", values("10.0.0.1/32", nullptr, std::nullopt, false), false) == before);

  const auto refused = node_with(&before, "n1", values("10.0.0.2/24", nullptr, 64513), false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text ==
        "spec.bgp.ipv4Address is \"10.0.0.1/24\", not \"10.0.0.2/24\"; spec.bgp.asNumber is \"1.10\", not 64513; --overwrite "
        "changes "
        "that");
  CHECK_FALSE(node_with(&before, "n1", values("10.0.0.1/32"), false));

  const auto more = node_with(&before, "n1", values(nullptr, "fd00::1/64"), false);  // what was not set may come
  REQUIRE(more);
  json expected = before;
  expected["spec"]["bgp"]["ipv6Address"] = "fd00::1/64";
  CHECK(*more == expected);

  const auto changed = node_with(&before, "n1", values("10.0.0.1/32", nullptr, 64513, false), true);
  REQUIRE(changed);
  expected = before;
  expected["spec"]["bgp"]["ipv4Address"] = "10.0.0.1/32";
  expected["spec"]["bgp"]["asNumber"] = 64513;
  CHECK(*changed == expected);
}

TEST_CASE("node objects: a stored node that is not valid is left alone") {
  const json broken = node({{"ipv4Address", "ten"}});
  CHECK(node_with(&broken, "n1", values("10.0.0.1/24"), true).error().code == ErrorCode::Invalid);
}

TEST_CASE("node objects: another node's address is found in either family") {
  json other = node({{"ipv4Address", "10.0.0.1/24"}, {"ipv6Address", "fd00::1/64"}});
  other["metadata"]["name"] = "n2";
  const std::vector<json> nodes{node({{"ipv4Address", "10.0.0.9/24"}}), other};
  CHECK(address_owner(nodes, "n1", values("10.0.0.1/32"))->node == "n2");
  CHECK(address_owner(nodes, "n1", values(nullptr, "fd00::1/128"))->node == "n2");
  CHECK_FALSE(address_owner(nodes, "n2", values("10.0.0.1/24")));
  CHECK_FALSE(address_owner(nodes, "n1", values("10.0.0.9/24", "fd00::2/64")));
}

TEST_CASE("node objects: AS numbers in both notations") {
  CHECK(*parse_as_number("64512") == 64512u);
  CHECK(*parse_as_number("4294967295") == 4294967295u);
  CHECK(*parse_as_number("1.10") == 65546u);
  for (const char* wrong : {"", "0", "0.0", "4294967296", "-1", "1.65536", "65536.1", "1.", ".1", "1.2.3", "AS1", " 1"})
    CHECK_FALSE(parse_as_number(wrong));
}
