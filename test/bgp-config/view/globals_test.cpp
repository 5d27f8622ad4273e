// What is not a session and not a service: router id, scalars, blocks, pools, communities, routes to peers, quarantine.
#include "support/catch.hpp"

#include "cluster.hpp"

namespace margay::bgp::test {

using Catch::Matchers::Contains;
using Kernel = PoolRule::Kernel;

namespace {

std::optional<Addr> id_of(std::string_view name, std::string_view setting, std::string_view v4) {
  ViewOptions options;
  options.node = name;
  options.router_id = setting;
  View view{options};
  view.on_update(update(Kind::Node, name, node(v4, "fd00::1")));
  const auto router = view.router();
  return router ? (*router)->router_id : std::nullopt;
}

BlockAffinity block(std::string_view net, std::string_view on = "me",
                    BlockAffinity::State state = BlockAffinity::State::Confirmed) {
  BlockAffinity out;
  out.node = on;
  out.cidr = cidr(net);
  out.state = state;
  return out;
}

IpPool pool(std::string_view net, IpPool::Encap ipip = IpPool::Encap::Never, IpPool::Encap vxlan = IpPool::Encap::Never) {
  IpPool out;
  out.cidr = cidr(net);
  out.ipip = ipip;
  out.vxlan = vxlan;
  return out;
}

}  // namespace

TEST_CASE("the router id is the IPv4 address, or given, or made of the node's name") {
  CHECK(id_of("kube-master", "", "10.0.0.2") == addr("10.0.0.2"));
  CHECK(id_of("kube-master", "10.10.10.10", "10.0.0.2") == addr("10.10.10.10"));
  CHECK(id_of("kube-master", "hash", "10.0.0.2") == addr("25.79.212.8"));
  CHECK(id_of("kube-master", "", "") == addr("25.79.212.8"));
  CHECK_FALSE(id_of("kube-master", "fd00::1", "10.0.0.2"));
  CHECK_FALSE(id_of("kube-master", "0.0.0.0", "10.0.0.2"));
  for (int i = 0; i < 3000; ++i) {
    const auto id = id_of("node-" + std::to_string(i), "hash", "");
    REQUIRE(id);
    CHECK((id->bytes[0] != 0 && id->bytes[0] != 127 && id->bytes[0] < 224));
  }
}

TEST_CASE("there is no router before there is the node, and nothing is lost meanwhile") {
  ViewOptions options;
  options.node = "me";
  View view{options};
  view.on_update(update(Kind::Node, "a", node("10.0.0.1")));
  const auto none = view.router();
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::NotFound);
  view.on_update(update(Kind::Node, "me", node("10.0.0.2")));
  CHECK((*view.router())->sessions.size() == 1);
  view.on_update(gone(Kind::Node, "me"));
  view.on_update(update(Kind::Node, "b", node("10.0.0.3")));
  REQUIRE_FALSE(view.router());
  view.on_update(update(Kind::Node, "me", node("10.0.0.2")));
  CHECK((*view.router())->sessions.size() == 2);
}

