#include "dataplane/dataplane.hpp"

#include "felix/dataplane/world.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace margay::dataplane::test;
using namespace std::chrono_literals;
using kernel::Table;

namespace {

bool jumps(const std::vector<kernel::Rule>* rules, const std::string& to) {
  return rules &&
         std::any_of(rules->begin(), rules->end(), [&](const auto& r) { return r.target_chain() && *r.target_chain() == to; });
}
int link_of(const World& w, const char* destination) {
  for (const auto& r : w.routes.table) {
    if (r.destination == *Cidr::parse(destination)) return r.link;
  }
  return 0;
}
const std::vector<calc::Message> kOnePod{set("s:a", {"10.0.0.9/32", "fd00::9/128"}), policy("p", "s:a"), profile("kns.default"),
                                         workload("w", "cali1", {"10.0.0.1/32", "fd00::1/128"}, {"p"}, "kns.default"),
                                         calc::InSync{}};

}  // namespace

TEST_CASE("nothing touches the kernel before in-sync") {
  World w;
  w.send({set("s:a", {"10.0.0.9/32"}), policy("p", "s:a")});
  const auto outcome = w.apply();
  CHECK_FALSE(outcome.applied);
  CHECK(w.fuse.calls() == 0);
  CHECK_FALSE(w.dataplane->next_wakeup());
}

TEST_CASE("no link snapshot, nothing touched") {
  World w;
  w.fuse.fail("links.links", {ErrorCode::Io, "no"}, 1);
  w.send(kOnePod);
  CHECK_FALSE(w.apply().applied);
  CHECK(w.sets.sets.empty());
  REQUIRE(w.dataplane->next_wakeup());
  w.clock.advance(1s);
  CHECK(w.apply().applied);
}

TEST_CASE("a pod is enforced in both families, in order: sets, tables, route") {
  World w;
  std::vector<std::string> order;
  w.fuse.observer = [&](const std::string& call) {
    if (call == "sets.apply" || call == "tables.apply" || call == "routes.apply/add") {
      if (order.empty() || order.back() != call) order.push_back(call);
    }
  };
  w.links.add(7, "cali1");
  w.send(kOnePod);
  const auto outcome = w.apply();
  for (const auto& f : outcome.failures) UNSCOPED_INFO(f.what << ": " << f.error.text);
  REQUIRE(outcome.ok);
  CHECK(order == std::vector<std::string>{"sets.apply", "tables.apply", "routes.apply/add"});
  for (const Family family : kFamilies) {
    CHECK(w.chain(family, Table::Filter, "cali-tw-cali1"));
    CHECK(w.chain(family, Table::Filter, "cali-fw-cali1"));
    CHECK(jumps(w.chain(family, Table::Filter, "cali-tw-cali1"), "cali-pi-np/default/p"));
    CHECK(w.chain(family, Table::Filter, "cali-pi-np/default/p"));
    CHECK(jumps(w.chain(family, Table::Raw, "PREROUTING"), "cali-PREROUTING"));
  }
  CHECK(w.sets.sets.at("cali40s:a").members.size() == 1);
  CHECK(w.sets.sets.at("cali60s:a").members.size() == 1);
  CHECK(link_of(w, "10.0.0.1/32") == 7);
  CHECK(link_of(w, "fd00::1/128") == 7);
  CHECK(w.sysctls.values.at("net/ipv4/conf/cali1/proxy_arp") == "1");
  CHECK(w.sysctls.values.at("net/ipv4/ip_forward") == "1");
  REQUIRE(outcome.endpoints.size() == 1);
  CHECK(outcome.endpoints[0].enforced);
  CHECK(outcome.endpoints[0].link_up);
  CHECK_FALSE(w.dataplane->pending());
  const auto calls = w.tables.commits;
  CHECK(w.apply().endpoints.empty());
  CHECK(w.tables.commits == calls);
}

