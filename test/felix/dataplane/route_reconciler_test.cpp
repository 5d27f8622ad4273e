#include "dataplane/route_reconciler.hpp"

#include "fakes/fake_links.hpp"
#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace std::chrono_literals;
using kernel::Route;

namespace {

Cidr cidr(const char* text) { return *Cidr::parse(text); }
const Mac kMac = *Mac::parse("02:00:00:00:00:01");

struct Bench {
  fakes::Fuse fuse;
  fakes::FakeRoutes kernel{fuse};
  fakes::FakeLinks links{fuse, kernel};
  fakes::ManualClock clock;
  RouteReconciler routes{Family::V4, kernel, {}};

  void event(RouteReconciler& r, const kernel::LinkEvent& e) { r.on_link(e.link, e.removed, clock.now()); }
  void event(const kernel::LinkEvent& e) { event(routes, e); }
  bool apply() { return routes.apply(clock.now()); }
  int link_of(const char* destination) {
    for (const auto& r : kernel.table) {
      if (r.destination == cidr(destination)) return r.link;
    }
    return 0;
  }
};

}  // namespace

TEST_CASE("a claim waits for its link, then becomes a route and a permanent neighbour") {
  Bench b;
  b.routes.claim("cali1", {cidr("10.0.0.1/32"), cidr("fd00::1/128")}, kMac);
  REQUIRE(b.apply());
  CHECK(b.kernel.table.empty());
  CHECK_FALSE(b.routes.in_force("cali1"));
  b.event(b.links.add(7, "cali1", false));
  REQUIRE(b.apply());
  CHECK(b.kernel.table.empty());
  b.event(b.links.add(7, "cali1"));
  CHECK(b.routes.pending());
  REQUIRE(b.apply());
  REQUIRE(b.kernel.table.size() == 1);
  CHECK(b.kernel.table[0] == Route{.destination = cidr("10.0.0.1/32"), .link = 7, .protocol = 80, .priority = 1024});
  CHECK(b.kernel.neighbour_table.at({7, cidr("10.0.0.1/32").addr}) == kMac);
  CHECK(b.routes.in_force("cali1"));
  CHECK_FALSE(b.routes.pending());
  b.routes.unclaim("cali1");
  REQUIRE(b.apply());
  CHECK(b.kernel.table.empty());
  CHECK(b.kernel.neighbour_table.empty());
  CHECK(b.routes.take_departed() == std::vector<Addr>{cidr("10.0.0.1/32").addr});
}

TEST_CASE("an address that moves is one replace, never a gap, and its connections go") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(8, "cali2"));
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, {});
  REQUIRE(b.apply());
  CHECK(b.routes.take_departed().empty());
  b.fuse.observer = [&](const std::string&) { CHECK(b.link_of("10.0.0.1/32") != 0); };
  b.routes.claim("cali2", {cidr("10.0.0.1/32")}, {});
  b.routes.unclaim("cali1");
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 8);
  CHECK(b.kernel.table.size() == 1);
  CHECK(b.routes.take_departed() == std::vector<Addr>{cidr("10.0.0.1/32").addr});
}

TEST_CASE("an address given up and claimed again by the same link between two applies keeps its connections") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(8, "cali2"));
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  b.routes.unclaim("cali1");
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  CHECK(b.routes.take_departed().empty());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  b.routes.unclaim("cali1");
  b.routes.claim("cali2", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  CHECK(b.routes.take_departed() == std::vector<Addr>{cidr("10.0.0.1/32").addr});
  CHECK(b.link_of("10.0.0.1/32") == 8);
  b.routes.unclaim("cali2");
  REQUIRE(b.apply());
  CHECK(b.routes.take_departed() == std::vector<Addr>{cidr("10.0.0.1/32").addr});
}

TEST_CASE("of two links that claim an address the higher index has it, and the other takes over") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(8, "cali2"));
  b.routes.claim("cali2", {cidr("10.0.0.1/32")}, {});
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, {});
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 8);
  b.event(b.links.remove(8));
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  CHECK(b.routes.take_departed().size() == 1);
}

