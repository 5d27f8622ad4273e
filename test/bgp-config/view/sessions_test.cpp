// Which sessions a node has, with whom, and with what (specification §1.5).
#include "support/catch.hpp"

#include "cluster.hpp"
#include "view/session_names.hpp"

namespace margay::bgp::test {

using view::kMaxSessionName;
using view::session_name;

using Catch::Matchers::Contains;

TEST_CASE("every pair of nodes of the mesh has one session of each family both have, and one end dials") {
  Cluster c;
  c.set("a", node("10.0.0.1", "fd00::1"));
  c.set("b", node("10.0.0.3"));
  c.set("nowhere", node(""));
  CHECK(c.names() == "Mesh_10_0_0_1 Mesh_10_0_0_3 Mesh_fd00__1");
  const Session& a = *c.session("Mesh_10_0_0_1");
  CHECK(a.peer == addr("10.0.0.1"));
  CHECK(a.source == addr("10.0.0.2"));
  CHECK(a.remote_as == 64512);
  CHECK(a.internal());
  CHECK_FALSE(a.passive);
  CHECK(a.owner == Key{Kind::BGPConfiguration, {}, "default"});
  CHECK(c.session("Mesh_10_0_0_3")->passive);
  CHECK(c.session("Mesh_fd00__1")->family == Family::V6);
}

TEST_CASE("who dials is decided by the texts of the addresses, as Calico's nodes do it") {
  Cluster c;
  c.set("a", node("10.0.0.10"));  // a greater number, a smaller text
  CHECK_FALSE(c.session("Mesh_10_0_0_10")->passive);
}

TEST_CASE("the mesh takes AS number and port of the other node, and else the cluster's, never this node's own") {
  Cluster c;
  Node me = node("10.0.0.2"), a = node("10.0.0.1");
  me.as_number = 65000;
  a.as_number = 65001;
  c.set("me", me);
  c.set("a", a);
  c.set("b", node("10.0.0.3"));
  BgpConfiguration config, of_a, of_b;
  config.as_number = 64999;
  config.listen_port = 1790;
  of_a.listen_port = 1791;
  of_b.listen_port = 179;
  c.set("default", config);
  c.set("node.a", of_a);
  CHECK(c.session("Mesh_10_0_0_1")->remote_as == 65001);
  CHECK(c.session("Mesh_10_0_0_1")->port == 1791);
  CHECK(c.session("Mesh_10_0_0_3")->remote_as == 64999);
  CHECK(c.session("Mesh_10_0_0_3")->port == 1790);
  CHECK(c.session("Mesh_10_0_0_3")->local_as == 65000);
  c.set("node.b", of_b);
  CHECK_FALSE(c.session("Mesh_10_0_0_3")->port);
  c.remove(Kind::BGPConfiguration, "node.a");
  CHECK(c.session("Mesh_10_0_0_1")->port == 1790);
}

TEST_CASE("a route reflector is in no mesh, at either end") {
  Cluster c;
  Node rr = node("10.0.0.1");
  rr.route_reflector_cluster_id = "1.0.0.1";
  c.set("a", rr);
  c.set("b", node("10.0.0.3"));
  CHECK(c.names() == "Mesh_10_0_0_3");
  Node me = node("10.0.0.2");
  me.route_reflector_cluster_id = "1.0.0.1";
  c.set("me", me);
  CHECK(c.names().empty());
}

TEST_CASE("a node with this node's address is this node") {
  Cluster c;
  c.set("twin", node("10.0.0.2", "fd00::9"));
  CHECK(c.names() == "Mesh_fd00__9");
}

TEST_CASE("a peer with an address is this node's if it is for all nodes, or for this one by name or selector") {
  Cluster c;
  c.no_mesh();
  c.set("me", node("10.0.0.2", "fd00::2", {{"rack", "r1"}}));
  BgpPeer global = peer("192.0.2.1", 65001), by_name = peer("192.0.2.2", 65001), by_label = peer("192.0.2.3", 65001),
          other = peer("192.0.2.4", 65001), other_label = peer("2001:db8::1", 65001);
  by_name.node = "me";
  by_label.node_selector = selector("rack == 'r1'");
  other.node = "other";
  other_label.node_selector = selector("rack == 'r2'");
  c.set("global", global);
  c.set("by-name", by_name);
  c.set("by-label", by_label);
  c.set("other", other);
  c.set("other-label", other_label);
  CHECK(c.names() == "Global_192_0_2_1 Node_192_0_2_2 Node_192_0_2_3");
  c.set("me", node("10.0.0.2", "fd00::2", {{"rack", "r2"}}));
  CHECK(c.names() == "Global_192_0_2_1 Node_192_0_2_2 Node_2001_db8__1");
  c.set("me", node("10.0.0.2", "", {{"rack", "r2"}}));  // no IPv6 address: no session over IPv6
  CHECK(c.names() == "Global_192_0_2_1 Node_192_0_2_2");
}

TEST_CASE("what a peer says is what its session has") {
  Cluster c;
  c.no_mesh();
  BgpPeer p = peer("192.0.2.1", 65001);
  p.node = "me";
  p.peer_port = 1790;
  p.local_as_number = 65002;
  p.source_node_ip = false;
  p.restart_time = 60;
  p.keepalive_time = 7;
  p.allowed_local_as = 2;
  p.ttl_hops = std::uint8_t{3};
  p.next_hop = BgpPeer::NextHop::Self;
  p.extensions.bfd = true;
  p.extensions.hold_time = 30;
  p.extensions.long_lived_restart_time = 3600;
  p.filters = {"there", "absent"};
  c.set("there", BgpFilter{});
  c.set("p", p);
  const Session& s = *c.session("Node_192_0_2_1_port_1790");
  CHECK(s.port == 1790);
  CHECK(s.remote_as == 65001);
  CHECK(s.local_as == 65002);
  CHECK_FALSE(s.source);
  CHECK(s.restart_time == 60u);
  CHECK(s.keepalive_time == 7u);
  CHECK(s.extensions.hold_time == 30u);
  CHECK(s.extensions.long_lived_restart_time == 3600u);
  CHECK(s.allowed_local_as == 2);
  CHECK(s.ttl_hops == std::uint8_t{3});
  CHECK(s.next_hop == Session::NextHop::Self);
  CHECK(s.extensions.bfd);
  CHECK(s.filters == std::vector<Symbol>{"there"});
  CHECK(s.owner == Key{Kind::BGPPeer, {}, "p"});
  CHECK(c.router().filters.size() == 1);
  CHECK_THAT(c.problems(), Contains("BGPFilter absent does not exist"));
  c.set("absent", BgpFilter{});
  CHECK(c.session("Node_192_0_2_1_port_1790")->filters == std::vector<Symbol>{"there", "absent"});
  CHECK(c.problems().empty());
  c.remove(Kind::BGPFilter, "there");
  CHECK(c.session("Node_192_0_2_1_port_1790")->filters == std::vector<Symbol>{"absent"});
  CHECK(c.router().filters.size() == 1);
  BgpFilter changed;
  changed.import_rules[0].resize(1);
  c.set("absent", changed);
  CHECK(*c.router().filters.at("absent") == changed);
}

TEST_CASE("a BGPFilter that was never valid stays in its sessions, and is said until it is mended") {
  Cluster c;
  c.no_mesh();
  BgpPeer p = peer("192.0.2.1", 65001);
  p.filters = {"f"};
  c.set("p", p);
  BgpFilter filter;
  c.set("f", filter);
  CHECK(c.problems().empty());
  filter.closed = true;
  filter.import_rules[0].resize(1);
  for (const bool there : {true, false}) {
    if (!there) c.remove(Kind::BGPFilter, "f");
    c.set("f", filter);
    CHECK(c.session("Global_192_0_2_1")->filters == std::vector<Symbol>{"f"});
    CHECK(*c.router().filters.at("f") == filter);
    CHECK_THAT(c.problems(), Contains("BGPFilter f was never valid; it rejects all routes"));
  }
  c.set("f", BgpFilter{});
  CHECK(c.session("Global_192_0_2_1")->filters == std::vector<Symbol>{"f"});
  CHECK(c.problems().empty());
}

TEST_CASE("the next hop is kept by the deprecated field for external sessions only") {
  Cluster c;
  c.no_mesh();
  BgpPeer outside = peer("192.0.2.1", 65001), inside = peer("192.0.2.2", 64512), disguised = peer("192.0.2.3", 64512);
  outside.next_hop = inside.next_hop = disguised.next_hop = BgpPeer::NextHop::KeepExternal;
  disguised.local_as_number = 65000;
  c.set("outside", outside);
  c.set("inside", inside);
  c.set("disguised", disguised);
  CHECK(c.session("Global_192_0_2_1")->next_hop == Session::NextHop::Keep);
  CHECK(c.session("Global_192_0_2_2")->next_hop == Session::NextHop::Auto);
  CHECK(c.session("Global_192_0_2_3")->next_hop == Session::NextHop::Keep);
}

TEST_CASE("a peer's address that is a node of Calico's takes that node's port, and of global ones one end dials") {
  Cluster c;
  BgpConfiguration config;
  config.mesh = false;
  config.listen_port = 1790;
  c.set("default", config);
  c.set("a", node("10.0.0.3"));
  c.set("p", peer("10.0.0.3", 64512));
  c.set("stranger", peer("192.0.2.1", 65001));
  CHECK(c.session("Global_10_0_0_3")->port == 1790);
  CHECK(c.session("Global_10_0_0_3")->passive);
  CHECK_FALSE(c.session("Global_192_0_2_1")->port);
  CHECK_FALSE(c.session("Global_192_0_2_1")->passive);

  c.set("p", peer("10.0.0.3", 65001));  // another AS: another speaker on that machine
  CHECK_FALSE(c.session("Global_10_0_0_3")->port);
  CHECK_FALSE(c.session("Global_10_0_0_3")->passive);
  c.set("p", peer("10.0.0.3"));  // without AS: the cluster's
  CHECK(c.session("Global_10_0_0_3")->remote_as == 64512);
  CHECK(c.session("Global_10_0_0_3")->port == 1790);
  c.remove(Kind::Node, "a");
  CHECK_FALSE(c.session("Global_10_0_0_3")->port);
  c.set("a", node("10.0.0.3"));
  CHECK(c.session("Global_10_0_0_3")->port == 1790);
  BgpPeer scoped = peer("10.0.0.3", 64512);
  scoped.node = "me";
  c.set("p", scoped);
  CHECK_FALSE(c.session("Node_10_0_0_3")->passive);
}

TEST_CASE("this node is no peer of itself, whatever the port") {
  Cluster c;
  c.no_mesh();
  BgpPeer p = peer("10.0.0.2", 64512);
  p.peer_port = 1790;
  c.set("p", p);
  c.set("all", between("all()", "all()"));
  CHECK(c.names().empty());
}

TEST_CASE("by selectors there is one session for each pair, family and direction of asking") {
  Cluster c;
  c.no_mesh();
  c.set("me", node("10.0.0.2", "fd00::2", {{"rr", "no"}}));
  c.set("rr1", node("10.0.0.8", "fd00::8", {{"rr", "yes"}}));
  c.set("rr2", node("10.0.0.9", "", {{"rr", "yes"}}));
  c.set("plain", node("10.0.0.3", "fd00::3", {{"rr", "no"}}));
  c.set("p", between("rr == 'no'", "rr == 'yes'"));
  CHECK(c.names() == "Node_10_0_0_8 Node_10_0_0_9 Node_fd00__8");
  CHECK_FALSE(c.session("Node_10_0_0_8")->passive);
  CHECK(c.session("Node_10_0_0_8")->description == "node rr1 (BGPPeer p)");
  c.set("me", node("10.0.0.2", "fd00::2", {{"rr", "yes"}}));
  CHECK(c.names() == "Node_10_0_0_3 Node_fd00__3");  // reverse
  c.set("rr1", node("10.0.0.8", "fd00::8", {{"rr", "no"}}));
  CHECK(c.names() == "Node_10_0_0_3 Node_10_0_0_8 Node_fd00__3 Node_fd00__8");
  BgpPeer manual = between("rr == 'no'", "rr == 'yes'");
  manual.reverse_peering = false;
  c.set("p", manual);
  CHECK(c.names().empty());
}

TEST_CASE("a peer by address that is this node gives it sessions to those who have that peer") {
  Cluster c;
  BgpConfiguration config;
  config.mesh = false;
  c.set("default", config);
  c.set("a", node("10.0.0.1", "fd00::1"));
  c.set("b", node("10.0.0.3"));
  BgpPeer p = peer("10.0.0.2", 64512);
  p.node = "a";
  p.keepalive_time = 5;
  p.local_as_number = 65010;
  p.allowed_local_as = 3;
  c.set("p", p);
  CHECK(c.names() == "Node_10_0_0_1");  // of the family of the address only
  const Session& s = *c.session("Node_10_0_0_1");
  CHECK(s.keepalive_time == 5u);
  CHECK(s.remote_as == 65010);  // what the other end says it is
  CHECK(s.local_as == 64512);
  CHECK(s.allowed_local_as == 0);

  p.peer_port = 1790;  // not where this node listens
  c.set("p", p);
  CHECK(c.names().empty());
  config.listen_port = 1790;
  c.set("default", config);
  CHECK(c.names() == "Node_10_0_0_1");
  // Its own port counts, also where the cluster's is another one.
  BgpConfiguration own;
  own.listen_port = 1791;
  c.set("node.me", own);
  CHECK(c.names().empty());
  p.peer_port = 1791;
  c.set("p", p);
  CHECK(c.names() == "Node_10_0_0_1");
  p.as_number = 65099;
  c.set("p", p);
  CHECK(c.names().empty());
}

TEST_CASE("of several that name one address the first wins: for all nodes, for some, reverse, mesh, each by name") {
  Cluster c;
  c.set("a", node("10.0.0.1", "", {{"x", "1"}}));
  CHECK(c.names() == "Mesh_10_0_0_1");
  c.set("r", between("has(x)", "!has(x)"));
  CHECK(c.names() == "Node_10_0_0_1");
  CHECK(c.session("Node_10_0_0_1")->owner.name == "r");
  BgpPeer s = peer("10.0.0.1", 64512);
  s.node = "me";
  c.set("s2", s);
  c.set("s1", s);
  CHECK(c.names() == "Node_10_0_0_1");
  CHECK(c.session("Node_10_0_0_1")->owner.name == "s1");
  CHECK_THAT(c.problems(), Contains("BGPPeer s2: is not used on this node: BGPPeer s1"));
  c.set("z", peer("10.0.0.1", 64512));
  CHECK(c.names() == "Global_10_0_0_1");
  CHECK_THAT(c.problems(), Contains("one for all nodes goes before"));
  c.remove(Kind::BGPPeer, "z");
  c.remove(Kind::BGPPeer, "s1");
  c.remove(Kind::BGPPeer, "s2");
  c.remove(Kind::BGPPeer, "r");
  CHECK(c.names() == "Mesh_10_0_0_1");
  CHECK(c.problems().empty());
}

TEST_CASE("one address may have several sessions if the ports differ") {
  Cluster c;
  BgpConfiguration config;
  config.listen_port = 150;
  c.set("default", config);
  c.set("a", node("10.0.0.1"));
  BgpPeer other = peer("10.0.0.1", 64512), same = peer("10.0.0.1", 64512);
  other.peer_port = 166;
  same.peer_port = 150;
  c.set("other", other);
  CHECK(c.names() == "Global_10_0_0_1_port_166 Mesh_10_0_0_1");
  c.set("same", same);  // that is the mesh's
  CHECK(c.names() == "Global_10_0_0_1_port_150 Global_10_0_0_1_port_166");
}

// Their ports differ, but only because one is taken for the node and the other is not: the name would be the same.
TEST_CASE("two peers that name one address without a port are one session") {
  Cluster c;
  BgpConfiguration config;
  config.mesh = false;
  config.listen_port = 1790;
  c.set("default", config);
  c.set("a", node("10.0.0.1"));
  c.set("p", peer("10.0.0.1", 64512));
  c.set("q", peer("10.0.0.1", 65001));
  CHECK(c.names() == "Global_10_0_0_1");
  CHECK(c.session("Global_10_0_0_1")->port == 1790);
  CHECK_THAT(c.problems(), Contains("BGPPeer q: is not used on this node"));
}

TEST_CASE("two peers that select the same node give it one session") {
  Cluster c;
  c.no_mesh();
  c.set("a", node("10.0.0.1", "", {{"x", "1"}}));
  BgpPeer global;
  global.peer_selector = selector("has(x)");
  c.set("global", global);
  c.set("scoped", between("all()", "has(x)"));
  CHECK(c.names() == "Global_10_0_0_1");
  CHECK(c.problems().empty());
}

TEST_CASE("a route reflector's internal peers are its clients, unless they are of its own cluster") {
  Cluster c;
  Node me = node("10.0.0.2"), same = node("10.0.0.3"), different = node("10.0.0.4"), external = node("10.0.0.5");
  me.route_reflector_cluster_id = same.route_reflector_cluster_id = "1.0.0.1";
  different.route_reflector_cluster_id = "1.0.0.2";
  external.as_number = 65001;
  c.set("me", me);
  c.set("same", same);
  c.set("different", different);
  c.set("external", external);
  c.set("plain", node("10.0.0.6"));
  c.set("all", between("all()", "all()"));
  c.set("tor", peer("192.0.2.1", 64512));
  CHECK(c.router().cluster_id == addr("1.0.0.1"));
  CHECK_FALSE(c.session("Node_10_0_0_3")->cluster_id);
  CHECK(c.session("Node_10_0_0_4")->cluster_id == addr("1.0.0.1"));
  CHECK_FALSE(c.session("Node_10_0_0_5")->cluster_id);
  CHECK(c.session("Node_10_0_0_6")->cluster_id == addr("1.0.0.1"));
  CHECK(c.session("Global_192_0_2_1")->cluster_id == addr("1.0.0.1"));
  me.route_reflector_cluster_id.clear();
  c.set("me", me);
  CHECK_FALSE(c.session("Node_10_0_0_6")->cluster_id);
}

TEST_CASE("workloads that felix says are peers have passive sessions") {
  Cluster c;
  c.no_mesh();
  BgpPeer p;
  p.local_workload_selector = selector("router == 'true'");
  p.as_number = 65001;
  p.local_as_number = 65002;
  p.keepalive_time = 5;
  c.set("p", p);
  CHECK(c.names().empty());
  c.view.set_workloads({{"cali1", {cidr("10.65.0.1/32"), cidr("10.65.0.9/32"), cidr("fd65::1/128")}, "p"},
                        {"cali2", {cidr("10.65.0.2/32")}, ""},
                        {"cali3", {cidr("10.65.0.3/32")}, "other"}});
  CHECK(c.names() == "Local_Workload_10_65_0_1 Local_Workload_fd65__1");
  c.view.set_workloads({{"cali1", {cidr("fe80::1/128"), cidr("0.0.0.0/32"), cidr("10.65.0.1/32"), cidr("fd65::1/128")}, "p"}});
  CHECK(c.names() == "Local_Workload_10_65_0_1 Local_Workload_fd65__1");  // no neighbour has the others
  const Session& s = *c.session("Local_Workload_10_65_0_1");
  CHECK(s.passive);
  CHECK_FALSE(s.source);
  CHECK(s.local_as == 65002);
  CHECK(s.keepalive_time == 5u);
  c.view.set_workloads({{"cali3", {cidr("10.65.0.3/32")}, "p"}});
  CHECK(c.names() == "Local_Workload_10_65_0_3");
  c.remove(Kind::BGPPeer, "p");
  CHECK(c.names().empty());
}

TEST_CASE("sessions with workloads have the address that workloads dial, where only some addresses are listened on") {
  Cluster c;
  BgpPeer p;
  p.local_workload_selector = selector("router == 'true'");
  p.as_number = 65001;
  c.set("p", p);
  BgpConfiguration config;
  config.mesh = false;
  config.local_workload_peering_v4 = addr("169.254.1.1");
  c.set("default", config);
  c.view.set_workloads({{"cali1", {cidr("10.65.0.1/32"), cidr("fd65::1/128")}, "p"}});
  // Else BIRD listens on all, and a session with an address of its own would refuse who dials another one.
  CHECK_FALSE(c.session("Local_Workload_10_65_0_1")->source);
  config.bind_node_ip = true;
  c.set("default", config);
  CHECK(c.session("Local_Workload_10_65_0_1")->source == addr("169.254.1.1"));
  CHECK_FALSE(c.session("Local_Workload_fd65__1")->source);
  config.local_workload_peering_v6 = addr("fd00:ffff::1");
  c.set("default", config);
  CHECK(c.session("Local_Workload_fd65__1")->source == addr("fd00:ffff::1"));
}

TEST_CASE("a session over link-local addresses is one for both families") {
  Cluster c;
  c.no_mesh();
  BgpPeer any = peer(""), named = peer("fe80::9", 65001);
  any.extensions.interface = "eth0";
  named.extensions.interface = "eth1";
  c.set("any", any);
  c.set("named", named);
  c.set("numbered", peer("fd00::9", 65001));
  REQUIRE(c.router().sessions.size() == 3);
  for (const Session& session : c.router().sessions) {
    CHECK(session.family == Family::V6);
    CHECK(session.carries(Family::V6));
    CHECK(session.carries(Family::V4) == (session.owner.name != "numbered"));
  }
}

TEST_CASE("an unnumbered peer is whoever answers on the interface") {
  Cluster c;
  c.no_mesh();
  c.set("me", node("10.0.0.2"));  // needs no IPv6 address of the node
  BgpPeer p, link = peer("fe80::1", 65001);
  p.extensions.interface = "eth1";
  link.extensions.interface = "eth0.1";
  c.set("p", p);
  c.set("link", link);
  REQUIRE(c.router().sessions.size() == 2);
  for (const Session& s : c.router().sessions) {
    CHECK(s.family == Family::V6);
    CHECK_FALSE(s.source);
  }
  const Session& any = c.router().sessions[0].owner.name == "p" ? c.router().sessions[0] : c.router().sessions[1];
  CHECK_FALSE(any.peer);
  CHECK(any.interface == "eth1");
  CHECK(any.remote_as == 0);
}

TEST_CASE("names are short, and differ where sessions do") {
  using Origin = Session::Origin;
  CHECK(session_name(Origin::Node, addr("fd00::1"), "", 0) == "Node_fd00__1");
  CHECK(session_name(Origin::Global, addr("fe80::1"), "eth0", 0) == "Global_fe80__1_eth0");
  CHECK(session_name(Origin::LocalWorkload, addr("2001:db8:1111:2222:3333:4444:5555:6666"), "", 0).size() <= kMaxSessionName);
  const Addr longest = addr("fe80:1111:1111:1111:1111:1111:1111:1111");
  const auto one = session_name(Origin::LocalWorkload, longest, "abcdefghijklmn1", 65535);
  const auto two = session_name(Origin::LocalWorkload, longest, "abcdefghijklmn2", 65535);
  CHECK(one.size() <= kMaxSessionName);
  CHECK(one != two);
  CHECK(session_name(Origin::Node, addr("fe80::1"), "eth0.1", 0) != session_name(Origin::Node, addr("fe80::1"), "eth0-1", 0));
  CHECK(session_name(Origin::Node, addr("::ffff:1.2.3.4"), "", 0) != session_name(Origin::Node, addr("::ffff:1:2:3:4"), "", 0));
  CHECK(session_name(Origin::Node, {}, "eth0", 0) != session_name(Origin::Node, {}, "eth0", 1790));
}

}  // namespace margay::bgp::test
