#include "rules/names.hpp"

#include "rules/marks.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::rules;

TEST_CASE("chain names as Calico makes them") {
  CHECK(policy_chain_name({Kind::GlobalNetworkPolicy, {}, "long-policy-name-that-gets-hashed"}, Direction::Ingress) ==
        "cali-pi-_PymyFHQQg3808jiz1OJ");
  CHECK(profile_chain_name("long-policy-name-that-gets-hashed", Direction::Ingress) == "cali-pri-_ffOMcf6pikpiZ6hgKc");
  CHECK(profile_chain_name("kns.default", Direction::Egress) == "cali-pro-kns.default");
  CHECK(policy_chain_name({Kind::NetworkPolicy, "ns", "web"}, Direction::Egress) == "cali-po-np/ns/web");
  CHECK(policy_chain_name({Kind::KubernetesNetworkPolicy, "ns", "web"}, Direction::Ingress) == "cali-pi-knp/ns/web");
  CHECK(workload_chain_name("cali1234567890a", Direction::Ingress) == "cali-tw-cali1234567890a");
  CHECK(workload_chain_name("cali1", Direction::Egress) == "cali-fw-cali1");
  CHECK(host_chain_name("*", Direction::Egress, false) == "cali-th-any-interface-at-all");
  CHECK(host_chain_name("*", Direction::Egress, true) == "cali-thfw-_Nqh4HyA73udmyanQI");
  CHECK(host_chain_name("*", Direction::Ingress, true) == "cali-fhfw-_Nqh4HyA73udmyanQI");
  CHECK(host_chain_name("eth0", Direction::Ingress, true) == "cali-fhfw-eth0");
}

TEST_CASE("names at the limit") {
  CHECK(limit_name("p-", "", 10) == "p-_");
  CHECK(limit_name("p-", "12345678", 10) == "p-12345678");
  // Exactly at the limit, but it would look like a digest.
  const std::string digest = limit_name("p-", "_2345678", 10);
  CHECK(digest.size() == 10);
  CHECK(digest != "p-_2345678");
  CHECK(limit_name("p-", "_234567", 10) == "p-_234567");
  CHECK(limit_name("p-", "123456789", 10).size() == 10);
  CHECK(limit_name("p-", "123456789", 10).starts_with("p-_"));
}

TEST_CASE("a group's name tells selector, direction, members and their order apart") {
  const calc::PolicyId a{Kind::GlobalNetworkPolicy, {}, "a"}, b{Kind::NetworkPolicy, "ns", "b"};
  const std::vector<calc::PolicyId> ab{a, b}, ba{b, a};
  const std::string name = group_chain_name("all()", Direction::Ingress, ab);
  CHECK(name.size() == kMaxChainName);
  CHECK(name.starts_with("cali-gi-"));
  CHECK(group_chain_name("all()", Direction::Egress, ab).starts_with("cali-go-"));
  CHECK(group_chain_name("all()", Direction::Egress, ab).substr(8) != name.substr(8));
  CHECK(group_chain_name("all()", Direction::Ingress, ba) != name);
  CHECK(group_chain_name("has(x)", Direction::Ingress, ab) != name);
}

TEST_CASE("set names") {
  CHECK(set_name(Family::V4, "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug") == "cali40s:5y5I3VdRZfDU01O--xXAPx2");
  CHECK(set_name(Family::V6, set::kMasqueradePools) == "cali60masq-ipam-pools");
  CHECK(temporary_set_name(Family::V6, 12) == "cali6t12");
  CHECK(is_temporary_set_name("cali4t0"));
  CHECK_FALSE(is_temporary_set_name("cali40this-host"));
}

TEST_CASE("mark bits are taken lowest first") {
  const Marks m = *allocate_marks(0xffff0000);
  CHECK(m.accept == 0x10000);
  CHECK(m.pass == 0x20000);
  CHECK(m.drop == 0x40000);
  CHECK(m.scratch0 == 0x80000);
  CHECK(m.scratch1 == 0x100000);
  CHECK(m.all() == 0x1f0000);
  CHECK(allocate_marks(0x80010809 | 0x2)->scratch1 == 0x10000);
  CHECK_FALSE(allocate_marks(0xf).has_value());
  CHECK_FALSE(allocate_marks(0).has_value());
}