TEST_CASE("a pod that goes leaves nothing behind, and its connections go after its chains") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  REQUIRE(w.apply().ok);
  bool closed_first = false;
  w.fuse.observer = [&](const std::string& call) {
    if (call == "conntrack.remove_flows") closed_first = !w.filter("cali-tw-cali1") && link_of(w, "10.0.0.1/32") == 0;
  };
  w.send({calc::WorkloadRemove{endpoint_id("w")}, calc::ProfileRemove{"kns.default"}, calc::PolicyRemove{policy_id("p")},
          calc::SetRemove{"s:a"}});
  const auto outcome = w.apply();
  REQUIRE(outcome.ok);
  CHECK(closed_first);
  CHECK(w.conntrack.removed.size() == 2);
  CHECK_FALSE(w.filter("cali-pi-np/default/p"));
  CHECK_FALSE(w.sets.sets.count("cali40s:a"));
  CHECK(w.routes.table.empty());
  REQUIRE(outcome.endpoints.size() == 1);
  CHECK_FALSE(outcome.endpoints[0].endpoint);
}

TEST_CASE("interfaces may come before or after their endpoint") {
  World w;
  w.send(kOnePod);
  auto outcome = w.apply();
  REQUIRE(outcome.ok);
  CHECK(outcome.endpoints.at(0).enforced);
  CHECK_FALSE(outcome.endpoints.at(0).link_up);
  CHECK(w.routes.table.empty());
  w.event(w.links.add(7, "cali1"));
  CHECK(w.dataplane->pending());
  outcome = w.apply();
  CHECK(link_of(w, "10.0.0.1/32") == 7);
  CHECK(outcome.endpoints.at(0).link_up);
  CHECK(w.sysctls.values.count("net/ipv6/conf/cali1/proxy_ndp"));
}

TEST_CASE("of two endpoints on one interface the smaller id is active, the other takes over") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  w.send({workload("a", "cali1", {"10.0.0.2/32"}, {})});
  REQUIRE(w.apply().ok);
  CHECK_FALSE(jumps(w.filter("cali-tw-cali1"), "cali-pi-np/default/p"));
  CHECK(link_of(w, "10.0.0.2/32") == 7);
  CHECK(link_of(w, "10.0.0.1/32") == 0);
  CHECK_FALSE(w.dataplane->enforced(endpoint_id("w")));
  w.send({calc::WorkloadRemove{endpoint_id("a")}});
  REQUIRE(w.apply().ok);
  CHECK(jumps(w.filter("cali-tw-cali1"), "cali-pi-np/default/p"));
  CHECK(link_of(w, "10.0.0.1/32") == 7);
  CHECK(w.dataplane->enforced(endpoint_id("w")));
}

TEST_CASE("an address that moves to another pod in one batch is never without a route and loses its connections") {
  World w;
  w.links.add(7, "cali1");
  w.links.add(8, "cali2");
  w.send(kOnePod);
  REQUIRE(w.apply().ok);
  w.conntrack.removed.clear();
  w.fuse.observer = [&](const std::string& call) {
    CHECK(link_of(w, "10.0.0.1/32") != 0);
    if (call == "routes.apply/add") CHECK(w.filter("cali-tw-cali2"));
  };
  w.send({workload("w2", "cali2", {"10.0.0.1/32"}, {"p"}, "kns.default"), calc::WorkloadRemove{endpoint_id("w")}});
  REQUIRE(w.apply().ok);
  CHECK(link_of(w, "10.0.0.1/32") == 8);
  CHECK(std::count(w.conntrack.removed.begin(), w.conntrack.removed.end(), Cidr::parse("10.0.0.1/32")->addr) == 1);
}

TEST_CASE("a policy that governs both directions of a workload can leave it again") {
  World w;
  w.links.add(7, "cali1");
  auto both = workload("w", "cali1", {"10.0.0.1/32", "fd00::1/128"}, {"p"}, "kns.default");
  auto& update = std::get<calc::WorkloadUpdate>(both);
  auto policies = std::make_shared<calc::EndpointPolicies>(*update.policies);
  policies->normal[0].egress = policies->normal[0].ingress;
  update.policies = policies;
  w.send({set("s:a", {"10.0.0.9/32"}), policy("p", "s:a"), profile("kns.default"), both, calc::InSync{}});
  REQUIRE(w.apply().ok);
  CHECK(w.chain(Family::V4, Table::Filter, "cali-pi-np/default/p"));
  w.send({workload("w", "cali1", {"10.0.0.1/32", "fd00::1/128"}, {}, "kns.default"), calc::PolicyRemove{policy_id("p")}});
  REQUIRE(w.apply().ok);
  CHECK_FALSE(w.chain(Family::V4, Table::Filter, "cali-pi-np/default/p"));
}

