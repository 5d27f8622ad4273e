#include "daemon/report.hpp"

#include <nlohmann/json.hpp>

#include "daemon/node_status.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using namespace std::chrono_literals;

namespace {

Session session(std::string name, const char* peer, Session::Origin origin = Session::Origin::Mesh) {
  Session out;
  out.name = std::move(name);
  out.origin = origin;
  out.owner = Key{Kind::BGPPeer, {}, "rack"};
  out.peer = Addr::parse(peer);
  out.family = out.peer->family;
  out.remote_as = 64513;
  out.local_as = 64512;
  return out;
}

ProtocolStatus protocol(std::string name, std::string bgp_state) {
  ProtocolStatus out;
  out.name = std::move(name);
  out.type = "BGP";
  out.bgp_state = std::move(bgp_state);
  out.state = out.bgp_state == "Established" ? "up" : "start";
  out.since = "2026-11-23T09:17:03+0000";
  out.imported = 3;
  out.exported = 2;
  return out;
}

struct World {
  Router router;
  BirdSight bird;
  std::vector<Problem> problems{{Key{Kind::BGPPeer, {}, "bad"}, "password has a quote"}};
  std::map<std::string, BirdWatch::SessionRecord> records;

  World() {
    router.sessions = {session("A", "10.0.0.2"), session("B", "2001:db8::2", Session::Origin::Global)};
    router.families[0].node_ip = Addr::parse("10.0.0.1");
    bird.status.version = "2.0.12";
    bird.status.up = true;
    bird.protocols = {protocol("A", "Established"), protocol("B", "Connect"), protocol("kern4", "")};
    records["B"].flaps = 2;
    records["B"].last_error = "Socket: Connection refused";
  }
  void add(std::string name, std::string bgp_state) { bird.protocols.push_back(protocol(std::move(name), std::move(bgp_state))); }
  [[nodiscard]] Knowledge knowledge() const {
    Knowledge out;
    out.node = "n1";
    out.in_sync = out.in_force = true;
    out.router = &router;
    out.bird = &bird;
    out.problems = &problems;
    out.records = &records;
    return out;
  }
};

}  // namespace

TEST_CASE("readiness wants every session at first, and one later") {
  World world;
  const auto sessions = sessions_of(world.knowledge());
  CHECK_FALSE(readiness(sessions, &world.bird, 10s).ready);
  CHECK(readiness(sessions, &world.bird, 31s).ready);
  CHECK(readiness(sessions, &world.bird, 31s).detail == "1 of 2 sessions established");
  CHECK_FALSE(readiness(sessions, nullptr, 31s).ready);
  CHECK(readiness({}, &world.bird, 1s).ready);
  world.bird.protocols[0].bgp_state = "Idle";
  CHECK_FALSE(readiness(sessions_of(world.knowledge()), &world.bird, 31s).ready);
  world.bird.protocols[0].bgp_state = world.bird.protocols[1].bgp_state = "Established";
  CHECK(readiness(sessions_of(world.knowledge()), &world.bird, 1s).ready);
  world.bird.status.recovering = true;
  CHECK_FALSE(readiness(sessions_of(world.knowledge()), &world.bird, 1s).ready);
}

TEST_CASE("the status document has every session wanted, with what BIRD says of it") {
  World world;
  const auto now = *parse_bird_time("2026-11-23T09:18:03+0000");
  const auto json = nlohmann::json::parse(status_json(world.knowledge(), now));
  REQUIRE(json["sessions"].size() == 2);
  const auto& a = json["sessions"][0];
  CHECK(a["peer"] == "10.0.0.2");
  CHECK(a["bgpState"] == "Established");
  CHECK(a["uptimeSeconds"] == 60.0);
  CHECK(a["prefixesIn"] == 3);
  CHECK(a["prefixesOut"] == 2);
  CHECK(a["type"] == "node-to-node mesh");
  const auto& b = json["sessions"][1];
  CHECK(b["family"] == 6);
  CHECK(b["flaps"] == 2);
  CHECK(b["uptimeSeconds"] == 0);
  CHECK(b["lastError"] == "Socket: Connection refused");
  CHECK(json["problems"][0]["text"] == "password has a quote");
  CHECK(json["bird"]["running"] == true);

  Knowledge silent = world.knowledge();
  silent.bird = nullptr;
  const auto without = nlohmann::json::parse(status_json(silent, now));
  CHECK(without["bird"]["running"] == false);
  CHECK(without["sessions"][0]["state"] == "absent");
}