TEST_CASE("the cluster's configuration, with the node's own where that counts") {
  Cluster c;
  c.set("a", node("10.0.0.1"));
  CHECK(c.session("Mesh_10_0_0_1")->local_as == 64512);
  CHECK(c.router().log_level == Router::LogLevel::Info);
  CHECK(c.router().families[0].kernel_metric == 768);
  BgpConfiguration config, own;
  config.as_number = 65000;
  config.listen_port = 1790;
  config.bind_node_ip = true;
  config.log_severity = "debug";
  config.ignored_interfaces = {"docker*"};
  config.cluster_routes = ClusterRoutes::Enabled;
  c.view.on_update(
      update(Kind::FelixConfiguration, "default", FelixConfiguration{{{"ProgramClusterRoutes", "Disabled"}}, {}, {}}));
  config.normal_priority = {2000, 514};
  c.set("default", config);
  CHECK(c.session("Mesh_10_0_0_1")->local_as == 65000);
  CHECK(c.router().listen_port == 1790);
  CHECK(c.router().bind_node_ip);
  CHECK(c.router().log_level == Router::LogLevel::Debug);
  CHECK(c.router().ignored_interfaces == std::vector<std::string>{"docker*"});
  CHECK(c.router().tunnel_routes);
  CHECK(c.router().families[0].normal_priority == 2000);
  CHECK(c.router().families[0].kernel_metric == 1256);
  CHECK(c.router().families[1].kernel_metric == 513);
  CHECK(c.router().families[0].subnet == cidr("10.0.0.0/24"));
  CHECK(c.problems().empty());
  own.listen_port = 179;
  own.log_severity = "Warning";
  own.as_number = 1;
  own.ignored_interfaces = {"x"};
  c.set("node.me", own);
  CHECK_FALSE(c.router().listen_port);  // 179 is what "not given" means
  CHECK(c.router().log_level == Router::LogLevel::Quiet);
  CHECK(c.session("Mesh_10_0_0_1")->local_as == 65000);
  CHECK(c.router().ignored_interfaces == std::vector<std::string>{"docker*"});
}

TEST_CASE("where no metric lies between felix's two, an operator is told and the routes keep off both") {
  Cluster c;
  for (const std::uint32_t normal : {80u, 511u, 512u, 513u, 1u}) {
    BgpConfiguration config;
    config.normal_priority[1] = normal;
    c.set("default", config);
    CHECK_THAT(c.problems(), Contains("ipv6NormalRoutePriority"));
    const FamilyView& v6 = c.router().families[1];
    CHECK(v6.normal_priority == normal);
    CHECK(v6.kernel_metric != normal);
    CHECK(v6.kernel_metric != 0);
  }
}

TEST_CASE("own blocks: confirmed ones aggregate, ones being given up are blackholes only, pending ones nothing") {
  using State = BlockAffinity::State;
  Cluster c;
  c.set("a", block("10.65.1.0/26"));
  c.set("b", block("10.65.0.0/26"));
  c.set("c", block("10.65.2.0/26", "me", State::Pending));
  c.set("d", block("10.65.3.0/26", "me", State::PendingDeletion));
  c.set("e", block("10.65.4.0/26", "other"));
  BlockAffinity lb = block("10.65.5.0/26");
  lb.of_host = false;
  c.set("f", lb);
  c.set("g", block("fd65::/122"));
  CHECK(c.statics() == "10.65.0.0/26 10.65.1.0/26 10.65.3.0/26");
  CHECK(c.statics(Family::V6) == "fd65::/122");
  CHECK(c.router().families[0].blocks == std::vector<Cidr>{cidr("10.65.0.0/26"), cidr("10.65.1.0/26")});
  c.set("a", block("10.65.1.0/26", "other"));  // moved
  c.remove(Kind::BlockAffinity, "b");
  CHECK(c.statics() == "10.65.3.0/26");
  CHECK(c.router().families[0].blocks.empty());
}

TEST_CASE("with host-local addresses the node's pod ranges are its blocks") {
  Node me = node("10.0.0.2");
  me.pod_cidrs = {cidr("10.65.7.0/24"), cidr("fd65:7::/64")};
  Cluster c;
  c.set("me", me);
  CHECK(c.statics().empty());
  ViewOptions options;
  options.pod_cidrs_are_blocks = true;
  Cluster d{options};
  d.set("me", me);
  CHECK(d.statics() == "10.65.7.0/24");
  CHECK(d.router().families[1].blocks == std::vector<Cidr>{cidr("fd65:7::/64")});
  me.pod_cidrs.clear();
  d.set("me", me);
  CHECK(d.statics().empty());
}