TEST_CASE("a missing policy or profile closes its endpoint only") {
  World w;
  w.links.add(7, "cali1");
  w.send({policy("p", ""), profile("there"), workload("bad", "cali1", {"10.0.0.1/32"}, {"absent"}, "missing"),
          workload("good", "cali2", {"10.0.0.2/32"}, {"p"}, "there"), calc::InSync{}});
  w.apply();
  CHECK_FALSE(w.dataplane->enforced(endpoint_id("bad")));
  CHECK(w.dataplane->enforced(endpoint_id("good")));
  w.send({policy("absent", ""), profile("missing")});
  w.apply();
  CHECK(w.dataplane->enforced(endpoint_id("bad")));
}

TEST_CASE("a set that overflows closes the policy that names it, and no other") {
  World w;
  w.config.rules.max_set_size = 2;
  w.start();
  w.links.add(7, "cali1");
  w.send({set("s:full", {"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"}), set("s:ok", {"10.0.0.1/32"}), policy("bad", "s:full"),
          policy("good", "s:ok"), workload("x", "cali1", {"10.1.0.1/32"}, {"bad"}),
          workload("y", "cali2", {"10.1.0.2/32"}, {"good"}), calc::InSync{}});
  auto outcome = w.apply();
  CHECK_FALSE(outcome.ok);
  CHECK_FALSE(outcome.fatal);
  REQUIRE(w.filter("cali-pi-np/default/bad"));
  CHECK(std::holds_alternative<kernel::Drop>(w.filter("cali-pi-np/default/bad")->back().target));
  CHECK(w.filter("cali-pi-np/default/bad")->back().matches.empty());
  CHECK(w.dataplane->enforced(endpoint_id("y")));
  CHECK_FALSE(w.dataplane->enforced(endpoint_id("x")));
  w.send({calc::SetDelta{"s:full", {}, {{.net = *Cidr::parse("10.0.0.3/32")}}}});
  CHECK(w.apply().ok);
  CHECK(w.dataplane->enforced(endpoint_id("x")));
}

TEST_CASE("a policy's new selector regroups the endpoints that use it") {
  World w;
  w.send({policy("p", "", "a"), policy("q", "", "a"), workload("w", "cali1", {"10.0.0.1/32"}, {"p", "q"}), calc::InSync{}});
  REQUIRE(w.apply().ok);
  const auto groups = [&] {
    int n = 0;
    for (const auto& [name, rules] : w.tables.of(Family::V4, Table::Filter)) n += name.starts_with("cali-gi-");
    return n;
  };
  CHECK(groups() == 1);
  w.send({policy("q", "", "b")});
  REQUIRE(w.apply().ok);
  CHECK(groups() == 0);
  CHECK(jumps(w.filter("cali-tw-cali1"), "cali-pi-np/default/q"));
}

TEST_CASE("pools fill the sets of outgoing NAT, a /0 pool as halves") {
  World w;
  auto pool = std::make_shared<IpPool>();
  pool->cidr = *Cidr::parse("0.0.0.0/0");
  pool->nat_outgoing = true;
  w.send({calc::PoolUpdate{"p", pool}, calc::InSync{}});
  REQUIRE(w.apply().ok);
  CHECK(w.sets.sets.at("cali40masq-ipam-pools").members.size() == 2);
  CHECK_FALSE(w.chain(Family::V4, Table::Nat, "cali-nat-outgoing")->empty());
  w.send({calc::PoolRemove{"p"}});
  REQUIRE(w.apply().ok);
  CHECK(w.sets.sets.at("cali40masq-ipam-pools").members.empty());
}

TEST_CASE("a fresh boot is closed before in-sync; a host with chains of ours is left alone") {
  World w;
  w.sysctls.values.clear();
  REQUIRE(w.dataplane->apply_closed_base());
  for (const Family family : kFamilies) {
    CHECK(jumps(w.chain(family, Table::Filter, "FORWARD"), "cali-FORWARD"));
    REQUIRE(w.chain(family, Table::Filter, "cali-from-wl-dispatch"));
    CHECK(std::holds_alternative<kernel::Drop>(w.chain(family, Table::Filter, "cali-from-wl-dispatch")->back().target));
    CHECK_FALSE(w.chain(family, Table::Raw, "cali-PREROUTING"));
  }
  const auto commits = w.tables.commits;
  w.start();
  REQUIRE(w.dataplane->apply_closed_base());
  CHECK(w.tables.commits == commits);
}

