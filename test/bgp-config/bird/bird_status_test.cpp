// The shapes are those that BIRD 2.0.12 was seen to print.
#include "bird/bird_status.hpp"

#include "bird/reply_parser.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;

namespace {

Reply reply(std::string_view text) {
  ReplyParser parser;
  const Status fed = parser.feed(text);
  REQUIRE(fed);
  auto out = parser.next_reply();
  REQUIRE(out);
  return *out;
}

const char* const kStatus =
    "1000-BIRD 2.0.12\n"
    "1011-Router ID is 10.77.0.11\n"
    " Hostname is vm\n"
    " Current server time is 2026-11-25T01:51:04+0000\n"
    " Last reboot on 2026-11-25T01:51:02+0000\n"
    " Last reconfiguration on 2026-11-25T01:52:03+0000\n";

}  // namespace

TEST_CASE("show status") {
  const auto status = parse_status(reply(std::string{kStatus} + "0013 Daemon is up and running\n"));
  REQUIRE(status);
  CHECK(status->version == "2.0.12");
  CHECK(status->router_id == "10.77.0.11");
  CHECK(status->server_time == "2026-11-25T01:51:04+0000");
  CHECK(status->last_reboot == "2026-11-25T01:51:02+0000");
  CHECK(status->last_reconfiguration == "2026-11-25T01:52:03+0000");
  CHECK(status->up);
  CHECK_FALSE(status->recovering);
  CHECK(status->recovery.empty());
}

TEST_CASE("show status during recovery, reconfiguration and shutdown") {
  const auto recovering = parse_status(reply(std::string{kStatus} + "0024-Graceful restart recovery in progress\n"
                                                                    "   Waiting for 2 channels to recover\n"
                                                                    "   Wait timer is 58.863/60\n"
                                                                    "0013 Daemon is up and running\n"));
  REQUIRE(recovering);
  CHECK(recovering->recovering);
  CHECK(recovering->recovery == "Waiting for 2 channels to recover, Wait timer is 58.863/60");
  CHECK(recovering->up);
  CHECK(parse_status(reply(std::string{kStatus} + "0013 Reconfiguration in progress\n"))->up);
  CHECK_FALSE(parse_status(reply(std::string{kStatus} + "0013 Shutdown in progress\n"))->up);
}

TEST_CASE("what is no status fails") {
  CHECK(parse_status(reply("8007 Access denied\n")).error().text == "BIRD: Access denied");
  CHECK_FALSE(parse_status(reply("0000 \n")));
}

TEST_CASE("show protocols") {
  const auto list = parse_protocols(
      reply("2002-Name       Proto      Table      State  Since         Info\n"
            "1002-device1    Device     ---        up     2026-11-25T01:51:02+0000  \n"
            " own4       Static     master4    up     2026-11-25T01:51:02+0000  \n"
            " Mesh_10_77_0_12 BGP        ---        up     2026-11-23T09:17:03+0000  Established   \n"
            " A          BGP        ---        down   2026-11-25T01:54:08+0000  Error: Kernel MD5 auth failed\n"
            " old        BGP        ---        start  2026-11-25 01:54:10  Active        Socket: Connection refused\n"
            "0000 \n"));
  REQUIRE(list.size() == 5);
  CHECK(list[0].name == "device1");
  CHECK(list[0].type == "Device");
  CHECK(list[0].table == "---");
  CHECK(list[0].state == "up");
  CHECK(list[0].since == "2026-11-25T01:51:02+0000");
  CHECK(list[0].info.empty());
  CHECK(list[1].table == "master4");
  CHECK(list[2].info == "Established");
  CHECK(list[3].state == "down");
  CHECK(list[3].info == "Error: Kernel MD5 auth failed");
  CHECK(list[4].since == "2026-11-25 01:54:10");  // "iso long" is two words
  CHECK(list[4].info == "Active        Socket: Connection refused");
}