TEST_CASE("a link of the same name and another index: the address departs the old one") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  b.event(b.links.remove(7));
  REQUIRE(b.apply());
  CHECK(b.routes.take_departed().empty());
  b.event(b.links.add(9, "cali1"));
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 9);
  CHECK(b.routes.take_departed().size() == 1);
  CHECK(b.kernel.neighbour_table.count({9, cidr("10.0.0.1/32").addr}));
}

TEST_CASE("down and up again without an apply between: the routes the kernel dropped are back") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  b.event(b.links.add(7, "cali1", false));
  b.event(b.links.add(7, "cali1", true));
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  CHECK(b.kernel.neighbour_table.size() == 1);
  CHECK(b.routes.take_departed().empty());
}

TEST_CASE("foreign changes are mended when the kernel tells, or at the refresh") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(2, "eth0"));
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, kMac);
  REQUIRE(b.apply());
  const Route ours = b.kernel.table[0];
  b.kernel.table.clear();
  CHECK(b.routes.on_route(ours, true));
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  Route stolen = ours;
  stolen.link = 2;
  b.kernel.table = {stolen};
  CHECK(b.routes.on_route(stolen, false));
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  CHECK_FALSE(b.routes.on_route(Route{.destination = cidr("192.0.2.0/24"), .link = 2, .protocol = 12}, false));
  b.kernel.table = {stolen};
  b.kernel.neighbour_table.clear();
  b.clock.advance(90s);
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
}

TEST_CASE("a route nobody claims is given grace, then removed with its connections; the kernel's own and others' stay") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(2, "eth0"));
  b.kernel.table = {{.destination = cidr("10.0.0.9/32"), .link = 7, .protocol = 3, .priority = 0},
                    {.destination = cidr("10.9.0.0/16"), .link = 7, .protocol = 2, .priority = 0},
                    {.destination = cidr("10.0.0.0/8"), .link = 2, .protocol = 80, .priority = 1024}};
  REQUIRE(b.apply());
  CHECK(b.kernel.table.size() == 3);
  REQUIRE(b.routes.next_wakeup());
  b.clock.advance(*b.routes.next_wakeup() - b.clock.now());
  REQUIRE(b.apply());
  CHECK(b.kernel.table.size() == 2);
  CHECK(b.link_of("10.0.0.9/32") == 0);
  CHECK(b.routes.take_departed().size() == 1);
}

TEST_CASE("a restart adopts routes that are right and moves those that are not") {
  Bench b;
  b.kernel.neighbour_table[{7, cidr("10.0.0.3/32").addr}] = kMac;
  const auto e7 = b.links.add(7, "cali1"), e8 = b.links.add(8, "cali2");
  b.kernel.neighbour_table[{7, cidr("10.0.0.3/32").addr}] = kMac;
  b.kernel.table = {{.destination = cidr("10.0.0.1/32"), .link = 7}, {.destination = cidr("10.0.0.2/32"), .link = 7}};
  b.event(e7);
  b.event(e8);
  b.routes.claim("cali1", {cidr("10.0.0.1/32")}, {});
  b.routes.claim("cali2", {cidr("10.0.0.2/32")}, {});
  REQUIRE(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
  CHECK(b.link_of("10.0.0.2/32") == 8);
  CHECK(b.kernel.neighbour_table.empty());
  CHECK(b.routes.take_departed() == std::vector<Addr>{cidr("10.0.0.2/32").addr});
}

TEST_CASE("one refused route does not hold up the others and is tried again") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.fuse.fail("routes.apply/10.0.0.1/32", {ErrorCode::Io, "no"}, 1);
  b.routes.claim("cali1", {cidr("10.0.0.1/32"), cidr("10.0.0.2/32")}, {});
  CHECK_FALSE(b.apply());
  CHECK(b.link_of("10.0.0.2/32") == 7);
  CHECK(b.routes.error());
  CHECK(b.routes.next_wakeup());
  CHECK(b.apply());
  CHECK(b.link_of("10.0.0.1/32") == 7);
}

