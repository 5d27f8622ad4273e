#include "calc/set_index.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

struct Sink final : MessageSink {
  void on_message(Message message) override { messages.push_back(std::move(message)); }
  std::vector<Message> messages;
};
Selector parse(const char* text) { return *Selector::parse(text); }
SetDef def(const char* selector) {
  return {.id = parse(selector).set_id(), .source = SetDef::Source::Selector, .selector = parse(selector)};
}
Ref<WorkloadEndpoint> pod(Labels labels, std::vector<const char*> nets) {
  auto out = std::make_shared<WorkloadEndpoint>();
  out->labels = std::move(labels);
  for (const char* net : nets) out->nets.push_back(*Cidr::parse(net));
  return out;
}
kernel::SetMember member(const char* net) { return {.net = *Cidr::parse(net)}; }
const Key kA{Kind::WorkloadEndpoint, "n", "a"}, kB{Kind::WorkloadEndpoint, "n", "b"};
std::vector<Message> flush(SetIndex& sets) {
  Sink sink;
  sets.flush_updates(sink);
  sets.flush_removes(sink);
  return sink.messages;
}

}  // namespace

TEST_CASE("an address shared by two members leaves with the second") {
  SetIndex sets;
  sets.on_workload(kA, pod({{"app", "db"}}, {"10.0.0.1", "10.0.0.2"}));
  sets.on_workload(kB, pod({{"app", "db"}}, {"10.0.0.2"}));
  sets.acquire(def("app == 'db'"));
  const auto all = flush(sets);
  REQUIRE(all.size() == 1);
  CHECK(std::get<SetUpdate>(all[0]).members == std::vector{member("10.0.0.1"), member("10.0.0.2")});
  sets.on_workload(kA, nullptr);
  const auto first = flush(sets);
  REQUIRE(first.size() == 1);
  CHECK(std::get<SetDelta>(first[0]).removed == std::vector{member("10.0.0.1")});
  sets.on_workload(kB, pod({}, {"10.0.0.2"}));
  CHECK(std::get<SetDelta>(flush(sets).at(0)).removed == std::vector{member("10.0.0.2")});
}

TEST_CASE("what comes and goes between two flushes is not said") {
  SetIndex sets;
  sets.acquire(def("app == 'db'"));
  (void)flush(sets);
  sets.on_workload(kA, pod({{"app", "db"}}, {"10.0.0.1"}));
  CHECK(sets.dirty());
  sets.on_workload(kA, nullptr);
  CHECK(flush(sets).empty());
  CHECK_FALSE(sets.dirty());
}

TEST_CASE("a pod replaced by another with its address is no change") {
  SetIndex sets;
  sets.on_workload(kA, pod({{"app", "db"}}, {"10.0.0.1"}));
  sets.acquire(def("app == 'db'"));
  (void)flush(sets);
  sets.on_workload(kA, nullptr);
  sets.on_workload(kB, pod({{"app", "db"}, {"more", "x"}}, {"10.0.0.1"}));
  CHECK(flush(sets).empty());
}

TEST_CASE("an update that changes nothing a set sees makes no work") {
  SetIndex sets;
  sets.on_workload(kA, pod({{"app", "db"}}, {"10.0.0.1"}));
  sets.acquire(def("app == 'db'"));
  (void)flush(sets);
  sets.on_workload(kA, pod({{"app", "db"}, {"unseen", "x"}}, {"10.0.0.1"}));
  CHECK_FALSE(sets.dirty());
}

TEST_CASE("a set released and acquired again before a flush has not changed") {
  SetIndex sets;
  sets.acquire(def("app == 'db'"));
  (void)flush(sets);
  sets.release(def("app == 'db'").id);
  sets.acquire(def("app == 'db'"));
  CHECK(flush(sets).empty());
  sets.release(def("app == 'db'").id);
  const auto gone = flush(sets);
  REQUIRE(gone.size() == 1);
  CHECK(std::holds_alternative<SetRemove>(gone[0]));
  CHECK(sets.active_sets() == 0);
}

TEST_CASE("a set that came and went unannounced is never mentioned") {
  SetIndex sets;
  sets.acquire(def("app == 'db'"));
  sets.release(def("app == 'db'").id);
  CHECK(flush(sets).empty());
  CHECK(sets.label_stats().selectors_indexed == 0);
}

TEST_CASE("named ports: by protocol, and without one only those given by name") {
  SetIndex sets;
  auto endpoint = std::make_shared<WorkloadEndpoint>(*pod({}, {"10.0.0.1", "fd00::1"}));
  endpoint->ports = {{.name = "p", .protocol = protocol::kTcp, .port = 80},
                     {.name = "p", .protocol = protocol::kUdp, .protocol_by_name = false, .port = 81},
                     {.name = "other", .protocol = protocol::kTcp, .port = 82}};
  sets.on_workload(kA, endpoint);
  sets.acquire({.id = "n:any", .source = SetDef::Source::NamedPort, .port = "p"});
  sets.acquire({.id = "n:udp", .source = SetDef::Source::NamedPort, .protocol = protocol::kUdp, .port = "p"});
  const auto messages = flush(sets);
  REQUIRE(messages.size() == 2);
  const auto& any = std::get<SetUpdate>(messages[0]);
  CHECK(any.type == kernel::SetType::HashIpPort);
  CHECK(any.members == std::vector<kernel::SetMember>{{.net = *Cidr::parse("10.0.0.1"), .protocol = protocol::kTcp, .port = 80},
                                                      {.net = *Cidr::parse("fd00::1"), .protocol = protocol::kTcp, .port = 80}});
  CHECK(std::get<SetUpdate>(messages[1]).members.at(0).port == 81);
}

TEST_CASE("a network set's /0 and its half are two halves, and shrink to one") {
  SetIndex sets;
  const auto network_set = [](std::vector<const char*> nets) {
    auto out = std::make_shared<NetworkSet>();
    for (const char* net : nets) out->nets.push_back(*Cidr::parse(net));
    return out;
  };
  const Key key{Kind::GlobalNetworkSet, "", "s"};
  sets.on_network_set(key, network_set({"0.0.0.0/0", "128.0.0.0/1", "::/0"}));
  sets.acquire(def("all()"));
  CHECK(std::get<SetUpdate>(flush(sets).at(0)).members.size() == 4);
  sets.on_network_set(key, network_set({"128.0.0.0/1"}));
  CHECK(std::get<SetDelta>(flush(sets).at(0)).removed.size() == 3);
}
