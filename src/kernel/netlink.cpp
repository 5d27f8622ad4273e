#include "netlink.hpp"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <string>

#include "netlink_codec.hpp"

namespace margay::kernel {
namespace {

template <class T>
T& dump_request(nlmsghdr& message, int type) noexcept {
  message.nlmsg_type = static_cast<std::uint16_t>(type);
  message.nlmsg_flags = NLM_F_DUMP;
  return *static_cast<T*>(mnl_nlmsg_put_extra_header(&message, sizeof(T)));
}

template <class T, class Encode, class Parse>
Result<std::vector<T>> dump(NetlinkSocket& socket, std::string_view what, Encode encode, Parse parse) {
  std::vector<T> found;
  auto status = socket.dump(
      what, encode, [&] { found.clear(); },
      [&](const nlmsghdr& message) {
        if (auto item = parse(message)) found.push_back(std::move(*item));
      });
  if (!status) return std::move(status).error();
  return found;
}

bool is_gone(int error) noexcept { return error == ESRCH || error == ENOENT || error == ENODEV || error == EADDRNOTAVAIL; }

}  // namespace

NetlinkLinks::NetlinkLinks() : socket_{NETLINK_ROUTE} {}

Result<std::vector<Link>> NetlinkLinks::links() {
  return dump<Link>(
      socket_, "read links",
      [](nlmsghdr& message) {
        dump_request<ifinfomsg>(message, RTM_GETLINK);
        mnl_attr_put_u32(&message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
      },
      [](const nlmsghdr& message) { return message.nlmsg_type == RTM_NEWLINK ? parse_link(message) : std::nullopt; });
}

Result<std::vector<LinkAddress>> NetlinkLinks::addresses() {
  return dump<LinkAddress>(
      socket_, "read addresses", [](nlmsghdr& message) { dump_request<ifaddrmsg>(message, RTM_GETADDR); },
      [](const nlmsghdr& message) { return message.nlmsg_type == RTM_NEWADDR ? parse_address(message) : std::nullopt; });
}

Status NetlinkLinks::add_address(const LinkAddress& address) {
  const int error = socket_.request(1, [&](std::size_t, nlmsghdr& message) { encode_add_address(message, address); }).front();
  if (error) return netlink_error(error, "add address " + address.address.to_string());
  return {};
}

Status NetlinkLinks::remove_address(const LinkAddress& address) {
  const int error = socket_.request(1, [&](std::size_t, nlmsghdr& message) { encode_remove_address(message, address); }).front();
  if (error && !is_gone(error)) return netlink_error(error, "remove address " + address.address.to_string());
  return {};
}

NetlinkRoutes::NetlinkRoutes() : socket_{NETLINK_ROUTE} {}

Result<std::vector<Route>> NetlinkRoutes::routes(Family family) {
  auto found = dump<Route>(
      socket_, "read routes",
      [family](nlmsghdr& message) {
        auto& rtm = dump_request<rtmsg>(message, RTM_GETROUTE);
        rtm.rtm_family = static_cast<unsigned char>(address_family(family));
        rtm.rtm_table = RT_TABLE_MAIN;  // honoured by kernels with strict checking; parse_route filters for the others
      },
      [family](const nlmsghdr& message) {
        auto route = message.nlmsg_type == RTM_NEWROUTE ? parse_route(message) : std::nullopt;
        // A kernel without IPv6 answers such a dump with every family it has.
        if (route && route->destination.family() != family) route.reset();
        return route;
      });
  // The table filter makes a namespace that has no main table of the family yet an error.
  if (!found && found.error().code == ErrorCode::NotFound) return std::vector<Route>{};
  return found;
}

std::vector<Status> NetlinkRoutes::apply(const std::vector<Route>& remove, const std::vector<Route>& add) {
  const auto outcome = socket_.request(remove.size() + add.size(), [&](std::size_t i, nlmsghdr& message) {
    if (i < remove.size()) encode_remove_route(message, remove[i]);
    else encode_add_route(message, add[i - remove.size()]);
  });
  std::vector<Status> result;
  result.reserve(outcome.size());
  for (std::size_t i = 0; i < outcome.size(); ++i) {
    const bool removes = i < remove.size();
    if (outcome[i] == 0 || (removes && is_gone(outcome[i]))) {
      result.emplace_back();
      continue;
    }
    const Route& route = removes ? remove[i] : add[i - remove.size()];
    result.emplace_back(
        netlink_error(outcome[i], std::string{removes ? "remove" : "add"} + " route " + route.destination.to_string()));
  }
  return result;
}

Result<std::vector<Neighbour>> NetlinkRoutes::neighbours(int link) {
  return dump<Neighbour>(
      socket_, "read neighbours",
      [link](nlmsghdr& message) {
        dump_request<ndmsg>(message, RTM_GETNEIGH);
        mnl_attr_put_u32(&message, NDA_IFINDEX, static_cast<std::uint32_t>(link));
      },
      [link](const nlmsghdr& message) {
        auto neighbour = message.nlmsg_type == RTM_NEWNEIGH ? parse_neighbour(message) : std::nullopt;
        if (neighbour && neighbour->link != link) neighbour.reset();
        return neighbour;
      });
}

Status NetlinkRoutes::set_neighbour(const Neighbour& neighbour) {
  const int error = socket_.request(1, [&](std::size_t, nlmsghdr& message) { encode_set_neighbour(message, neighbour); }).front();
  if (error) return netlink_error(error, "set neighbour " + neighbour.address.to_string());
  return {};
}

Status NetlinkRoutes::remove_neighbour(const Neighbour& neighbour) {
  const int error =
      socket_.request(1, [&](std::size_t, nlmsghdr& message) { encode_remove_neighbour(message, neighbour); }).front();
  if (error && !is_gone(error)) return netlink_error(error, "remove neighbour " + neighbour.address.to_string());
  return {};
}

}  // namespace margay::kernel
