#include <set>

#include "margay/model/key.hpp"
#include "margay/model/rule.hpp"
#include "support/catch.hpp"

using namespace margay;

TEST_CASE("every kind is found by what a manifest says") {
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& row : all_kinds()) {
    CAPTURE(std::string{row.name});
    CHECK(find_kind(api_version(row.kind), row.name) == row.kind);
    CHECK(&info(row.kind) == &row);
    CHECK(names.emplace(row.plural, row.group).second);
  }
  CHECK(find_kind("v1", "Node") == Kind::KubernetesNode);
  CHECK(find_kind("projectcalico.org/v3", "Node") == Kind::Node);
  CHECK(find_kind("networking.k8s.io/v1", "NetworkPolicy") == Kind::KubernetesNetworkPolicy);
  CHECK(find_kind("projectcalico.org/v3", "NetworkPolicy") == Kind::NetworkPolicy);
  CHECK(api_version(Kind::Pod) == "v1");
  for (const auto& [version, kind] : std::vector<std::pair<const char*, const char*>>{{"v1", "NetworkPolicy"},
                                                                                      {"/v1", "Pod"},
                                                                                      {"v2", "Pod"},
                                                                                      {"", "Pod"},
                                                                                      {"projectcalico.org/v1", "Tier"},
                                                                                      {"projectcalico.org/v3/x", "Tier"},
                                                                                      {"crd.projectcalico.org/v1", "Tier"},
                                                                                      {"v1", "pod"},
                                                                                      {"v1", ""}}) {
    CAPTURE(version, kind);
    CHECK_FALSE(find_kind(version, kind));
  }
}

TEST_CASE("keys print and order by kind, namespace and name") {
  CHECK(Key{Kind::NetworkPolicy, "default", "allow-web"}.to_string() == "NetworkPolicy default/allow-web");
  CHECK(Key{Kind::Tier, {}, "default"}.to_string() == "Tier default");
  CHECK(Key{Kind::NetworkPolicy, "b", "a"} < Key{Kind::Tier, {}, "a"});
  CHECK(Key{Kind::NetworkPolicy, "a", "b"} < Key{Kind::NetworkPolicy, "b", "a"});
}

TEST_CASE("protocols by name or number") {
  CHECK(protocol::parse("TCP") == 6);
  CHECK(protocol::parse("tcp") == 6);
  CHECK(protocol::parse("ICMPv6") == 58);
  CHECK(protocol::parse("UDPLite") == 136);
  CHECK(protocol::parse("Sctp") == 132);
  CHECK(protocol::parse("1") == 1);
  CHECK(protocol::parse("255") == 255);
  for (const char* bad : {"", "0", "256", "-1", "+6", "6 ", " 6", "0x6", "tc", "tcpp", "icmp6"}) {
    CAPTURE(bad);
    CHECK_FALSE(protocol::parse(bad));
  }
  CHECK(protocol::to_string(17) == "udp");
  CHECK(protocol::to_string(89) == "89");
  for (int number = 1; number < 256; ++number) {
    const auto p = static_cast<Protocol>(number);
    CHECK(protocol::parse(protocol::to_string(p)) == p);
  }
}
