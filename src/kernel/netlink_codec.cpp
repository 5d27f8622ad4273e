#include "netlink_codec.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "netlink_attrs.hpp"

namespace margay::kernel {
namespace {

template <class T>
const T* header(const nlmsghdr& message) noexcept {
  return mnl_nlmsg_get_payload_len(&message) < sizeof(T) ? nullptr : static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

template <class T>
T& put_header(nlmsghdr& message, int type, int flags) noexcept {
  message.nlmsg_type = static_cast<std::uint16_t>(type);
  message.nlmsg_flags = static_cast<std::uint16_t>(flags);
  return *static_cast<T*>(mnl_nlmsg_put_extra_header(&message, sizeof(T)));
}

// The kernel's own u32 attribute, or 0 if it is too short.
std::uint32_t u32(const nlattr* attr) noexcept {
  return mnl_attr_get_payload_len(attr) < sizeof(std::uint32_t) ? 0 : mnl_attr_get_u32(attr);
}

std::optional<Mac> parse_mac(const nlattr* attr) noexcept {
  Mac mac;
  if (mnl_attr_get_payload_len(attr) != mac.bytes.size()) return std::nullopt;
  std::memcpy(mac.bytes.data(), mnl_attr_get_payload(attr), mac.bytes.size());
  return mac;
}

void put_route(nlmsghdr& message, int type, int flags, const Route& route, unsigned char scope) noexcept {
  auto& rtm = put_header<rtmsg>(message, type, flags);
  rtm.rtm_family = static_cast<unsigned char>(address_family(route.destination.family()));
  rtm.rtm_dst_len = route.destination.prefix;
  rtm.rtm_table = RT_TABLE_MAIN;
  rtm.rtm_protocol = route.protocol;
  rtm.rtm_scope = scope;
  rtm.rtm_type = route.type == Route::Type::Blackhole ? RTN_BLACKHOLE : RTN_UNICAST;
  if (route.destination.prefix > 0) put_addr(message, RTA_DST, route.destination.addr);
  mnl_attr_put_u32(&message, RTA_PRIORITY, route.priority);
  if (route.type == Route::Type::Unicast) mnl_attr_put_u32(&message, RTA_OIF, static_cast<std::uint32_t>(route.link));
  if (route.source) put_addr(message, RTA_PREFSRC, *route.source);
}

void put_neighbour(nlmsghdr& message, int type, int flags, const Neighbour& neighbour, bool with_mac) noexcept {
  auto& ndm = put_header<ndmsg>(message, type, flags);
  ndm.ndm_family = static_cast<unsigned char>(address_family(neighbour.address.family));
  ndm.ndm_ifindex = neighbour.link;
  ndm.ndm_state = NUD_PERMANENT;
  put_addr(message, NDA_DST, neighbour.address);
  if (with_mac) mnl_attr_put(&message, NDA_LLADDR, neighbour.mac.bytes.size(), neighbour.mac.bytes.data());
}

ifaddrmsg& put_address(nlmsghdr& message, int type, int flags, const LinkAddress& address) noexcept {
  auto& ifa = put_header<ifaddrmsg>(message, type, flags);
  ifa.ifa_family = static_cast<unsigned char>(address_family(address.address.family));
  ifa.ifa_prefixlen = address.net.prefix;
  ifa.ifa_index = static_cast<unsigned>(address.index);
  put_addr(message, IFA_LOCAL, address.address);
  put_addr(message, IFA_ADDRESS, address.address);
  return ifa;
}

}  // namespace

int address_family(Family family) noexcept { return family == Family::V4 ? AF_INET : AF_INET6; }

std::optional<Family> family_of(int address_family) noexcept {
  if (address_family == AF_INET) return Family::V4;
  if (address_family == AF_INET6) return Family::V6;
  return std::nullopt;
}

std::optional<Addr> parse_addr(const nlattr* attr) noexcept {
  const auto size = mnl_attr_get_payload_len(attr);
  if (size != 4 && size != 16) return std::nullopt;
  Addr addr;
  addr.family = size == 4 ? Family::V4 : Family::V6;
  std::memcpy(addr.bytes.data(), mnl_attr_get_payload(attr), size);
  return addr;
}

void put_addr(nlmsghdr& message, std::uint16_t type, const Addr& addr) noexcept {
  mnl_attr_put(&message, type, bits(addr.family) / 8, addr.bytes.data());
}

std::optional<Link> parse_link(const nlmsghdr& message) {
  const auto* ifi = header<ifinfomsg>(message);
  if (!ifi || ifi->ifi_family != AF_UNSPEC) return std::nullopt;  // a bridge's notices about its ports come with AF_BRIDGE
  Link link;
  link.index = ifi->ifi_index;
  link.up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
  for_each_attr(message, sizeof(ifinfomsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case IFLA_IFNAME:
        link.name.assign(mnl_attr_get_str(attr), strnlen(mnl_attr_get_str(attr), mnl_attr_get_payload_len(attr)));
        break;
      case IFLA_ADDRESS: link.mac = parse_mac(attr); break;
      default: break;
    }
  });
  if (link.name.empty()) return std::nullopt;
  return link;
}

std::optional<LinkAddress> parse_address(const nlmsghdr& message) {
  const auto* ifa = header<ifaddrmsg>(message);
  if (!ifa || !family_of(ifa->ifa_family)) return std::nullopt;
  // On a point-to-point link IFA_ADDRESS is the peer and IFA_LOCAL ours; IPv6 without a peer has IFA_ADDRESS only.
  std::optional<Addr> local, address;
  std::uint8_t protocol = 0;
  for_each_attr(message, sizeof(ifaddrmsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case IFA_LOCAL: local = parse_addr(attr); break;
      case IFA_ADDRESS: address = parse_addr(attr); break;
      case IFA_PROTO:
        if (mnl_attr_get_payload_len(attr) >= 1) protocol = mnl_attr_get_u8(attr);
        break;
      default: break;
    }
  });
  if (!local) local = address;
  if (!local || ifa->ifa_prefixlen > bits(local->family)) return std::nullopt;
  return LinkAddress{static_cast<int>(ifa->ifa_index), Cidr{*local, ifa->ifa_prefixlen}, *local, protocol};
}

