#include "netlink_codec.hpp"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <string>

#include "netlink_attrs.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;

namespace {

struct Buffer {
  alignas(8) std::array<char, 4096> bytes{};
  nlmsghdr& message = *mnl_nlmsg_put_header(bytes.data());
  template <class T>
  T& header(int type) {
    message.nlmsg_type = static_cast<std::uint16_t>(type);
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(&message, sizeof(T)));
  }
};

Addr addr(const char* text) { return *Addr::parse(text); }
Cidr cidr(const char* text) { return *Cidr::parse(text); }

}  // namespace

TEST_CASE("a route survives its encoding") {
  const Route routes[] = {
      {.destination = cidr("10.65.0.2/32"), .link = 7},
      {.destination = cidr("10.65.0.2/32"), .link = 7, .protocol = 3, .priority = 1, .source = addr("192.0.2.1")},
      {.destination = cidr("10.65.0.0/26"), .type = Route::Type::Blackhole},
      {.destination = cidr("0.0.0.0/0"), .link = 1, .priority = 0},
      {.destination = cidr("fd00::2/128"), .link = 70000, .source = addr("fd00::1")},
      {.destination = cidr("fd00::/122"), .type = Route::Type::Blackhole, .protocol = 80},
      {.destination = cidr("::/0"), .link = 2},
  };
  for (const Route& route : routes) {
    CAPTURE(route.destination.to_string());
    Buffer add, remove;
    encode_add_route(add.message, route);
    CHECK(add.message.nlmsg_type == RTM_NEWROUTE);
    CHECK(add.message.nlmsg_flags == (NLM_F_CREATE | NLM_F_REPLACE));
    CHECK(parse_route(add.message) == route);
    encode_remove_route(remove.message, route);
    CHECK(remove.message.nlmsg_type == RTM_DELROUTE);
    CHECK(remove.message.nlmsg_flags == 0);
    CHECK(static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&remove.message))->rtm_scope == RT_SCOPE_NOWHERE);
    CHECK(parse_route(remove.message) == route);
  }
}

TEST_CASE("routes that the ports do not show are passed over") {
  const Route route{.destination = cidr("10.65.0.2/32"), .link = 7};
  const auto changed = [&](auto change) {
    Buffer buffer;
    encode_add_route(buffer.message, route);
    change(*static_cast<rtmsg*>(mnl_nlmsg_get_payload(&buffer.message)), buffer.message);
    return parse_route(buffer.message);
  };
  CHECK(changed([](rtmsg&, nlmsghdr&) {}));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_table = RT_TABLE_LOCAL; }));
  CHECK_FALSE(changed([](rtmsg&, nlmsghdr& message) { mnl_attr_put_u32(&message, RTA_TABLE, 1000); }));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_type = RTN_LOCAL; }));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_flags |= RTM_F_CLONED; }));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_tos = 4; }));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_dst_len = 33; }));
  CHECK_FALSE(changed([](rtmsg& rtm, nlmsghdr&) { rtm.rtm_family = AF_PACKET; }));
  const auto gateway = changed([](rtmsg&, nlmsghdr& message) { put_addr(message, RTA_GATEWAY, addr("192.0.2.1")); });
  REQUIRE(gateway);
  CHECK(gateway->via);
  CHECK_FALSE(*gateway == route);
}

TEST_CASE("a neighbour survives its encoding, and only permanent ones are shown") {
  for (const char* text : {"169.254.1.1", "fe80::ecee:eeff:feee:eeee"}) {
    const Neighbour neighbour{.link = 9, .address = addr(text), .mac = *Mac::parse("ee:ee:ee:ee:ee:ee")};
    Buffer buffer;
    encode_set_neighbour(buffer.message, neighbour);
    CHECK(buffer.message.nlmsg_type == RTM_NEWNEIGH);
    CHECK(parse_neighbour(buffer.message) == neighbour);
    static_cast<ndmsg*>(mnl_nlmsg_get_payload(&buffer.message))->ndm_state = NUD_REACHABLE;
    CHECK_FALSE(parse_neighbour(buffer.message));
    Buffer remove;
    encode_remove_neighbour(remove.message, neighbour);
    CHECK(remove.message.nlmsg_type == RTM_DELNEIGH);
    CHECK_FALSE(parse_neighbour(remove.message));  // without the MAC
  }
}

