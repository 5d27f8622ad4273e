// Links, routes, neighbours, events and sysctls against the kernel, in a network namespace of its own.
#include <linux/rtnetlink.h>
#include <poll.h>
#include <chrono>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

#include "live_netns.hpp"
#include "netlink.hpp"
#include "netlink_monitor.hpp"
#include "procfs_sysctls.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
using margay::test::output_of;
using margay::test::run;

namespace {

[[maybe_unused]] const margay::test::PrivateNetns kNetns;

template <class T>
T ok(Result<T> result) {
  INFO((result ? std::string{} : result.error().text));
  REQUIRE(result.has_value());
  return std::move(*result);
}

void ok(const Status& status) {
  INFO((status ? std::string{} : status.error().text));
  REQUIRE(status.has_value());
}

void all_ok(const std::vector<Status>& outcome, std::size_t count) {
  REQUIRE(outcome.size() == count);
  for (const auto& status : outcome) ok(status);
}

Addr addr(const std::string& text) { return *Addr::parse(text); }
Cidr cidr(const std::string& text) { return *Cidr::parse(text); }

std::optional<Link> find_link(NetlinkLinks& links, std::string_view name) {
  for (const auto& link : ok(links.links()))
    if (link.name == name) return link;
  return std::nullopt;
}

// A veth pair `name` and `name`p, both up, with duplicate address detection off; gone with the object.
struct Veth {
  explicit Veth(std::string veth_name) : name{std::move(veth_name)} {
    REQUIRE(run("ip link add " + name + " type veth peer name " + name + "p && echo 0 > /proc/sys/net/ipv6/conf/" + name +
                "/accept_dad && ip link set " + name + " up && ip link set " + name + "p up") == 0);
    NetlinkLinks links;
    index = find_link(links, name)->index;
  }
  ~Veth() { run("ip link del " + name + " 2>/dev/null"); }
  Veth(const Veth&) = delete;
  Veth& operator=(const Veth&) = delete;
  std::string name;
  int index = 0;
};

std::vector<Route> routes_of_protocol(NetlinkRoutes& port, Family family, int protocol) {
  auto routes = ok(port.routes(family));
  routes.erase(std::remove_if(routes.begin(), routes.end(), [&](const Route& route) { return route.protocol != protocol; }),
               routes.end());
  std::sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) { return a.destination < b.destination; });
  return routes;
}

// The i-th of many different host routes of a family.
Route host_route(Family family, unsigned i, int link) {
  Addr a;
  a.family = family;
  if (family == Family::V4)
    a.bytes = {10, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
  else
    a.bytes = {0xfd,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               0,
               static_cast<std::uint8_t>(i >> 16),
               static_cast<std::uint8_t>(i >> 8),
               static_cast<std::uint8_t>(i)};
  return {.destination = Cidr{a}, .link = link};
}

// Reads events one by one.
struct Reader {
  NetlinkMonitor& monitor;
  std::deque<KernelEvent> pending{};

  // Waits for an event of which `wanted` is true and answers those up to it; fails after ten seconds of silence.
  template <class Wanted>
  std::vector<KernelEvent> until(Wanted wanted) {
    std::vector<KernelEvent> seen;
    for (;;) {
      while (!pending.empty()) {
        seen.push_back(std::move(pending.front()));
        pending.pop_front();
        if (wanted(seen.back())) return seen;
      }
      pollfd poll_fd{monitor.fd(), POLLIN, 0};
      REQUIRE(::poll(&poll_fd, 1, 10000) == 1);
      for (auto& event : ok(monitor.read_events())) pending.push_back(std::move(event));
    }
  }
};

}  // namespace

