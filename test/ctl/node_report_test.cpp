#include "ctl/node_report.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace margay::ctl;
using nlohmann::json;

namespace {

const char* const kStatus = R"({
 "node": "n1",
 "bird": {"running": true, "version": "2.0.12", "routerID": "10.0.0.1", "lastReboot": "2026-08-01T10:00:00Z",
          "lastReconfiguration": "2026-08-01T11:00:00Z", "recovering": false},
 "inSync": true, "inForce": true, "lastPublished": "2026-08-01T11:00:00Z", "draining": false,
 "sessions": [
  {"name": "Mesh_10_0_0_2", "type": "node-to-node mesh", "family": 4, "peer": "10.0.0.2", "interface": "", "port": 179,
   "localAS": 64512, "remoteAS": 64512, "state": "up", "bgpState": "Established", "since": "10:00:05", "uptimeSeconds": 3672.5,
   "prefixesIn": 3, "prefixesOut": 2, "flaps": 0, "lastError": "", "owner": "mesh"},
  {"name": "Node_x", "type": "node specific", "family": 6, "peer": "fe80::1", "interface": "eth0", "port": 1790, "state": "start",
   "bgpState": "Active", "since": "10:00:01", "uptimeSeconds": 0, "prefixesIn": 0, "prefixesOut": 0, "lastError": "Socket: Connection refused"},
  {"name": "Global_y", "type": "global", "family": 4, "peer": "10.0.9.1", "port": 179, "state": "absent",
   "prefixesIn": 0, "prefixesOut": 0, "lastError": "\u001b[31mred"}],
 "problems": [{"owner": "BGPPeer x", "text": "the Secret is missing"}]})";

}  // namespace

TEST_CASE("node report: both families, problems, what runs") {
  CHECK(node_report(json::parse(kStatus)) ==
        R"(margay-bgp-config is running: its configuration is in force, last changed 2026-08-01T11:00:00Z
BIRD 2.0.12 is running: router id 10.0.0.1, since 2026-08-01T10:00:00Z, reconfigured 2026-08-01T11:00:00Z

IPv4 BGP status
PEER ADDRESS   PEER TYPE           STATE    SINCE      INFO          IN      OUT     UPTIME   LAST ERROR
10.0.0.2       node-to-node mesh   up       10:00:05   Established   3       2       1h1m     -
10.0.9.1       global              absent   -          not in BIRD   -       -       -        ?[31mred

IPv6 BGP status
PEER ADDRESS             PEER TYPE       STATE   SINCE      INFO     IN      OUT     UPTIME   LAST ERROR
fe80::1%eth0 port 1790   node specific   start   10:00:01   Active   0       0       -        Socket: Connection refused

Problems
OWNER       PROBLEM
BGPPeer x   the Secret is missing
)");
}

TEST_CASE("node report: what is not well is said") {
  json status = json::parse(kStatus);
  status["bird"] = {{"running", false}};
  status["inSync"] = false;
  status["draining"] = true;
  status["sessions"] = json::array();
  status["problems"] = json::array();
  CHECK(node_report(status) ==
        "margay-bgp-config is running: waiting for the datastore, last changed 2026-08-01T11:00:00Z\n"
        "BIRD is not running\n"
        "The node is draining: its routes carry the graceful-shutdown community, its services are withdrawn.\n"
        "\nIPv4 BGP status\nNo IPv4 peers found.\n\nIPv6 BGP status\nNo IPv6 peers found.\n");
  status["inSync"] = true;
  status["inForce"] = false;
  CHECK(node_report(status).starts_with("margay-bgp-config is running: its configuration is not in force yet"));
  status["bird"] = {{"running", true}, {"recovering", true}};
  CHECK(node_report(status).find("BIRD is running, recovering from a restart: router id -\n") != std::string::npos);
}

TEST_CASE("node report: a daemon of another version is no crash") {
  CHECK(node_report(json::object()).find("No IPv4 peers found.") != std::string::npos);
  CHECK(node_report(json::array()).find("No IPv6 peers found.") != std::string::npos);
  const json odd{
      {"sessions", {{{"family", 4}, {"peer", 7}, {"uptimeSeconds", "x"}, {"prefixesIn", nullptr}, {"port", "x"}}, 5, nullptr}},
      {"problems", {1, {{"owner", {}}}}},
      {"bird", "yes"}};
  CHECK(session_table(odd, 4) ==
        "PEER ADDRESS   PEER TYPE   STATE   SINCE   INFO    IN      OUT     UPTIME   LAST ERROR\n"
        "-              -           -       -       -       -       -       -        -\n");
  CHECK(node_report(odd).find("BIRD is not running") != std::string::npos);
}

TEST_CASE("node report: durations") {
  CHECK(shown_duration(-1) == "0s");
  CHECK(shown_duration(59.9) == "59s");
  CHECK(shown_duration(192) == "3m12s");
  CHECK(shown_duration(7500) == "2h5m");
  CHECK(shown_duration(3 * 86400 + 4 * 3600 + 59) == "3d4h");
}
