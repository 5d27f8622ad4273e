// What BIRD does with the rendered filters: routes of the kernel, of a second BIRD and of our own statics in a private network
// namespace, each asked after by `show route … filter` and in the kernel's table. Rows are written for IPv4 and told again for
// IPv6.
#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "kernel/live_netns.hpp"
#include "render/text.hpp"
#include "routers.hpp"
#include "running_bird.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using bgp::test::eventually;
using bgp::test::RunningBird;
using margay::test::output_of;
using margay::test::run;

namespace {

margay::test::PrivateNetns netns;

// a.b.c.d/n, or its twin fd00:a:b:c:d::/m with the same containment; a host stays a host.
Cidr told(Family family, std::string_view text) {
  const Cidr v4 = bgp::test::net(text);
  if (family == Family::V4) return v4;
  Addr a;
  a.family = Family::V6;
  a.bytes[0] = 0xfd;
  for (unsigned i = 0; i < 4; ++i) a.bytes[3 + 2 * i] = v4.addr.bytes[i];
  if (v4.is_host()) return Cidr{a};
  if (v4.prefix == 0) return {a, 0};
  return {a, 16 + 16u * (v4.prefix / 8) + (v4.prefix % 8 ? 8 + v4.prefix % 8 : 0)};
}
Addr told_addr(Family family, std::string_view text) { return told(family, text).addr; }

Router router_of(Family family) {
  Router r;
  r.node = "here";
  r.router_id = bgp::test::addr("10.77.0.1");
  r.cluster_id = bgp::test::addr("244.0.0.1");
  FamilyView& v = r.families[index(family)];
  const auto t = [family](std::string_view text) { return told(family, text); };
  v.node_ip = told_addr(family, "10.77.0.1");
  v.subnet = t("10.77.0.0/24");
  v.blocks = {t("10.65.0.0/26")};
  v.statics = {{t("10.65.0.0/26"), {}, StaticRoute::Reason::Block, {}},
               {t("10.78.0.1/32"), told_addr(family, "10.77.0.254"), StaticRoute::Reason::Reachable, {}},
               {t("10.96.0.0/12"), {}, StaticRoute::Reason::Service, {}},
               {t("203.0.113.7/32"), {}, StaticRoute::Reason::Service, {}}};
  v.services = {t("10.96.0.0/12"), t("203.0.113.7/32")};
  v.kernel_reject = v.services;
  v.reflected = {t("203.0.114.0/24")};
  v.pools = {{t("10.65.0.0/16"), true, PoolRule::Kernel::Program, {}},
             {t("10.66.0.0/16"), false, PoolRule::Kernel::Program, {}},
             {t("10.67.0.0/16"), true, PoolRule::Kernel::Tunnel, {}},
             {t("10.68.0.0/16"), true, PoolRule::Kernel::TunnelOffLink, {}},
             {t("10.69.0.0/16"), true, PoolRule::Kernel::Reject, {}}};
  v.communities = {{t("10.65.1.0/24"), {{false, {64512, 7, 0}}, {true, {64512, 1, 2}}}}};
  v.wireguard_nodes = {told_addr(family, "10.77.0.5")};
  v.ready_workloads = {
      {t("10.65.0.5/32"), t("10.65.0.6/32"), t("10.65.0.7/32"), t("10.65.0.8/32"), t("10.65.1.5/32"), t("10.66.0.5/32")}};
  Session s;
  s.name = "Node_peer";
  s.family = family;
  s.peer = told_addr(family, "10.77.0.2");
  s.port = 1790;
  s.remote_as = s.local_as = kDefaultAs;
  s.source = v.node_ip;
  s.cluster_id = r.cluster_id;
  r.sessions = {s};
  return r;
}

// What is learned from the kernel: "NET" and the rest of `ip route add`.
struct Learned {
  const char *net, *how;
};
constexpr Learned kLearned[] = {{"10.65.0.5/32", "dev cali1 metric 1024"},
                                {"10.65.0.6/32", "dev cali1"},
                                {"10.65.0.7/32", "dev cali1 metric 512"},
                                {"10.65.0.8/32", "dev cali1 metric 1024"},
                                {"10.65.1.5/32", "dev cali1 metric 1024"},
                                {"10.65.1.6/32", "dev cali1 metric 1024"},
                                {"10.66.0.5/32", "dev cali1 metric 1024"},
                                {"10.65.2.0/26", "dev vxlan.calico proto 80"},
                                {"10.65.3.0/26", "dev tunl0"},
                                {"10.65.4.0/26", "dev bpfin.cali"},
                                {"8.8.8.0/24", "dev eth0"},
                                {"10.96.0.10/32", "dev eth0"},
                                {"10.64.0.0/14", "dev eth0"},
                                {"0.0.0.0/0", "via 10.77.0.9"},
                                {"10.65.5.0/26", "via 10.77.0.9 proto 80"}};

// What the other BIRD announces, with its local preference and next hop.
struct Announced {
  const char* net;
  std::uint32_t local_pref;
  const char* next_hop;
};
constexpr Announced kAnnounced[] = {{"10.65.0.5/32", 2147482623, "10.77.0.9"},  {"10.65.0.8/32", 2147483135, "10.77.0.9"},
                                    {"10.65.9.0/26", 2147482623, "10.77.0.9"},  {"10.65.10.0/26", 2147482623, "10.77.0.5"},
                                    {"10.67.1.0/26", 2147482623, "10.77.0.9"},  {"10.68.1.0/26", 2147482623, "10.77.0.9"},
                                    {"10.68.2.0/26", 2147482623, "10.120.0.9"}, {"10.69.1.0/26", 2147482623, "10.77.0.9"},
                                    {"10.96.1.0/24", 2147482623, "10.77.0.9"},  {"203.0.114.9/32", 100, "10.77.0.9"},
                                    {"198.51.100.0/24", 100, "10.77.0.9"}};

// Export: to an internal peer, to an external one, and the local preference where accepted.
struct Exported {
  const char* net;
  const char* source;  // protocol whose route is meant
  bool internal, external;
  std::uint32_t local_pref;
  bool communities = false;
};
constexpr std::uint32_t kNormal = 2147482623, kElevated = 2147483135;
constexpr Exported kExported[] = {{"10.65.0.0/26", "margay_own", true, true, kNormal},
                                  {"10.65.0.5/32", "margay_kernel", false, false, 0},
                                  {"10.65.0.6/32", "margay_kernel", false, false, 0},
                                  {"10.65.0.7/32", "margay_kernel", true, true, kElevated},
                                  {"10.65.1.5/32", "margay_kernel", true, true, kNormal, true},
                                  {"10.65.1.6/32", "margay_kernel", false, false, 0},  // not ready
                                  {"10.66.0.5/32", "margay_kernel", false, false, 0},
                                  {"10.65.2.0/26", "margay_kernel", false, true, kNormal},
                                  {"10.65.3.0/26", "margay_kernel", false, true, kNormal},
                                  {"10.65.4.0/26", "margay_kernel", false, false, 0},
                                  {"10.65.5.0/26", "margay_kernel", false, false, 0},  // felix's
                                  {"8.8.8.0/24", "margay_kernel", false, false, 0},
                                  {"10.96.0.10/32", "margay_kernel", true, true, kNormal},
                                  {"10.96.0.0/12", "margay_own", true, true, kNormal},
                                  {"203.0.113.7/32", "margay_own", true, true, kNormal},
                                  {"10.64.0.0/14", "margay_kernel", false, false, 0},
                                  {"0.0.0.0/0", "margay_kernel", false, false, 0},
                                  {"10.65.9.0/26", "Node_peer", true, true, kNormal},
                                  {"10.65.0.8/32", "Node_peer", true, true, kElevated},
                                  {"203.0.114.9/32", "Node_peer", true, true, 100},
                                  {"198.51.100.0/24", "Node_peer", false, false, 0}};

// The route that BIRD wrote into the kernel, by a part of its text; null: none.
struct InKernel {
  const char *net, *v4, *v6;
};
constexpr InKernel kInKernel[] = {{"10.65.9.0/26", "dev eth0 metric 768", "dev eth0 metric 768"},
                                  {"10.65.0.8/32", "dev eth0 metric 768", "dev eth0 metric 768"},  // elevated beats local
                                  {"10.65.0.5/32", nullptr, nullptr},                              // normal does not
                                  {"10.65.10.0/26", nullptr, nullptr},                             // WireGuard's
                                  {"10.67.1.0/26", "dev tunl0 metric 768 onlink", "dev eth0 metric 768"},
                                  {"10.68.1.0/26", "dev eth0 metric 768", "dev eth0 metric 768"},
                                  {"10.68.2.0/26", "via 10.120.0.9 dev tunl0 metric 768 onlink", "dev eth0 metric 768"},
                                  {"10.69.1.0/26", nullptr, nullptr},
                                  {"10.96.1.0/24", nullptr, nullptr},
                                  {"198.51.100.0/24", "dev eth0 metric 768", "dev eth0 metric 768"},
                                  {"10.78.0.1/32", "dev eth0 metric 768", "dev eth0 metric 768"},
                                  {"10.65.0.0/26", nullptr, nullptr},
                                  {"203.0.113.7/32", nullptr, nullptr}};

std::string other_config(Family family) {
  const char f = digit(family);
  std::string routes, hops;
  for (const Announced& a : kAnnounced) {
    routes += fmt::format("  route {} blackhole {{ bgp_local_pref = {}; }};\n", told(family, a.net).to_string(), a.local_pref);
    hops += fmt::format("if net = {} then bgp_next_hop = {};\n", told(family, a.net).to_string(),
                        told_addr(family, a.next_hop).to_string());
  }
  return fmt::format(
      "log stderr all;\nrouter id 10.77.0.2;\nprotocol device {{ }}\nprotocol static st {{ ipv{};\n{}}}\n"
      "protocol bgp p {{ local {} port 1790 as 64512; neighbor {} port 179 as 64512; multihop; connect delay time 1; connect "
      "retry time 1;\n"
      "ipv{} {{ import all; export filter {{ {} accept; }}; }}; }}\n",
      f, routes, told_addr(family, "10.77.0.2").to_string(), told_addr(family, "10.77.0.1").to_string(), f, hops);
}

// The reply, if it has a route of this protocol.
std::string routes_of(const RunningBird& bird, Family family, const Exported& row, bool same_as,
                      std::string_view filter_call = "") {
  const char f = digit(family);
  return bird.ask(fmt::format(
      "show route {} protocol {} filter {{ margay_send{}(); {} margay_export{}({}); }} all", told(family, row.net).to_string(),
      std::string_view{row.source} == "Node_peer" ? std::string{row.source} : fmt::format("{}{}", row.source, f), f, filter_call,
      f, same_as));
}

bool has_route(const std::string& reply) { return reply.find("Type:") != std::string::npos; }

void check_family(Family family) {
  bgp::test::need_bird();
  const std::string six = family == Family::V6 ? "-6 " : "";
  for (const char* name : {"eth0", "cali1", "vxlan.calico", "tunl0", "bpfin.cali"}) {
    run(fmt::format("ip link del {} 2>/dev/null", name));
    REQUIRE(run(fmt::format("ip link add {} type veth peer name p-{:.12}", name, name)) == 0);
    REQUIRE(run(fmt::format("ip link set p-{:.12} up && ip link set {} up", name, name)) == 0);
  }
  REQUIRE(run("ip link set lo up") == 0);
  const std::string nodad = family == Family::V6 ? " nodad" : "";
  REQUIRE(run(fmt::format("ip addr add {}/{} dev eth0{}", told_addr(family, "10.77.0.1").to_string(),
                          family == Family::V4 ? 24 : 64, nodad)) == 0);
  REQUIRE(run(fmt::format("ip addr add {}/{} dev lo{}", told_addr(family, "10.77.0.2").to_string(), bits(family), nodad)) == 0);
  for (const Learned& l : kLearned) {
    std::string how = l.how;
    if (const auto at = how.find("10.77.0.9"); at != std::string::npos)
      how.replace(at, 9, told_addr(family, "10.77.0.9").to_string());
    REQUIRE(run(fmt::format("ip {}route add {} {}", six, told(family, l.net).to_string(), how)) == 0);
  }

  bgp::test::Directory directory;
  Router router = router_of(family);
  auto filter = std::make_shared<BgpFilter>();
  BgpFilterRule takes;
  takes.cidr = told(family, "10.66.0.0/16");
  takes.min_length = 0;
  takes.interface = "cali*";
  takes.accept = true;
  takes.operations = {BgpFilterRule::AddCommunity{{false, {64512, 99, 0}}}, BgpFilterRule::PrependAsPath{{65010, 65011}},
                      BgpFilterRule::SetPriority{512}};
  BgpFilterRule drops;
  drops.cidr = told(family, "10.65.0.0/26");
  drops.match = BgpFilterRule::Match::Equal;
  drops.external_peer = true;
  BgpFilterRule elevated;
  elevated.priority = 512;
  elevated.from_remote_peers = true;
  filter->export_rules[index(family)] = {takes, drops, elevated};
  BgpFilterRule lifts;
  lifts.cidr = told(family, "198.51.100.0/24");
  lifts.accept = true;
  lifts.operations = {BgpFilterRule::SetPriority{512}};
  filter->import_rules[index(family)] = {lifts};
  router.filters["f"] = filter;
  router.sessions[0].filters = {"f"};

  Renderer renderer{directory.path()};
  directory.write(renderer.render(router));
  const RunningBird bird{directory.path() + "/bird.conf", directory.path() + "/here"};
  INFO(output_of("cat " + directory.path() + "/here.err"));
  REQUIRE(bird.started());
  std::ofstream{directory.path() + "/other.cfg"} << other_config(family);
  const RunningBird other{directory.path() + "/other.cfg", directory.path() + "/other"};
  INFO(output_of("cat " + directory.path() + "/other.err"));
  REQUIRE(other.started());
  const auto learned = [&] { return bird.ask("show route protocol Node_peer count"); };
  REQUIRE(eventually([&] { return learned().find(fmt::format("{} of", std::size(kAnnounced))) != std::string::npos; }));

  for (const Exported& row : kExported) {
    const std::string internal = routes_of(bird, family, row, true), external = routes_of(bird, family, row, false);
    INFO(row.net << "\n"
                 << internal << external << bird.ask(fmt::format("show route {} all", told(family, row.net).to_string())));
    CHECK(has_route(internal) == row.internal);
    CHECK(has_route(external) == row.external);
    if (row.external) {
      CHECK(external.find(fmt::format("BGP.local_pref: {}\n", row.local_pref)) != std::string::npos);
      CHECK((external.find("(64512,7)") != std::string::npos) == row.communities);
      CHECK((external.find("(64512, 1, 2)") != std::string::npos) == row.communities);
    }
  }

  for (const InKernel& row : kInKernel) {
    const char* wanted = family == Family::V4 ? row.v4 : row.v6;
    const auto now = [&] {
      return output_of(fmt::format("ip {}route show {} proto bird", six, told(family, row.net).to_string()));
    };
    CAPTURE(row.net, bird.ask(fmt::format("show route {} all", told(family, row.net).to_string())));
    if (wanted) eventually([&] { return now().find(wanted) != std::string::npos; });
    if (wanted) CHECK(now().find(wanted) != std::string::npos);
    else CHECK(now().empty());
  }

  // Filters of resources come first, and what they accept nothing after them hides.
  const std::string call = filter_function("f", false, family);
  const Exported hidden{"10.66.0.5/32", "margay_kernel", false, false, 0}, block{"10.65.0.0/26", "margay_own", false, false, 0},
      fast{"10.65.0.8/32", "Node_peer", false, false, 0};
  const std::string reply = routes_of(bird, family, hidden, true, call + "(true);");
  INFO(reply);
  CHECK(has_route(reply));
  CHECK(reply.find("BGP.as_path: 65010 65011\n") != std::string::npos);
  CHECK(reply.find("BGP.local_pref: 2147483135\n") != std::string::npos);
  CHECK(reply.find("(64512,99)") != std::string::npos);
  CHECK(has_route(routes_of(bird, family, block, true, call + "(true);")));
  CHECK(!has_route(routes_of(bird, family, block, false, call + "(false);")));
  CHECK(!has_route(routes_of(bird, family, fast, true, call + "(true);")));
  // A priority set on import counts as one that was sent.
  CHECK(bird.ask(fmt::format("show route {}", told(family, "198.51.100.0/24").to_string())).find("(220)") != std::string::npos);

  // A workload that becomes ready, and a node that drains: a new configuration, and no session ends.
  const auto since = [&] { return bird.ask("show protocols \"Node_peer\""); };
  const std::string before = since();
  router.families[index(family)].ready_workloads->push_back(told(family, "10.65.1.6/32"));
  router.draining = true;
  directory.write(renderer.render(router));
  INFO(bird.ask("configure"));
  const Exported late{"10.65.1.6/32", "margay_kernel", true, true, kNormal};
  CHECK(eventually([&] { return has_route(routes_of(bird, family, late, true)); }));
  CHECK(routes_of(bird, family, late, true).find("(65535,0)") != std::string::npos);
  CHECK(since() == before);
}

}  // namespace

TEST_CASE("IPv4 routes go where they should") { check_family(Family::V4); }
TEST_CASE("IPv6 routes go where they should") { check_family(Family::V6); }
