#include "calc/graph.hpp"
#include "mirror.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

TEST_CASE("a pod, a policy and a peer become a set, a policy, a profile and an endpoint, then in-sync") {
  test::Mirror mirror;
  Graph graph{{.node = "here"}, mirror};
  WorkloadEndpoint local;
  local.node = "here";
  local.labels = {{"app", "web"}};
  local.profiles = {"kns.a"};
  local.nets = {*Cidr::parse("10.0.0.1/32")};
  WorkloadEndpoint remote = local;
  remote.node = "there";
  remote.labels = {{"app", "db"}};
  remote.nets = {*Cidr::parse("10.0.0.2/32")};
  Policy policy;
  policy.selector = *Selector::parse("app == 'web'");
  policy.ingress.emplace_back();
  policy.ingress[0].source.selector = *Selector::parse("app == 'db'");
  const Key local_key{Kind::WorkloadEndpoint, "a", "local"}, remote_key{Kind::WorkloadEndpoint, "a", "remote"};
  const Key policy_key{Kind::NetworkPolicy, "a", "p"};
  graph.on_state(SyncState::Resync);
  graph.on_updates(std::vector<Update>{{local_key, std::make_shared<const WorkloadEndpoint>(local)},
                                       {remote_key, std::make_shared<const WorkloadEndpoint>(remote)},
                                       {policy_key, std::make_shared<const Policy>(policy)}});
  CHECK_FALSE(graph.has_pending());
  graph.flush();
  CHECK(mirror.messages == 0);
  graph.on_state(SyncState::InSync);
  CHECK(graph.has_pending());
  graph.flush();
  CHECK(mirror.in_sync);
  CHECK_FALSE(graph.has_pending());
  REQUIRE(mirror.state.sets.size() == 1);
  CHECK(mirror.state.sets.begin()->second.members == std::set<kernel::SetMember>{{.net = *Cidr::parse("10.0.0.2/32")}});
  REQUIRE(mirror.state.workloads.contains(local_key));
  CHECK(mirror.state.workloads.at(local_key).second.normal.at(0).ingress == std::vector<PolicyId>{policy_key});
  CHECK(mirror.state.profiles.at("kns.a").ingress.at(0).action == Action::Deny);
}