TEST_CASE("filter stays as it is until anti-spoofing stands") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  w.fuse.intruder = [&](const std::string& call) {
    if (call == "tables.apply" && !w.chain(Family::V4, Table::Raw, "cali-PREROUTING")) {
      w.fuse.fail("tables.apply", {ErrorCode::Io, "no"}, 1);
    }
  };
  CHECK_FALSE(w.apply().ok);
  CHECK_FALSE(w.filter("cali-tw-cali1"));
  CHECK(link_of(w, "10.0.0.1/32") == 0);  // nor is there a way to the pod
  CHECK_FALSE(w.sysctls.values.count("net/ipv4/ip_forward"));
  w.fuse.intruder = nullptr;
  w.fuse.heal();
  CHECK(w.settle().ok);
  CHECK(w.filter("cali-tw-cali1"));
}

TEST_CASE("a set destroyed behind the tables' back is made again") {
  World w;
  w.send(kOnePod);
  REQUIRE(w.apply().ok);
  w.tables.tables[{Family::V4, Table::Filter}].erase("cali-pi-np/default/p");
  w.tables.tables[{Family::V4, Table::Filter}]["cali-tw-cali1"].clear();
  w.tables.count_references();
  w.sets.sets.erase("cali40s:a");
  w.clock.advance(1s);
  w.apply();
  const auto outcome = w.settle(10s);
  for (const auto& f : outcome.failures) UNSCOPED_INFO(f.what << ": " << f.error.text);
  CHECK(outcome.ok);
  CHECK(w.sets.sets.at("cali40s:a").members.size() == 1);
  CHECK(w.filter("cali-pi-np/default/p"));
}

TEST_CASE("lost events: links and routes are read again") {
  World w;
  w.send(kOnePod);
  REQUIRE(w.apply().ok);
  w.links.add(7, "cali1");
  w.dataplane->on_event(kernel::Lost{});
  CHECK(w.dataplane->pending());
  REQUIRE(w.apply().ok);
  CHECK(link_of(w, "10.0.0.1/32") == 7);
}

TEST_CASE("an idle dataplane wakes once a second for drift, and for nothing else") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  REQUIRE(w.settle(15s).ok);
  const auto start = w.clock.now();
  int wakeups = 0;
  while (w.clock.now() < start + 60s) {
    const auto due = w.dataplane->next_wakeup();
    REQUIRE(due);
    REQUIRE(*due > w.clock.now());
    w.clock.advance(*due - w.clock.now());
    w.apply();
    ++wakeups;
  }
  CHECK(wakeups <= 62);
}

TEST_CASE("cleanup leaves nothing of ours and everything of others") {
  World w;
  w.links.add(7, "cali1");
  w.sets.sets["other"] = {};
  w.tables.tables[{Family::V4, Table::Filter}]["FORWARD"] = {{.target = kernel::Accept{}}};
  w.send(kOnePod);
  REQUIRE(w.apply().ok);
  w.start();
  REQUIRE(w.dataplane->cleanup());
  CHECK(w.sets.sets.size() == 1);
  CHECK(w.routes.table.empty());
  for (const auto& [where, chains] : w.tables.tables) {
    for (const auto& [name, rules] : chains) CHECK_FALSE(kernel::is_our_chain(name));
  }
  CHECK(w.filter("FORWARD")->size() == 1);
}

TEST_CASE("render completes without a kernel") {
  World w;
  w.send(kOnePod);
  w.dataplane->render();
  CHECK(w.fuse.calls() == 0);
  const auto chains = (*w.dataplane->planes()[0])[Table::Filter].programmed();
  CHECK(std::any_of(chains.begin(), chains.end(),
                    [](const auto& c) { return c.name == "cali-pi-np/default/p" && c.rules.size() == 1; }));
  CHECK(w.dataplane->planes()[0]->routes.claims().size() == 1);
}