namespace {

// The kernel reports a carrier a moment after the command that made it: asks until the link is as wanted, ten seconds at the
// most.
bool becomes(NetlinkLinks& links, std::string_view name, bool up) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (std::chrono::steady_clock::now() < end) {
    if (find_link(links, name)->up == up) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

TEST_CASE("links and addresses are listed as they are") {
  NetlinkLinks links;
  CHECK_FALSE(find_link(links, "lo")->up);
  REQUIRE(run("ip link set lo up") == 0);
  CHECK(becomes(links, "lo", true));
  const Veth veth{"calia"};
  CHECK(becomes(links, "calia", true));
  REQUIRE(run("ip link set calia address ee:ee:ee:ee:ee:ee") == 0);
  CHECK(find_link(links, "calia")->mac == Mac::parse("ee:ee:ee:ee:ee:ee"));
  REQUIRE(run("ip link set caliap down") == 0);
  CHECK(becomes(links, "calia", false));  // no carrier
  REQUIRE(run("ip addr add 192.0.2.7/24 dev calia && ip addr add fd00:7::7/64 dev calia nodad && ip addr add 10.9.9.1 peer "
              "10.9.9.2 dev calia") == 0);
  const auto addresses = ok(links.addresses());
  const auto has = [&](const char* net, const char* address) {
    return std::find(addresses.begin(), addresses.end(), LinkAddress{veth.index, cidr(net), addr(address)}) != addresses.end();
  };
  CHECK(has("192.0.2.0/24", "192.0.2.7"));
  CHECK(has("fd00:7::/64", "fd00:7::7"));
  CHECK(std::any_of(addresses.begin(), addresses.end(), [](const auto& each) { return each.address == addr("10.9.9.1"); }));
  CHECK_FALSE(std::any_of(addresses.begin(), addresses.end(), [](const auto& each) { return each.address == addr("10.9.9.2"); }));
}

TEST_CASE("addresses are put on a link, usable at once, marked and without a route, and taken away") {
  NetlinkLinks links;
  auto monitor = ok(NetlinkMonitor::open());
  Reader reader{*monitor};
  const Veth veth{"calia"};
  REQUIRE(run("echo 1 > /proc/sys/net/ipv6/conf/calia/accept_dad") == 0);
  for (const char* text : {"169.254.1.1", "fd00::1"}) {
    const LinkAddress mine{.index = veth.index, .net = Cidr{addr(text)}, .address = addr(text), .protocol = 80};
    const auto there = [&] {
      const auto all = ok(links.addresses());
      return std::find(all.begin(), all.end(), mine) != all.end();
    };
    const auto told = [&](bool removed) {
      reader.until([&](const auto& event) {
        const auto* address = std::get_if<AddressEvent>(&event);
        return address && address->removed == removed && address->address == mine;
      });
    };
    ok(links.add_address(mine));
    CHECK(there());
    told(false);
    CHECK(links.add_address(mine).error().code == ErrorCode::AlreadyExists);
    const std::string shown = output_of("ip addr show dev calia to " + mine.net.to_string());
    CHECK(shown.find("tentative") == std::string::npos);
    CHECK((shown.find("scope link") != std::string::npos) == (mine.address.family == Family::V4));
    NetlinkRoutes routes;
    for (const Route& route : ok(routes.routes(mine.address.family))) CHECK_FALSE(route.destination == mine.net);
    ok(links.remove_address(mine));
    CHECK_FALSE(there());
    told(true);
    ok(links.remove_address(mine));  // gone already
    LinkAddress nowhere = mine;
    nowhere.index = 99999;
    ok(links.remove_address(nowhere));
    CHECK(links.add_address(nowhere).error().code == ErrorCode::NotFound);
  }
}

TEST_CASE("routes are added, replaced, listed and removed in both families") {
  const Veth one{"cali1"}, two{"cali2"};
  REQUIRE(run("ip addr add 192.0.2.1/32 dev cali1 && ip addr add fd00:1::1/128 dev cali1 nodad") == 0);
  NetlinkRoutes port;
  for (const Family family : kFamilies) {
    const bool v4 = family == Family::V4;
    const Route host{.destination = cidr(v4 ? "10.65.0.2/32" : "fd00:65::2/128"), .link = one.index};
    Route with_source{.destination = cidr(v4 ? "10.65.0.3/32" : "fd00:65::3/128"),
                      .link = one.index,
                      .source = addr(v4 ? "192.0.2.1" : "fd00:1::1")};
    const Route block{.destination = cidr(v4 ? "10.65.1.0/26" : "fd00:65:1::/122"), .type = Route::Type::Blackhole};
    all_ok(port.apply({}, {host, with_source, block}), 3);
    CHECK(routes_of_protocol(port, family, 80) == std::vector<Route>{host, with_source, block});
    // The same again is no error; another link and a lost source hint replace.
    Route moved = host;
    moved.link = two.index;
    with_source.source.reset();
    all_ok(port.apply({}, {moved, with_source, block}), 3);
    CHECK(routes_of_protocol(port, family, 80) == std::vector<Route>{moved, with_source, block});
    // Removes come before adds, and what is gone already counts as removed.
    all_ok(port.apply({moved, block}, {moved}), 3);
    CHECK(routes_of_protocol(port, family, 80) == std::vector<Route>{moved, with_source});
    all_ok(port.apply({moved, with_source, block}, {}), 3);
    all_ok(port.apply({moved, with_source, block}, {}), 3);
    CHECK(routes_of_protocol(port, family, 80).empty());
  }
  CHECK(port.apply({}, {}).empty());
}

TEST_CASE("one bad route does not stop the others, and each has its own outcome") {
  const Veth veth{"cali1"};
  NetlinkRoutes port;
  for (const Family family : kFamilies) {
    std::vector<Route> add;
    for (unsigned i = 0; i < 2000; ++i) add.push_back(host_route(family, i, i % 100 == 50 ? 99999 : veth.index));
    const auto outcome = port.apply({}, add);
    REQUIRE(outcome.size() == add.size());
    for (unsigned i = 0; i < add.size(); ++i) {
      CAPTURE(i);
      CHECK(outcome[i].has_value() == (i % 100 != 50));
      if (!outcome[i]) CHECK(outcome[i].error().code == ErrorCode::NotFound);
    }
    CHECK(routes_of_protocol(port, family, 80).size() == 1980);
    all_ok(port.apply(add, {}), add.size());
    CHECK(routes_of_protocol(port, family, 80).empty());
  }
}

TEST_CASE("foreign routes are listed with their protocol, and a removal does not take them") {
  const Veth veth{"cali1"};
  NetlinkRoutes port;
  for (const Family family : kFamilies) {
    const bool v4 = family == Family::V4;
    const std::string ip = v4 ? "ip -4 " : "ip -6 ", net = v4 ? "10.77.0.1/32" : "fd00:77::1/128";
    REQUIRE(run(ip + "route add " + net + " dev cali1 proto 12 metric 1024") == 0);
    REQUIRE(run(ip + "route add " + (v4 ? "10.78.0.1/32" : "fd00:78::1/128") + " dev cali1 proto 12 metric 1024 table 77") == 0);
    const auto listed = routes_of_protocol(port, family, 12);
    REQUIRE(listed.size() == 1);
    CHECK(listed[0] == Route{.destination = cidr(net), .link = veth.index, .protocol = 12});
    all_ok(port.apply({Route{.destination = cidr(net), .link = veth.index}}, {}), 1);
    CHECK(routes_of_protocol(port, family, 12).size() == 1);
    REQUIRE(run(ip + "route add " +
                (v4 ? "10.79.0.0/24 via 10.77.0.1 dev cali1 onlink" : "fd00:79::/64 via fd00:77::1 dev cali1 onlink") +
                " proto 80 metric 1024") == 0);
    const auto via = routes_of_protocol(port, family, 80);
    REQUIRE(via.size() == 1);
    CHECK(via[0].via);
    all_ok(port.apply({listed[0], via[0]}, {}), 2);
    CHECK(routes_of_protocol(port, family, 12).empty());
    CHECK(routes_of_protocol(port, family, 80).empty());
  }
}

TEST_CASE("neighbours are permanent, replaced and removed") {
  const Veth veth{"cali1"};
  NetlinkRoutes port;
  for (const char* text : {"10.65.0.2", "fd00:65::2"}) {
    Neighbour neighbour{.link = veth.index, .address = addr(text), .mac = *Mac::parse("02:00:00:00:00:01")};
    ok(port.set_neighbour(neighbour));
    CHECK(ok(port.neighbours(veth.index)) == std::vector<Neighbour>{neighbour});
    neighbour.mac = *Mac::parse("02:00:00:00:00:02");
    ok(port.set_neighbour(neighbour));
    CHECK(ok(port.neighbours(veth.index)) == std::vector<Neighbour>{neighbour});
    CHECK(ok(port.neighbours(veth.index + 1)).empty());
    ok(port.remove_neighbour(neighbour));
    ok(port.remove_neighbour(neighbour));
    CHECK(ok(port.neighbours(veth.index)).empty());
    neighbour.link = 99999;
    ok(port.remove_neighbour(neighbour));
    CHECK(port.set_neighbour(neighbour).error().code == ErrorCode::NotFound);
  }
}

TEST_CASE("the monitor tells of links, renames, carriers, addresses and routes") {
  auto monitor = ok(NetlinkMonitor::open());
  CHECK(ok(monitor->read_events()).empty());
  Reader reader{*monitor};
  const auto link_is = [](const KernelEvent& event, std::string_view name, bool up, bool removed) {
    const auto* link = std::get_if<LinkEvent>(&event);
    return link && link->link.name == name && link->link.up == up && link->removed == removed;
  };
  {
    const Veth veth{"calim"};
    reader.until([&](const auto& event) { return link_is(event, "calim", true, false); });
    REQUIRE(run("ip link set calim down && ip link set calim name calin && ip link set calin up") == 0);
    reader.until([&](const auto& event) { return link_is(event, "calim", false, false); });
    const auto renamed = reader.until([&](const auto& event) { return link_is(event, "calin", true, false); });
    CHECK(std::get<LinkEvent>(renamed.back()).link.index == veth.index);
    for (const char* text : {"192.0.2.9/24", "fd00:9::9/64"}) {
      const std::string nodad = text[0] == 'f' ? " nodad" : "";
      for (const bool removed : {false, true}) {
        REQUIRE(run(std::string{"ip addr "} + (removed ? "del " : "add ") + text + " dev calin" + (removed ? "" : nodad)) == 0);
        reader.until([&](const auto& event) {
          const auto* address = std::get_if<AddressEvent>(&event);
          return address && address->removed == removed && address->address.index == veth.index &&
                 address->address.net == cidr(text);
        });
      }
    }
    NetlinkRoutes port;
    for (const Family family : kFamilies)
      for (const Route::Type type : {Route::Type::Unicast, Route::Type::Blackhole}) {
        Route route = host_route(family, 5, type == Route::Type::Unicast ? veth.index : 0);
        route.type = type;
        all_ok(port.apply({}, {route}), 1);
        reader.until([&](const auto& event) {
          const auto* seen = std::get_if<RouteEvent>(&event);
          return seen && !seen->removed && seen->route == route;
        });
        all_ok(port.apply({route}, {}), 1);
        reader.until([&](const auto& event) {
          const auto* seen = std::get_if<RouteEvent>(&event);
          return seen && seen->removed && seen->route == route;
        });
      }
    REQUIRE(run("ip link set calin name calim") == 0);
  }
  reader.until([&](const auto& event) { return link_is(event, "calim", false, true); });
}

TEST_CASE("a monitor that overflows says Lost and goes on") {
  auto monitor = ok(NetlinkMonitor::open(4096));
  const Veth veth{"cali1"};
  NetlinkRoutes port;
  std::vector<Route> routes;
  for (unsigned i = 0; i < 2000; ++i) routes.push_back(host_route(Family::V4, i, veth.index));
  all_ok(port.apply({}, routes), routes.size());
  auto events = ok(monitor->read_events());
  CHECK(std::any_of(events.begin(), events.end(), [](const auto& event) { return std::holds_alternative<Lost>(event); }));
  CHECK(ok(monitor->read_events()).empty());
  const Route after = host_route(Family::V6, 1, veth.index);
  all_ok(port.apply({}, {after}), 1);
  Reader reader{*monitor};
  events = reader.until([&](const auto& event) {
    const auto* seen = std::get_if<RouteEvent>(&event);
    return seen && seen->route == after;
  });
  CHECK_FALSE(std::any_of(events.begin(), events.end(), [](const auto& event) { return std::holds_alternative<Lost>(event); }));
}

TEST_CASE("dumps stay whole while somebody else changes links, addresses and routes") {
  const Veth veth{"cali1"};
  NetlinkRoutes port;
  constexpr unsigned kRoutes = 5000;
  std::vector<Route> fixed;
  for (const Family family : kFamilies)
    for (unsigned i = 0; i < kRoutes; ++i) fixed.push_back(host_route(family, i, veth.index));
  all_ok(port.apply({}, fixed), fixed.size());
  REQUIRE(run("for i in $(seq 1 200); do echo addr add 10.200.0.$i/32 dev cali1; echo addr add fd00:200::$i/128 dev cali1 nodad; "
              "done | ip -batch -") == 0);
  std::atomic<bool> stop{false};
  std::atomic<unsigned> rounds{0};
  std::thread churn{[&] {
    NetlinkRoutes other;
    while (!stop) {
      std::vector<Route> extra;
      for (const Family family : kFamilies)
        for (unsigned i = 0; i < 50; ++i) extra.push_back(host_route(family, 100000 + i, veth.index));
      for (const auto& status : other.apply({}, extra)) (void)status;
      for (const auto& status : other.apply(extra, {})) (void)status;
      if (rounds % 8 == 0)
        run("ip addr add 10.201.0.1/32 dev cali1; ip addr del 10.201.0.1/32 dev cali1; ip link add cx type veth peer name cxp; "
            "ip link del cx");
      ++rounds;
    }
  }};
  NetlinkLinks links;
  unsigned reads = 0;
  bool whole = true;
  while (reads < 30 || rounds < 17) {
    ++reads;
    for (const Family family : kFamilies) {
      const auto found = port.routes(family);
      if (!found) {
        if (found.error().code != ErrorCode::Busy) whole = false;
        continue;
      }
      unsigned seen = 0;
      for (const Route& route : *found)
        if (route.protocol == 80 && route.destination < host_route(family, kRoutes, 0).destination) ++seen;
      whole = whole && seen == kRoutes;
    }
    const auto found = links.addresses();
    if (found)
      whole = whole && std::count_if(found->begin(), found->end(), [&](const auto& each) {
                         return cidr("10.200.0.0/16").contains(each.address) || cidr("fd00:200::/32").contains(each.address);
                       }) == 400;
    else whole = whole && found.error().code == ErrorCode::Busy;
  }
  stop = true;
  churn.join();
  CHECK(whole);
}

TEST_CASE("a dump that a change interrupts is read again, and one that never comes whole is Busy") {
  const Veth veth{"cali1"};
  // Some 200 KB of notices: the kernel makes up the next 32 KB each time we read, so a change after the first read is seen.
  REQUIRE(run("for i in $(seq 0 9); do for j in $(seq 1 250); do echo addr add 10.100.$i.$j/32 dev cali1; done; done | ip -batch "
              "-") == 0);
  NetlinkSocket socket{NETLINK_ROUTE};
  const auto dump = [&](unsigned interrupted_tries, unsigned& tries, unsigned& found) {
    bool changed = false;
    return socket.dump(
        "read addresses",
        [](nlmsghdr& message) {
          message.nlmsg_type = RTM_GETADDR;
          message.nlmsg_flags = NLM_F_DUMP;
          mnl_nlmsg_put_extra_header(&message, sizeof(ifaddrmsg));
        },
        [&] { ++tries, found = 0, changed = false; },
        [&](const nlmsghdr&) {
          ++found;
          if (changed || tries > interrupted_tries) return;
          changed = true;
          REQUIRE(run("ip addr add 10.101.0.1/32 dev cali1 && ip addr del 10.101.0.1/32 dev cali1") == 0);
        });
  };
  NetlinkLinks links;
  const auto all = ok(links.addresses()).size();
  REQUIRE(all >= 2500);
  unsigned tries = 0, found = 0;
  ok(dump(2, tries, found));
  CHECK(tries == 3);
  CHECK(found == all);
  tries = 0;
  const auto status = dump(1000, tries, found);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::Busy);
  tries = 0;
  ok(dump(0, tries, found));
  CHECK(tries == 1);
  CHECK(found == all);
}

TEST_CASE("an interface's sysctls are written and read back") {
  const Veth veth{"cali1.7"};
  ProcfsSysctls sysctls;
  for (const char* path :
       {"net/ipv4/conf/cali1.7/proxy_arp", "net/ipv4/conf/cali1.7/forwarding", "net/ipv6/conf/cali1.7/proxy_ndp"}) {
    CAPTURE(path);
    CHECK(ok(sysctls.read(path)) == "0");
    ok(sysctls.write(path, "1"));
    ok(sysctls.write(path, "1"));
    CHECK(ok(sysctls.read(path)) == "1");
  }
  CHECK(sysctls.write("net/ipv4/conf/absent/proxy_arp", "1").error().code == ErrorCode::NotFound);
  CHECK(sysctls.write("net/ipv4/conf/cali1.7/proxy_arp", "nonsense").error().code == ErrorCode::Invalid);
}