TEST_CASE("who writes a pool's routes into the kernel") {
  using Encap = IpPool::Encap;
  Cluster c;
  c.set("always", pool("10.1.0.0/16", Encap::Always));
  c.set("cross", pool("10.2.0.0/16", Encap::CrossSubnet));
  c.set("none", pool("10.3.0.0/16"));
  c.set("vxlan", pool("10.4.0.0/16", Encap::Never, Encap::CrossSubnet));
  c.set("six", pool("fd65::/48"));
  struct Row {
    ClusterRoutes routes;
    Kernel always, cross, none;
  };
  for (const Row& row : {Row{ClusterRoutes::EnabledNoEncapOnly, Kernel::Reject, Kernel::Reject, Kernel::Program},
                         Row{ClusterRoutes::Enabled, Kernel::Tunnel, Kernel::TunnelOffLink, Kernel::Program},
                         Row{ClusterRoutes::EnabledIpipOnly, Kernel::Tunnel, Kernel::TunnelOffLink, Kernel::Reject},
                         Row{ClusterRoutes::Disabled, Kernel::Reject, Kernel::Reject, Kernel::Reject}}) {
    BgpConfiguration config;
    config.cluster_routes = row.routes;
    c.set("default", config);
    const auto& pools = c.router().families[0].pools;
    REQUIRE(pools.size() == 4);
    CHECK(pools[0].kernel == row.always);
    CHECK(pools[1].kernel == row.cross);
    CHECK(pools[2].kernel == row.none);
    CHECK(pools[3].kernel == Kernel::Reject);
    CHECK(c.router().families[1].pools[0].kernel == row.none);
  }
}

// Specification §1.8: with four values each, four pairs of sixteen leave every route to exactly one writer.
TEST_CASE("felix and BIRD must not both write a route to workloads, nor neither of them") {
  const auto told = [](ClusterRoutes bird, const char* felix) {
    Cluster c;
    BgpConfiguration config;
    config.cluster_routes = bird;
    c.set("default", config);
    if (felix != nullptr)
      c.view.on_update(
          update(Kind::FelixConfiguration, "default", FelixConfiguration{{{"ProgramClusterRoutes", felix}}, {}, {}}));
    return c.problems();
  };
  using R = ClusterRoutes;
  const std::pair<R, const char*> good[] = {{R::EnabledNoEncapOnly, nullptr},
                                            {R::EnabledNoEncapOnly, "EnabledIPIPOnly"},
                                            {R::Disabled, "Enabled"},
                                            {R::Enabled, "Disabled"},
                                            {R::EnabledIpipOnly, "EnabledNoEncapOnly"}};
  for (const R bird : {R::EnabledNoEncapOnly, R::Enabled, R::EnabledIpipOnly, R::Disabled})
    for (const char* felix :
         {static_cast<const char*>(nullptr), "EnabledIPIPOnly", "Enabled", "Disabled", "EnabledNoEncapOnly"}) {
      CAPTURE(static_cast<int>(bird), felix);
      const bool supported = std::any_of(std::begin(good), std::end(good), [&](const auto& pair) {
        return pair.first == bird && std::string_view{pair.second ? pair.second : ""} == (felix ? felix : "");
      });
      CHECK(told(bird, felix).empty() == supported);
    }
  CHECK(told(R::Enabled, nullptr) ==
        "BGPConfiguration default: programClusterRoutes is Enabled here and EnabledIPIPOnly in FelixConfiguration default: "
        "routes to "
        "workloads of pools with IPIP are written both by BIRD and by felix; set it to EnabledNoEncapOnly here or to Disabled "
        "there\n");
  CHECK_THAT(
      told(R::EnabledNoEncapOnly, "EnabledNoEncapOnly"),
      Contains("without encapsulation are written both by BIRD and by felix, routes to workloads of pools with IPIP are written "
               "by nobody"));
}