std::optional<Route> parse_route(const nlmsghdr& message) {
  const auto* rtm = header<rtmsg>(message);
  if (!rtm) return std::nullopt;
  const auto family = family_of(rtm->rtm_family);
  if (!family || rtm->rtm_dst_len > bits(*family) || rtm->rtm_src_len != 0 || rtm->rtm_tos != 0 ||
      (rtm->rtm_flags & RTM_F_CLONED))
    return std::nullopt;
  if (rtm->rtm_type != RTN_UNICAST && rtm->rtm_type != RTN_BLACKHOLE) return std::nullopt;
  std::uint32_t table = rtm->rtm_table;
  Addr destination;
  destination.family = *family;
  Route route;
  route.type = rtm->rtm_type == RTN_BLACKHOLE ? Route::Type::Blackhole : Route::Type::Unicast;
  route.protocol = rtm->rtm_protocol;
  route.priority = 0;
  for_each_attr(message, sizeof(rtmsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case RTA_TABLE: table = u32(attr); break;
      case RTA_DST:
        if (const auto addr = parse_addr(attr)) destination = *addr;
        break;
      case RTA_PRIORITY: route.priority = u32(attr); break;
      case RTA_OIF: route.link = static_cast<int>(u32(attr)); break;
      case RTA_PREFSRC: route.source = parse_addr(attr); break;
      case RTA_GATEWAY:
      case RTA_VIA: route.via = true; break;
      case RTA_MULTIPATH:
        route.via = true;
        if (mnl_attr_get_payload_len(attr) >= sizeof(rtnexthop))
          route.link = static_cast<const rtnexthop*>(mnl_attr_get_payload(attr))->rtnh_ifindex;
        break;
      default: break;
    }
  });
  if (table != RT_TABLE_MAIN) return std::nullopt;
  if (route.type == Route::Type::Blackhole) route.link = 0;  // IPv6 hangs it on lo
  route.destination = Cidr{destination, rtm->rtm_dst_len};
  return route;
}

std::optional<Neighbour> parse_neighbour(const nlmsghdr& message) {
  const auto* ndm = header<ndmsg>(message);
  if (!ndm || !family_of(ndm->ndm_family) || !(ndm->ndm_state & NUD_PERMANENT)) return std::nullopt;
  std::optional<Addr> address;
  std::optional<Mac> mac;
  for_each_attr(message, sizeof(ndmsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case NDA_DST: address = parse_addr(attr); break;
      case NDA_LLADDR: mac = parse_mac(attr); break;
      default: break;
    }
  });
  if (!address || !mac) return std::nullopt;
  return Neighbour{ndm->ndm_ifindex, *address, *mac};
}

void encode_add_route(nlmsghdr& message, const Route& route) noexcept {
  // IPv4 refuses a route without a gateway in universe scope as a source of next hops; ip(8) takes link scope too. IPv6 has no
  // scopes.
  const bool on_link = route.type == Route::Type::Unicast && route.destination.family() == Family::V4;
  put_route(message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
}

void encode_add_address(nlmsghdr& message, const LinkAddress& address) noexcept {
  const bool v4 = address.address.family == Family::V4;
  auto& ifa = put_address(message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
  ifa.ifa_scope = v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;  // IPv6 makes its own scope of the address
  mnl_attr_put_u32(&message, IFA_FLAGS, IFA_F_NOPREFIXROUTE | (v4 ? 0u : unsigned{IFA_F_NODAD}));
  if (address.protocol) mnl_attr_put_u8(&message, IFA_PROTO, address.protocol);
}

void encode_remove_address(nlmsghdr& message, const LinkAddress& address) noexcept {
  put_address(message, RTM_DELADDR, 0, address);
}

void encode_remove_route(nlmsghdr& message, const Route& route) noexcept {
  put_route(message, RTM_DELROUTE, 0, route, RT_SCOPE_NOWHERE);  // NOWHERE: of any scope
}

void encode_set_neighbour(nlmsghdr& message, const Neighbour& neighbour) noexcept {
  put_neighbour(message, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, neighbour, true);
}

void encode_remove_neighbour(nlmsghdr& message, const Neighbour& neighbour) noexcept {
  put_neighbour(message, RTM_DELNEIGH, 0, neighbour, false);
}

}  // namespace margay::kernel