TEST_CASE("each of our blocks is a blackhole; others' blackholes stay, ours that nobody wants go") {
  Bench b;
  const auto blackhole = [](const char* net, std::uint8_t protocol) {
    return Route{.destination = cidr(net), .type = Route::Type::Blackhole, .protocol = protocol, .priority = 1024};
  };
  b.kernel.table = {blackhole("10.0.9.0/26", 80), blackhole("10.0.8.0/26", 4)};
  b.routes.want_blackholes({cidr("10.0.0.0/26"), cidr("10.0.1.0/26"), cidr("fd00::/122")});
  REQUIRE(b.apply());
  CHECK(b.kernel.table == std::vector{blackhole("10.0.8.0/26", 4), blackhole("10.0.0.0/26", 80), blackhole("10.0.1.0/26", 80)});
  CHECK_FALSE(b.routes.pending());
  SECTION("one that leaves goes, and a workload's route inside it is another matter") {
    b.event(b.links.add(7, "cali1"));
    b.routes.claim("cali1", {cidr("10.0.1.1/32")}, {});
    b.routes.want_blackholes({cidr("10.0.0.0/26")});
    REQUIRE(b.apply());
    CHECK(b.link_of("10.0.1.1/32") == 7);
    CHECK(b.kernel.table.size() == 3);
    CHECK(b.routes.in_force("cali1"));
  }
  SECTION("deleted or replaced by somebody, it is back when the kernel tells") {
    const Route gone = b.kernel.table.back();
    b.kernel.table.pop_back();
    CHECK(b.routes.on_route(gone, true));
    REQUIRE(b.apply());
    CHECK(b.kernel.table.back() == gone);
    Route foreign = blackhole("10.0.7.0/26", 80);
    b.kernel.table.push_back(foreign);
    CHECK(b.routes.on_route(foreign, false));
    REQUIRE(b.apply());
    CHECK(b.kernel.table.size() == 3);
  }
  SECTION("a workload that has all of a block has it before the blackhole, and for as long as it does") {
    b.event(b.links.add(7, "cali1"));
    b.routes.claim("cali1", {cidr("10.0.1.0/26"), cidr("10.0.2.0/26")}, {});
    b.routes.want_blackholes({cidr("10.0.0.0/26"), cidr("10.0.1.0/26"), cidr("10.0.2.0/26")});
    REQUIRE(b.apply());
    CHECK(b.link_of("10.0.1.0/26") == 7);
    CHECK(b.link_of("10.0.2.0/26") == 7);
    b.routes.unclaim("cali1");
    REQUIRE(b.apply());
    CHECK(std::count(b.kernel.table.begin(), b.kernel.table.end(), blackhole("10.0.1.0/26", 80)) == 1);
    CHECK(std::count(b.kernel.table.begin(), b.kernel.table.end(), blackhole("10.0.2.0/26", 80)) == 1);
    CHECK(b.kernel.table.size() == 4);
    CHECK(b.routes.take_departed().size() == 2);
  }
  SECTION("cleaning up takes them along") {
    REQUIRE(b.routes.cleanup());
    CHECK(b.kernel.table == std::vector{blackhole("10.0.8.0/26", 4)});
  }
  CHECK(b.routes.take_departed().empty());
}

TEST_CASE("routes BIRD learns over a workload that is a BGP peer are left alone, and only there") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(8, "cali2"));
  const auto bird = [](const char* net, int link, std::uint8_t protocol = 12) {
    return Route{.destination = cidr(net), .link = link, .protocol = protocol, .priority = 768, .source = {}, .via = true};
  };
  b.routes.spare_bird("cali1", true);
  b.clock.advance(10s);
  b.kernel.table = {bird("10.1.0.0/16", 7), bird("10.2.0.0/16", 7, 4), bird("10.3.0.0/16", 8)};
  REQUIRE(b.apply());
  CHECK(b.kernel.table == std::vector{bird("10.1.0.0/16", 7)});
  b.kernel.table.push_back(bird("10.4.0.0/16", 7));
  CHECK_FALSE(b.routes.on_route(b.kernel.table.back(), false));
  REQUIRE(b.apply());
  CHECK(b.kernel.table.size() == 2);
  b.routes.spare_bird("cali1", false);
  CHECK(b.routes.pending());
  REQUIRE(b.apply());
  CHECK(b.kernel.table.empty());
}