TEST_CASE("a session that waits for whoever answers is as its answerer is") {
  World world;
  Session any = session("Global_eth0_1234abcd", "fe80::1");
  any.peer.reset();
  any.interface = "eth0";
  world.router.sessions = {any};
  world.bird.protocols.clear();
  world.add("Global_eth0_1234abcd", "Passive");
  const auto is = [&](const char* state) {
    const auto reports = sessions_of(world.knowledge());
    return reports.size() == 1 && reports[0].protocol && reports[0].protocol->bgp_state == state;
  };
  CHECK(is("Passive"));
  world.add("Global_eth0_1234abcd_1", "Active");
  CHECK(is("Active"));
  world.add("Global_eth0_1234abcd_12", "Established");
  world.add("Global_eth0_1234abcd_13", "OpenSent");
  CHECK(is("Established"));
  world.records["Global_eth0_1234abcd_12"].flaps = 4;
  CHECK(sessions_of(world.knowledge())[0].flaps == 4);
  CHECK(is_protocol_of(any, "Global_eth0_1234abcd"));
  CHECK(is_protocol_of(any, "Global_eth0_1234abcd_1"));
  CHECK_FALSE(is_protocol_of(any, "Global_eth0_1234abcd_"));
  CHECK_FALSE(is_protocol_of(any, "Global_eth0_1234abcd_port_1"));
  CHECK_FALSE(is_protocol_of(session("A", "10.0.0.2"), "A_1"));
}

TEST_CASE("BIRD's times are read with their offset") {
  CHECK(to_rfc3339(*parse_bird_time("2026-11-23T09:17:03+0000")) == "2026-11-23T09:17:03Z");
  CHECK(to_rfc3339(*parse_bird_time("2026-11-23T09:17:03+0230")) == "2026-11-23T06:47:03Z");
  CHECK_FALSE(parse_bird_time("09:17:03.123"));
  CHECK_FALSE(parse_bird_time(""));
}

TEST_CASE("metrics name each session") {
  World world;
  control::Exposition out;
  expose(world.knowledge(), *parse_bird_time("2026-11-23T09:18:03+0000"), 7, out);
  const std::string text = out.text();
  INFO(text);
  CHECK(text.find("margay_bgp_session_established{session=\"A\",peer=\"10.0.0.2\",remote_as=\"64513\",type=\"node-to-node "
                  "mesh\"} 1") != std::string::npos);
  CHECK(text.find("margay_bgp_session_uptime_seconds{session=\"A\",peer=\"10.0.0.2\",remote_as=\"64513\",type=\"node-to-node "
                  "mesh\"} 60") != std::string::npos);
  CHECK(text.find("margay_bgp_md5_failures 7") != std::string::npos);
}

TEST_CASE("a node status has the classes that are wanted") {
  World world;
  CalicoNodeStatus wanted;
  wanted.agent = wanted.bgp = wanted.routes = true;
  RouteStatus remote{*Cidr::parse("192.168.12.0/26"), "unicast", "A", true, {{Addr::parse("10.0.0.2"), "eth0"}}};
  RouteStatus own{*Cidr::parse("192.168.11.0/26"), "blackhole", "own4", true, {}};
  const std::vector<RouteStatus> routes{remote, own};
  const auto json = nlohmann::json::parse(node_status_json(wanted, world.knowledge(), &routes));
  CHECK(json["agent"]["birdV4"]["state"] == "Ready");
  CHECK(json["agent"]["birdV4"]["version"] == "2.0.12");
  CHECK(json["agent"]["birdV6"]["state"] == "NotReady");  // no node address of that family
  CHECK(json["bgp"]["numberEstablishedV4"] == 1);
  CHECK(json["bgp"]["numberNotEstablishedV6"] == 1);
  CHECK(json["bgp"]["peersV4"][0]["type"] == "NodeMesh");
  CHECK(json["bgp"]["peersV6"][0]["type"] == "GlobalPeer");
  CHECK(json["bgp"]["peersV6"][0]["state"] == "Connect");
  CHECK(json["routes"]["routesV4"][0]["learnedFrom"] == nlohmann::json({{"sourceType", "NodeMesh"}, {"peerIP", "10.0.0.2"}}));
  CHECK(json["routes"]["routesV4"][0]["gateway"] == "10.0.0.2");
  CHECK(json["routes"]["routesV4"][1]["gateway"] == "N/A");
  CHECK(json["routes"]["routesV4"][1]["interface"] == "blackhole");
  CHECK(json["routes"]["routesV4"][1]["learnedFrom"]["sourceType"] == "Static");

  world.bird.protocols[1].bgp_state = "Passive";
  CHECK(nlohmann::json::parse(node_status_json(wanted, world.knowledge(), nullptr))["bgp"]["peersV6"][0]["state"] == "Active");
  wanted.routes = false;
  CHECK_FALSE(nlohmann::json::parse(node_status_json(wanted, world.knowledge(), nullptr)).contains("routes"));
  Knowledge silent = world.knowledge();
  silent.bird = nullptr;
  const auto without = nlohmann::json::parse(node_status_json(wanted, silent, nullptr));
  CHECK(without["agent"]["birdV4"]["state"] == "NotReady");
  CHECK_FALSE(without.contains("bgp"));
}