TEST_CASE("a link is up when it is up and has a carrier") {
  for (const bool admin : {false, true})
    for (const bool carrier : {false, true}) {
      Buffer buffer;
      auto& ifi = buffer.header<ifinfomsg>(RTM_NEWLINK);
      ifi.ifi_index = 12;
      ifi.ifi_flags = (admin ? unsigned{IFF_UP} : 0u) | (carrier ? unsigned{IFF_RUNNING} : 0u);
      mnl_attr_put_strz(&buffer.message, IFLA_IFNAME, "cali12345678901");
      mnl_attr_put(&buffer.message, IFLA_ADDRESS, 6, "\xee\xee\xee\xee\xee\xee");
      const auto link = parse_link(buffer.message);
      REQUIRE(link);
      CHECK(*link ==
            Link{.index = 12, .name = "cali12345678901", .up = admin && carrier, .mac = Mac::parse("ee:ee:ee:ee:ee:ee")});
      ifi.ifi_family = AF_BRIDGE;
      CHECK_FALSE(parse_link(buffer.message));
    }
}

TEST_CASE("an address keeps its own bits; its net does not") {
  struct Row {
    const char *local, *address, *net, *wanted;
    unsigned char prefix;
  };
  const Row rows[] = {
      {"192.0.2.77", "192.0.2.77", "192.0.2.0/24", "192.0.2.77", 24},
      {"10.0.0.1", "10.0.0.2", "10.0.0.1/32", "10.0.0.1", 32},  // point to point: the other end is not ours
      {nullptr, "fd00::77", "fd00::/64", "fd00::77", 64},
  };
  for (const Row& row : rows) {
    Buffer buffer;
    auto& ifa = buffer.header<ifaddrmsg>(RTM_NEWADDR);
    ifa.ifa_family = static_cast<unsigned char>(address_family(addr(row.wanted).family));
    ifa.ifa_prefixlen = row.prefix;
    ifa.ifa_index = 4;
    put_addr(buffer.message, IFA_ADDRESS, addr(row.address));
    if (row.local) put_addr(buffer.message, IFA_LOCAL, addr(row.local));
    CHECK(parse_address(buffer.message) == LinkAddress{4, cidr(row.net), addr(row.wanted)});
    ifa.ifa_prefixlen = 129;
    CHECK_FALSE(parse_address(buffer.message));
  }
}

TEST_CASE("an address survives its encoding") {
  for (const char* text : {"169.254.1.1", "fd00::1"}) {
    const LinkAddress address{.index = 12, .net = Cidr{addr(text)}, .address = addr(text), .protocol = 80};
    Buffer buffer;
    encode_add_address(buffer.message, address);
    CHECK(parse_address(buffer.message) == address);
    const auto& ifa = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&buffer.message));
    CHECK(ifa.ifa_scope == (address.address.family == Family::V4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE));
  }
}

TEST_CASE("messages cut short or with broken lengths are harmless") {
  Buffer whole;
  encode_add_route(whole.message, {.destination = cidr("fd00::2/128"), .link = 7, .source = addr("fd00::1")});
  for (std::uint32_t length = sizeof(nlmsghdr); length <= whole.message.nlmsg_len; ++length) {
    Buffer cut;
    std::memcpy(cut.bytes.data(), whole.bytes.data(), length);
    cut.message.nlmsg_len = length;
    (void)parse_route(cut.message), (void)parse_link(cut.message), (void)parse_address(cut.message),
        (void)parse_neighbour(cut.message);
  }
  int seen = 0;
  const nlattr broken{.nla_len = 2, .nla_type = 1};  // shorter than its own header: a walk must not stand still
  for_each_attr(&broken, sizeof broken, [&](const nlattr*) { ++seen; });
  CHECK(seen == 0);
}