TEST_CASE("a FelixConfiguration is looked at for who writes routes, and for nothing else") {
  Cluster c;
  CHECK(View::kinds().contains(Kind::FelixConfiguration));
  const auto felix = [&](std::string_view name, std::map<std::string, std::string> parameters) {
    c.view.on_update(update(Kind::FelixConfiguration, name, FelixConfiguration{std::move(parameters), {}, {}}));
  };
  felix("default", {{"ProgramClusterRoutes", "Enabled"}});
  CHECK_THAT(c.problems(), Contains("without encapsulation are written both"));
  const Router before = c.router();
  felix("node.me", {});
  CHECK_THAT(c.problems(), Contains("without encapsulation are written both"));
  felix("default", {{"LogSeverityScreen", "Debug"}});
  CHECK(c.problems().empty());
  CHECK(c.router() == before);
  felix("default", {{"ProgramClusterRoutes", "Disabled"}});
  CHECK_THAT(c.problems(), Contains("with IPIP are written by nobody"));
  c.remove(Kind::FelixConfiguration, "default");
  CHECK(c.problems().empty());
}

TEST_CASE("pools are sorted by their text, with what they export") {
  Cluster c;
  IpPool hidden = pool("10.128.0.0/16");
  hidden.disable_bgp_export = hidden.disabled = true;
  c.set("a", hidden);
  c.set("b", pool("10.2.0.0/16"));
  const auto& pools = c.router().families[0].pools;
  REQUIRE(pools.size() == 2);
  CHECK(pools[0].cidr == cidr("10.128.0.0/16"));
  CHECK_FALSE(pools[0].exported);
  CHECK(pools[1].exported);
  CHECK(pools[1].owner == Key{Kind::IPPool, {}, "b"});
  c.remove(Kind::IPPool, "a");
  CHECK(c.router().families[0].pools.size() == 1);
}

TEST_CASE("the node's own communities replace the cluster's, of both families") {
  const auto communities = [](std::string_view net) { return PrefixAdvertisement{cidr(net), {*Community::parse("65000:1")}}; };
  Cluster c;
  BgpConfiguration config, own;
  config.prefix_advertisements = {
      communities("10.9.0.0/16"), communities("fd65::/48"), communities("10.1.0.0/16"), {cidr("10.0.0.0/8"), {}}};
  c.set("default", config);
  REQUIRE(c.router().families[0].communities.size() == 2);
  CHECK(c.router().families[0].communities[0].cidr == cidr("10.1.0.0/16"));
  CHECK(c.router().families[1].communities.size() == 1);
  own.prefix_advertisements = {communities("10.5.0.0/16")};
  c.set("node.me", own);
  CHECK(c.router().families[0].communities == own.prefix_advertisements);
  CHECK(c.router().families[1].communities.empty());
  c.remove(Kind::BGPConfiguration, "node.me");
  CHECK(c.router().families[1].communities.size() == 1);
}

TEST_CASE("next hops whose routes WireGuard carries: nodes that have it, if this one has") {
  Cluster c;
  Node me = node("10.0.0.2"), a = node("10.0.0.1");
  a.wireguard[0] = addr("10.65.0.1");
  c.set("a", a);
  c.set("b", node("10.0.0.3"));
  CHECK(c.router().families[0].wireguard_nodes.empty());
  me.wireguard[0] = addr("10.65.0.2");
  c.set("me", me);
  CHECK(c.router().families[0].wireguard_nodes == std::vector<Addr>{addr("10.0.0.1")});
  c.set("a", node("10.0.0.1"));
  CHECK(c.router().families[0].wireguard_nodes.empty());
}

TEST_CASE("a peer that is reachable by a gateway has a route, before a block or service of its address") {
  Cluster c;
  c.no_mesh();
  BgpPeer p = peer("192.0.2.1", 65001), q = p, elsewhere = p;
  p.reachable_by = addr("10.0.0.254");
  q.reachable_by = addr("10.0.0.253");
  q.peer_port = 1790;
  elsewhere.reachable_by = addr("10.0.0.252");
  elsewhere.node = "other";
  c.set("a-elsewhere", elsewhere);
  c.set("p", p);
  c.set("q", q);
  c.set("b", block("192.0.2.1/32"));
  CHECK(c.statics() == "192.0.2.1/32 via 10.0.0.254");
  c.remove(Kind::BGPPeer, "p");
  CHECK(c.statics() == "192.0.2.1/32 via 10.0.0.253");
  c.remove(Kind::BGPPeer, "q");
  CHECK(c.statics() == "192.0.2.1/32");
}

