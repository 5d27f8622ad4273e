// Passwords: found, watched, and kept out of the configuration where they would break it (specification §1.16).
#include "support/catch.hpp"

#include "cluster.hpp"

namespace margay::bgp::test {

using Catch::Matchers::Contains;

namespace {

struct Peers : Cluster {
  Peers() {
    no_mesh();
    BgpPeer p = peer("192.0.2.1", 65001);
    p.password = SecretRef{"secret", "key"};
    set("p", p);
    set("q", peer("192.0.2.2", 65001));
  }
  std::string password() {
    const Session* s = session("Global_192_0_2_1");
    return s == nullptr ? "no session" : s->password;
  }
};

}  // namespace

TEST_CASE("a password follows its secret") {
  Peers c;
  CHECK(c.password().empty());
  CHECK_THAT(c.problems(), Contains("BGPPeer p: Secret kube-system/secret does not exist"));
  c.secret("secret", {{"other", "x"}});
  CHECK(c.password().empty());
  CHECK_THAT(c.problems(), Contains("has no key \"key\""));
  c.secret("secret", {{"key", "hunter2"}}, "default");  // another namespace's
  CHECK(c.password().empty());
  c.secret("secret", {{"key", "hunter2"}});
  CHECK(c.password() == "hunter2");
  CHECK(c.problems().empty());
  c.secret("secret", {{"key", "hunter3"}});
  CHECK(c.password() == "hunter3");
  c.secret("secret", {{"key", ""}});
  CHECK(c.password().empty());
  CHECK_THAT(c.problems(), Contains("is empty"));
  c.remove(Kind::Secret, "secret", "kube-system");
  CHECK(c.password().empty());
}

TEST_CASE("a password that cannot be written takes its own session away and no other, and is not shown") {
  Peers c;
  for (const std::string& bad : {std::string{"a\"; protocol bgp"}, std::string{"line\n"}, std::string{"a\nb"},
                                 std::string{"a\tb"}, std::string{"a\0b", 3}, std::string{"a\x7f"}, std::string(81, 'x')}) {
    c.secret("secret", {{"key", bad}});
    CHECK(c.names() == "Global_192_0_2_2");
    CHECK_THAT(c.problems(), Contains("BGPPeer p: Secret kube-system/secret: the password"));
    CHECK_THAT(c.problems(), !Contains(bad));
  }
  c.secret("secret", {{"key", "line\n"}});
  CHECK_THAT(c.problems(), Contains("newline"));
  for (const std::string& good : {std::string(80, 'x'), std::string{"h\xc3\xa4\\n'`$;"}}) {
    c.secret("secret", {{"key", good}});
    CHECK(c.password() == good);
  }
}

TEST_CASE("the mesh has a password of its own") {
  Cluster c;
  c.set("a", node("10.0.0.1"));
  BgpConfiguration config;
  config.mesh_password = SecretRef{"mesh", "key"};
  config.mesh_restart_time = 10;
  c.set("default", config);
  CHECK(c.session("Mesh_10_0_0_1")->password.empty());
  CHECK(c.session("Mesh_10_0_0_1")->restart_time == 10u);
  CHECK_THAT(c.problems(), Contains("BGPConfiguration default: Secret kube-system/mesh does not exist"));
  c.secret("mesh", {{"key", "hunter2"}});
  CHECK(c.session("Mesh_10_0_0_1")->password == "hunter2");
  c.set("b", node("10.0.0.3"));
  CHECK(c.session("Mesh_10_0_0_3")->password == "hunter2");
  c.secret("mesh", {{"key", "\""}});
  CHECK(c.names().empty());
}

TEST_CASE("workload peers have the password their BGPPeer names") {
  Cluster c;
  c.no_mesh();
  BgpPeer p;
  p.local_workload_selector = selector("all()");
  p.as_number = 65001;
  p.password = SecretRef{"secret", "key"};
  c.set("p", p);
  c.view.set_workloads({{"cali1", {cidr("10.65.0.1/32")}, "p"}});
  c.secret("secret", {{"key", "hunter2"}});
  CHECK(c.session("Local_Workload_10_65_0_1")->password == "hunter2");
}

}  // namespace margay::bgp::test
