#include "netlink_monitor.hpp"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "netlink_codec.hpp"
#include "netlink_socket.hpp"

namespace margay::kernel {
namespace {

// One call reads at most so many datagrams, so that a flood cannot keep the loop from its other work.
constexpr int kDatagramsPerCall = 4096;

void append_event(const nlmsghdr& message, std::vector<KernelEvent>& events) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      if (auto link = parse_link(message)) events.emplace_back(LinkEvent{std::move(*link), message.nlmsg_type == RTM_DELLINK});
      break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      if (const auto address = parse_address(message))
        events.emplace_back(AddressEvent{*address, message.nlmsg_type == RTM_DELADDR});
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      if (const auto route = parse_route(message)) events.emplace_back(RouteEvent{*route, message.nlmsg_type == RTM_DELROUTE});
      break;
    default: break;
  }
}

}  // namespace

Result<std::unique_ptr<NetlinkMonitor>> NetlinkMonitor::open(std::size_t receive_buffer) {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (!socket) return netlink_error(errno, "open monitor");
  std::unique_ptr<NetlinkMonitor> monitor{new NetlinkMonitor{socket}};
  const int bytes = static_cast<int>(receive_buffer);
  if (::setsockopt(monitor->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
    ::setsockopt(monitor->fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (mnl_socket_bind(socket, kGroups, MNL_SOCKET_AUTOPID) < 0) return netlink_error(errno, "subscribe to kernel events");
  return monitor;
}

NetlinkMonitor::NetlinkMonitor(mnl_socket* socket) : socket_{socket}, buffer_(64 * 1024) {}

NetlinkMonitor::~NetlinkMonitor() { mnl_socket_close(socket_); }

int NetlinkMonitor::fd() const noexcept { return mnl_socket_get_fd(socket_); }

Result<std::vector<KernelEvent>> NetlinkMonitor::read_events() {
  std::vector<KernelEvent> events;
  for (int datagrams = 0; datagrams < kDatagramsPerCall;) {
    const ssize_t n = ::recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      if (errno != ENOBUFS) return netlink_error(errno, "read kernel events");
      // The socket stays subscribed and what it still holds is older than the loss; the reader reads everything again anyway.
      events.emplace_back(Lost{});
      ++datagrams;
      continue;
    }
    ++datagrams;
    if (static_cast<std::size_t>(n) > buffer_.size()) {  // a datagram cut short is a loss as well
      events.emplace_back(Lost{});
      continue;
    }
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer_.data()); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
      append_event(*h, events);
  }
  return events;
}

}  // namespace margay::kernel