TEST_CASE("workloads are waited for only if asked") {
  Cluster c;
  c.view.set_workloads({{"cali1", {cidr("10.65.0.1/32")}, ""}});
  CHECK_FALSE(c.router().families[0].ready_workloads);
  ViewOptions options;
  options.wait_for_policy = true;
  Cluster d{options};
  CHECK(d.router().families[0].ready_workloads == std::vector<Cidr>{});
  d.view.set_workloads({{"cali2", {cidr("10.65.0.2/32"), cidr("fd65::2/128")}, ""}, {"cali1", {cidr("10.65.0.1/32")}, ""}});
  CHECK(d.router().families[0].ready_workloads == std::vector<Cidr>{cidr("10.65.0.1/32"), cidr("10.65.0.2/32")});
  CHECK(d.router().families[1].ready_workloads == std::vector<Cidr>{cidr("fd65::2/128")});
  d.view.set_workloads({});
  CHECK(d.router().families[0].ready_workloads == std::vector<Cidr>{});
}

TEST_CASE("what BIRD refused is left out until it is changed") {
  Cluster c;
  c.no_mesh();
  BgpPeer p = peer("192.0.2.1", 65001), q = peer("192.0.2.2", 65001);
  q.filters = {"f"};
  c.set("p", p);
  c.set("q", q);
  c.set("f", BgpFilter{});
  c.set("pool", pool("10.1.0.0/16"));
  c.set("block", block("10.1.0.0/26"));
  CHECK(c.names() == "Global_192_0_2_1 Global_192_0_2_2");

  c.view.quarantine({Kind::BGPPeer, {}, "p"}, "syntax error");
  CHECK(c.names() == "Global_192_0_2_2");
  CHECK_THAT(c.problems(), Contains("BGPPeer p: BIRD refused what is made of it (syntax error)"));
  c.set("p", p);
  CHECK(c.names() == "Global_192_0_2_1 Global_192_0_2_2");

  c.view.quarantine({Kind::BGPFilter, {}, "f"}, "x");
  CHECK(c.names() == "Global_192_0_2_1");  // not a session without its filter
  CHECK(c.router().filters.empty());
  CHECK_THAT(c.problems(), Contains("BGPPeer q: BGPFilter f was refused"));
  BgpFilter changed;
  changed.export_rules[0].resize(1);
  c.set("f", changed);
  CHECK(c.names() == "Global_192_0_2_1 Global_192_0_2_2");

  c.view.quarantine({Kind::IPPool, {}, "pool"}, "x");
  c.view.quarantine({Kind::BlockAffinity, {}, "block"}, "x");
  CHECK(c.router().families[0].pools.empty());
  CHECK(c.statics().empty());
  c.remove(Kind::IPPool, "pool");
  c.set("block", block("10.1.0.0/26"));
  CHECK(c.statics() == "10.1.0.0/26");
  CHECK(c.problems().empty());
}

TEST_CASE("a refused configuration loses what is free text first, and the mesh only when refused again") {
  Cluster c;
  c.set("a", node("10.0.0.1"));
  BgpConfiguration config;
  config.ignored_interfaces = {"x"};
  config.prefix_advertisements = {{cidr("10.0.0.0/8"), {*Community::parse("1:1")}}};
  c.set("default", config);
  CHECK(c.router().ignored_interfaces.size() == 1);
  const Key key{Kind::BGPConfiguration, {}, "default"};
  c.view.quarantine(key, "x");
  CHECK(c.router().ignored_interfaces.empty());
  CHECK(c.router().families[0].communities.empty());
  CHECK(c.names() == "Mesh_10_0_0_1");
  c.view.quarantine(key, "x");
  CHECK(c.names().empty());
  config.as_number = 65000;
  c.set("default", config);
  CHECK(c.names() == "Mesh_10_0_0_1");
  CHECK(c.router().ignored_interfaces.size() == 1);
}

}  // namespace margay::bgp::test
