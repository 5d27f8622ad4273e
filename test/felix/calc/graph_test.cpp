// What the graph as a whole promises beyond its states: gating, freezing, latency, counters.

#include "calc/graph.hpp"

#include "mirror.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

const Key kPod{Kind::WorkloadEndpoint, "a", "w"}, kPolicy{Kind::NetworkPolicy, "a", "p"},
    kRemote{Kind::WorkloadEndpoint, "a", "r"};
const Key kInformation{Kind::ClusterInformation, "", "default"};

template <class T>
Update update(const Key& key, T value, Clock::time_point seen = {}) {
  return {key, std::make_shared<const T>(std::move(value)), seen};
}
WorkloadEndpoint pod(const char* node, Labels labels, const char* address) {
  WorkloadEndpoint out;
  out.node = node;
  out.labels = std::move(labels);
  out.nets = {*Cidr::parse(address)};
  return out;
}
Policy db_may_enter() {
  Policy out;
  out.ingress.emplace_back();
  out.ingress[0].source.selector = *Selector::parse("app == 'db'");
  return out;
}
Clock::time_point at(int milliseconds) { return Clock::time_point{std::chrono::milliseconds{milliseconds}}; }

struct Fixture {
  test::Mirror mirror;
  Graph graph{{.node = "here"}, mirror};
  std::optional<Clock::time_point> flush() {
    mirror.begin_flush();
    return graph.flush();
  }
  void say(std::vector<Update> updates) { graph.on_updates(updates); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "nothing leaves before in-sync, and in-sync is said once, even about nothing") {
  graph.on_state(SyncState::WaitForDatastore);
  graph.on_state(SyncState::Resync);
  say({update(kPod, pod("here", {}, "10.0.0.1"))});
  flush();
  CHECK(mirror.messages == 0);
  CHECK(graph.held());
  graph.on_state(SyncState::InSync);
  flush();
  CHECK(mirror.in_sync);
  graph.on_state(SyncState::Resync);
  graph.on_state(SyncState::InSync);
  flush();  // the mirror throws on a second one
}

TEST_CASE_METHOD(Fixture, "a resync is enforced when it is complete; an outage holds back nothing that came before it") {
  graph.on_state(SyncState::InSync);
  flush();
  say({update(kPod, pod("here", {}, "10.0.0.1"))});
  graph.on_state(SyncState::WaitForDatastore);
  flush();
  CHECK(mirror.state.workloads.size() == 1);
  graph.on_state(SyncState::Resync);
  say({{kPod, std::nullopt}});
  flush();
  CHECK(mirror.state.workloads.size() == 1);
  graph.on_state(SyncState::WaitForDatastore);  // the snapshot broke off
  flush();
  CHECK(mirror.state.workloads.size() == 1);
  graph.on_state(SyncState::Resync);
  graph.on_state(SyncState::InSync);
  flush();
  CHECK(mirror.state.workloads.empty());
}

TEST_CASE_METHOD(Fixture, "a datastore that is not ready freezes what is enforced until it is") {
  graph.on_state(SyncState::InSync);
  say({update(kPod, pod("here", {}, "10.0.0.1"))});
  flush();
  say({update(kInformation, ClusterInformation{.datastore_ready = false}), {kPod, std::nullopt}});
  CHECK(graph.frozen());
  CHECK_FALSE(graph.has_pending());
  flush();
  CHECK(mirror.state.workloads.size() == 1);
  say({update(kInformation, ClusterInformation{.datastore_ready = true})});
  CHECK(graph.has_pending());
  flush();
  CHECK(mirror.state.workloads.empty());
}

TEST_CASE_METHOD(Fixture, "a flush tells when the earliest event it carries arrived") {
  graph.on_state(SyncState::InSync);
  flush();
  say({update(kPod, pod("here", {}, "10.0.0.1"), at(5)), update(kPolicy, db_may_enter(), at(3))});
  CHECK(flush() == at(3));
  CHECK(flush() == std::nullopt);
  // Of no consequence here: neither does it make work, nor does its time stick to what follows.
  say({update(kRemote, pod("there", {{"x", "y"}}, "10.0.0.2"), at(6))});
  CHECK_FALSE(graph.has_pending());
  say({update(kRemote, pod("there", {{"app", "db"}}, "10.0.0.2"), at(9))});
  CHECK(graph.has_pending());
  CHECK(flush() == at(9));
}

TEST_CASE_METHOD(Fixture, "spurious deletes, kinds that are none of our business and repeated values are no work") {
  graph.on_state(SyncState::InSync);
  say({update(kPod, pod("here", {}, "10.0.0.1")), update(kPolicy, db_may_enter())});
  flush();
  const std::size_t messages = mirror.messages;
  for (const Kind kind : {Kind::WorkloadEndpoint, Kind::HostEndpoint, Kind::NetworkPolicy, Kind::Tier, Kind::Profile,
                          Kind::NetworkSet, Kind::EndpointSlice, Kind::Node, Kind::IPPool, Kind::BGPConfiguration}) {
    say({{Key{kind, "x", "never"}, std::nullopt}});
  }
  say({update(Key{Kind::FelixConfiguration, "", "default"}, FelixConfiguration{}),
       update(Key{Kind::Service, "a", "s"}, Service{}), update(kPod, pod("here", {}, "10.0.0.1")),
       update(kPolicy, db_may_enter())});
  flush();
  CHECK(mirror.messages == messages);
}

TEST_CASE_METHOD(Fixture, "counters say what there is") {
  graph.on_state(SyncState::InSync);
  say({update(kPod, pod("here", {}, "10.0.0.1")), update(kRemote, pod("there", {{"app", "db"}}, "10.0.0.2")),
       update(kPolicy, db_may_enter()), update(Key{Kind::Tier, "", "default"}, Tier{}),
       update(Key{Kind::Node, "", "third"}, Node{}), update(Key{Kind::Profile, "", "p"}, Profile{}),
       update(Key{Kind::HostEndpoint, "", "h"}, HostEndpoint{.node = "there"})});
  flush();
  const Counters counters = graph.counters();
  CHECK(counters.active_local_endpoints == 1);
  CHECK(counters.active_local_policies == 1);
  CHECK(counters.active_local_selectors == 1);
  CHECK(counters.hosts == 3);
  CHECK(counters.workload_endpoints == 2);
  CHECK(counters.host_endpoints == 1);
  CHECK(counters.policies == 1);
  CHECK(counters.tiers == 1);
  CHECK(counters.profiles == 1);
  CHECK(counters.label_index_endpoints == 3);
  CHECK(counters.updates_processed[static_cast<std::size_t>(Kind::WorkloadEndpoint)] == 2);
  CHECK(counters.output_events == mirror.messages);
}

TEST_CASE_METHOD(Fixture, "a policy that changes in nothing but its order, tier or directions moves at its endpoints") {
  const Key other{Kind::NetworkPolicy, "a", "q"};
  Policy policy;
  policy.order = 1;
  Policy second;
  second.order = 2;
  graph.on_state(SyncState::InSync);
  say({update(kPod, pod("here", {}, "10.0.0.1")), update(kPolicy, policy), update(other, second)});
  flush();
  const auto normal = [&] { return mirror.state.workloads.at(kPod).second.normal; };
  CHECK(normal().at(0).ingress == std::vector<PolicyId>{kPolicy, other});
  policy.order = 3;
  say({update(kPolicy, policy)});
  flush();
  CHECK(normal().at(0).ingress == std::vector<PolicyId>{other, kPolicy});
  policy.governs_egress = true;
  say({update(kPolicy, policy)});
  flush();
  CHECK(normal().at(0).egress == std::vector<PolicyId>{kPolicy});
  policy.governs_ingress = false;
  say({update(kPolicy, policy)});
  flush();
  CHECK(normal().at(0).ingress == std::vector<PolicyId>{other});
  policy.tier = "t";
  say({update(kPolicy, policy)});
  flush();
  CHECK(normal().size() == 2);
  policy.do_not_track = true;
  say({update(kPolicy, policy)});
  flush();
  CHECK(normal().size() == 1);
}