TEST_CASE("a workload that is a BGP peer has an address to talk to, of each family it has, as long as it is one") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  const Addr v4 = *Addr::parse("169.254.1.1"), v6 = *Addr::parse("fd00:aaaa::1");
  const auto on_link = [&] {
    std::set<Addr> out;
    for (const auto& a : w.links.address_table)
      if (a.index == 7) out.insert(a.address);
    return out;
  };
  const auto peer = [](const char* name, const std::vector<std::string>& nets) {
    auto message = workload("w", "cali1", nets, {"p"}, "kns.default");
    std::get<calc::WorkloadUpdate>(message).bgp_peer = name;
    return message;
  };
  const std::vector<std::string> both{"10.0.0.1/32", "fd00::1/128"};
  REQUIRE(w.apply().ok);
  w.send({peer("tor", both)});
  auto outcome = w.apply();
  REQUIRE(outcome.ok);
  CHECK(on_link().empty());  // no setting, no address
  REQUIRE(outcome.endpoints.size() == 1);
  CHECK(outcome.endpoints[0].bgp_peer == "tor");
  CHECK(outcome.endpoints[0].enforced);
  w.send({calc::WorkloadPeeringUpdate{v4, v6}});
  REQUIRE(w.apply().ok);
  CHECK(on_link() == std::set{v4, v6});
  w.send({peer("tor", {"10.0.0.1/32"})});
  REQUIRE(w.apply().ok);
  CHECK(on_link() == std::set{v4});

  SECTION("deleted by somebody, it is back when the kernel tells") {
    w.dataplane->on_event(w.links.drop_address(w.links.address_table.back()));
    CHECK(w.dataplane->pending());
    REQUIRE(w.apply().ok);
    CHECK(on_link() == std::set{v4});
  }
  SECTION("lost events: it is read again") {
    w.links.address_table.clear();
    w.dataplane->on_event(kernel::Lost{});
    REQUIRE(w.apply().ok);
    CHECK(on_link() == std::set{v4});
  }
  SECTION("another address takes its place") {
    w.send({calc::WorkloadPeeringUpdate{Addr::parse("169.254.1.9"), std::nullopt}});
    REQUIRE(w.apply().ok);
    CHECK(on_link() == std::set{*Addr::parse("169.254.1.9")});
  }
  SECTION("no peer any more") {
    w.send({peer("", both)});
    outcome = w.apply();
    REQUIRE(outcome.endpoints.size() == 1);
    CHECK(outcome.endpoints[0].bgp_peer.empty());
    CHECK(on_link().empty());
  }
  SECTION("gone while nobody ran: the next process takes the address away") {
    w.start();
    w.send(kOnePod);
    w.send({calc::WorkloadPeeringUpdate{v4, v6}});
    REQUIRE(w.apply().ok);
    CHECK(on_link().empty());
  }
  SECTION("BIRD's routes over it stay until it is no peer") {
    w.routes.table.push_back({.destination = *Cidr::parse("10.9.0.0/16"), .link = 7, .protocol = 12, .priority = 768});
    w.dataplane->on_events_lost();
    REQUIRE(w.settle().ok);
    CHECK(link_of(w, "10.9.0.0/16") == 7);
    w.send({peer("", both)});
    REQUIRE(w.settle().ok);
    CHECK(link_of(w, "10.9.0.0/16") == 0);
  }
  SECTION("cleanup") {
    REQUIRE(w.dataplane->cleanup());
    CHECK(on_link().empty());
    return;
  }
  SECTION("the workload goes") {
    w.send({calc::WorkloadRemove{endpoint_id("w")}});
    REQUIRE(w.apply().ok);
    CHECK(on_link().empty());
    return;
  }
  // The kernel takes a link's IPv4 routes and neighbours along with its last IPv4 address.
  CHECK(link_of(w, "10.0.0.1/32") == 7);
  CHECK(w.routes.neighbour_table.size() == 1);
}

TEST_CASE("who publishes endpoints is told when one in force changes") {
  World w;
  w.links.add(7, "cali1");
  w.send(kOnePod);
  REQUIRE(w.apply().endpoints.size() == 1);
  w.send({workload("w", "cali1", {"10.0.0.2/32"}, {"p"}, "kns.default")});
  const auto outcome = w.apply();
  REQUIRE(outcome.endpoints.size() == 1);
  CHECK(outcome.endpoints[0].endpoint->nets == std::vector{*Cidr::parse("10.0.0.2/32")});
  CHECK(outcome.endpoints[0].enforced);
}