TEST_CASE("show protocols all") {
  const auto list =
      parse_protocols(reply("2002-Name       Proto      Table      State  Since         Info\n"
                            "1002-device1    Device     ---        up     2026-11-25T01:51:02+0000  \n"
                            "1006-\n"
                            "1002-Dis        BGP        ---        down   2026-11-25T01:51:02+0000  \n"
                            "1006-  Description:    BGP state: Established\n"
                            "   BGP state:          Down\n"
                            "     Neighbor address: 10.77.0.14\n"
                            "     Neighbor AS:      64513\n"
                            "     Local AS:         64512\n"
                            "     Last error:       Socket: Connection refused\n"
                            "   Channel ipv4\n"
                            "     State:          DOWN\n"
                            "     Table:          master4\n"
                            " \n"
                            "1002-LL         BGP        ---        up     2026-11-25T01:51:02+0000  Established   \n"
                            "1006-  BGP state:          Established\n"
                            "     Neighbor address: fe80::5%lo\n"
                            "     Neighbor AS:      4200000000\n"
                            "     Local AS:         64512\n"
                            "     Neighbor ID:      10.77.0.12\n"
                            "     Local capabilities\n"
                            "       Multiprotocol\n"
                            "         AF announced: ipv4\n"
                            "     Hold timer:       199.103/240\n"
                            "   Channel ipv4\n"
                            "     State:          UP\n"
                            "     Routes:         1 imported, 2 filtered, 3 exported, 4 preferred\n"
                            "     Route change stats:     received   rejected   filtered    ignored   accepted\n"
                            "       Import updates:              3          0          0          0          3\n"
                            "     BGP Next hop:   10.77.0.11\n"
                            "   BGP state:          Idle\n"
                            "   Neighbor AS:        1\n"
                            "   Channel ipv6\n"
                            "     Routes:         10 imported, 30 exported, 40 preferred\n"
                            " \n"
                            "1002-Unnum      BGP        ---        start  2026-11-25T01:51:02+0000  Passive       \n"
                            "1006-  BGP state:          Passive\n"
                            "     Neighbor range:   fe80::/10\n"
                            "     Neighbor AS:      0\n"
                            "8000-<line overflow>\n"
                            "0000 \n"));
  REQUIRE(list.size() == 4);
  CHECK(list[1].bgp_state == "Down");
  CHECK(list[1].neighbor == Addr::parse("10.77.0.14"));
  CHECK(list[1].neighbor_interface.empty());
  CHECK(list[1].neighbor_as == 64513u);
  CHECK(list[1].local_as == 64512u);
  CHECK(list[1].last_error == "Socket: Connection refused");
  CHECK(list[2].bgp_state == "Established");  // said once, above the channels
  CHECK(list[2].neighbor == Addr::parse("fe80::5"));
  CHECK(list[2].neighbor_interface == "lo");
  CHECK(list[2].neighbor_as == 4200000000u);
  CHECK(list[2].imported == 11);
  CHECK(list[2].filtered == 2);
  CHECK(list[2].exported == 33);
  CHECK(list[2].preferred == 44);
  CHECK(list[3].bgp_state == "Passive");
  CHECK_FALSE(list[3].neighbor);
}

TEST_CASE("show route") {
  const auto list =
      parse_routes(reply("1007-Table master4:\n"
                         " 192.168.12.0/26      unicast [Mesh_10_77_0_12 2026-11-25T01:51:02+0000 from 10.77.0.9] * (100) [i]\n"
                         " \tvia 10.77.0.12 on eth0\n"
                         " 192.168.11.0/26      blackhole [own4 2026-11-25T01:51:02+0000] * (200)\n"
                         "                      unicast [Global_10_77_0_1 2026-11-25T01:51:02+0000] (100) [AS65000i]\n"
                         " \tvia 10.77.0.1 on eth0 weight 2\n"
                         " \tvia 10.77.0.2 on eth1 onlink weight 1\n"
                         " 10.9.0.0/16          unicast [own4 2026-11-25T01:51:02+0000] * (200)\n"
                         " \tdev lo\n"
                         "1008-\tType: static univ\n"
                         "1012-\tBGP.origin: IGP\n"
                         " \n"
                         "1007-Table master6:\n"
                         " fd00:1234:5678:9abc:def0::/80 unreachable [own6 2026-11-25T01:51:02+0000] ! (200)\n"
                         " fd00:1::/64          unicast [own6 2026-11-25T01:51:02+0000] * (200)\n"
                         " \tvia fe80::1 on lo\n"
                         "0000 \n"));
  REQUIRE(list.size() == 6);
  CHECK(list[0] ==
        RouteStatus{*Cidr::parse("192.168.12.0/26"), "unicast", "Mesh_10_77_0_12", true, {{Addr::parse("10.77.0.12"), "eth0"}}});
  CHECK(list[1] == RouteStatus{*Cidr::parse("192.168.11.0/26"), "blackhole", "own4", true, {}});
  CHECK(list[2] == RouteStatus{*Cidr::parse("192.168.11.0/26"),
                               "unicast",
                               "Global_10_77_0_1",
                               false,
                               {{Addr::parse("10.77.0.1"), "eth0"}, {Addr::parse("10.77.0.2"), "eth1"}}});
  CHECK(list[3].hops == std::vector<RouteStatus::Hop>{{std::nullopt, "lo"}});
  CHECK(list[4] == RouteStatus{*Cidr::parse("fd00:1234:5678:9abc:def0::/80"), "unreachable", "own6", false, {}});
  CHECK(list[5].hops == std::vector<RouteStatus::Hop>{{Addr::parse("fe80::1"), "lo"}});
  CHECK(parse_routes(reply("8001 Network not found\n")).empty());
}
