#include "host_interfaces.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>

#include <fmt/format.h>

namespace margay::ctl {
namespace {

class Socket {
 public:
  explicit Socket(int fd) : fd_{fd} {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

Error failed(std::string_view what) { return Error{ErrorCode::Io, fmt::format("{}: {}", what, std::strerror(errno))}; }

// The attributes of a message by type; the last of each counts.
using Attributes = std::map<unsigned, const rtattr*>;

Attributes attributes(const rtattr* first, std::size_t length) {
  Attributes out;
  int left = static_cast<int>(length);
  for (const rtattr* at = first; RTA_OK(at, left); at = RTA_NEXT(at, left)) out[at->rta_type & NLA_TYPE_MASK] = at;
  return out;
}

template <class Header>
Attributes attributes_after(const nlmsghdr& message) {
  const std::size_t start = NLMSG_LENGTH(sizeof(Header));
  if (message.nlmsg_len < start) return {};
  const auto* bytes = reinterpret_cast<const char*>(&message);
  return attributes(reinterpret_cast<const rtattr*>(bytes + NLMSG_ALIGN(start)), message.nlmsg_len - start);
}

std::optional<std::uint32_t> number(const Attributes& all, unsigned type) {
  const auto found = all.find(type);
  if (found == all.end() || RTA_PAYLOAD(found->second) < sizeof(std::uint32_t)) return std::nullopt;
  std::uint32_t out = 0;
  std::memcpy(&out, RTA_DATA(found->second), sizeof out);
  return out;
}

std::optional<Addr> address(const Attributes& all, unsigned type, Family family) {
  const auto found = all.find(type);
  const std::size_t size = bits(family) / 8;
  if (found == all.end() || RTA_PAYLOAD(found->second) < size) return std::nullopt;
  Addr out{family, {}};
  std::memcpy(out.bytes.data(), RTA_DATA(found->second), size);
  return out;
}

std::optional<Family> family_of(unsigned char family) {
  if (family == AF_INET) return Family::V4;
  if (family == AF_INET6) return Family::V6;
  return std::nullopt;
}

// Busy: something changed meanwhile, and what `each` saw may lack a part.
Status dump(int fd, std::uint16_t type, unsigned char family, const std::function<void(const nlmsghdr&)>& each) {
  struct {
    nlmsghdr header;
    rtgenmsg body;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.body);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.rtgen_family = family;
  if (::send(fd, &request, request.header.nlmsg_len, 0) < 0) return failed("netlink");
  std::vector<std::uint64_t> buffer(32 * 1024);  // aligned for headers; 256 KiB
  bool interrupted = false;
  for (;;) {
    const auto got = ::recv(fd, buffer.data(), buffer.size() * sizeof buffer[0], 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("netlink");
    auto left = static_cast<unsigned>(got);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_DONE)
        return interrupted ? Status{Error{ErrorCode::Busy, "this host's interfaces keep changing"}} : Status{};
      if (message->nlmsg_type == NLMSG_ERROR) {
        errno = -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
        return failed("netlink");
      }
      if (message->nlmsg_type + 2 == type) each(*message);  // RTM_NEWX = RTM_GETX - 2
    }
  }
}

void add_link(Host& host, const nlmsghdr& message) {
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  const Attributes all = attributes_after<ifinfomsg>(message);
  HostInterface interface;
  interface.index = link->ifi_index;
  interface.up = (link->ifi_flags & IFF_UP) != 0;
  if (const auto name = all.find(IFLA_IFNAME); name != all.end()) {
    const auto* text = static_cast<const char*>(RTA_DATA(name->second));
    interface.name.assign(text, ::strnlen(text, RTA_PAYLOAD(name->second)));
  }
  host.interfaces.push_back(std::move(interface));
}

void add_address(Host& host, const nlmsghdr& message) {
  const auto* header = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
  const auto family = family_of(header->ifa_family);
  if (!family) return;
  const Attributes all = attributes_after<ifaddrmsg>(message);
  // On a point-to-point link IFA_ADDRESS is the other end; IPv6 has no IFA_LOCAL elsewhere.
  auto addr = address(all, IFA_LOCAL, *family);
  if (!addr) addr = address(all, IFA_ADDRESS, *family);
  if (!addr) return;
  const std::uint32_t flags = number(all, IFA_FLAGS).value_or(header->ifa_flags);
  HostAddress out{*addr, header->ifa_prefixlen, (flags & IFA_F_SECONDARY) != 0, true};
  if (*family == Family::V6) out.usable = (flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED)) == 0;
  for (HostInterface& interface : host.interfaces)
    if (interface.index == static_cast<int>(header->ifa_index)) interface.addresses.push_back(out);
}

void add_route(Host& host, const nlmsghdr& message) {
  const auto* header = static_cast<const rtmsg*>(NLMSG_DATA(&message));
  const auto family = family_of(header->rtm_family);
  if (!family || header->rtm_dst_len != 0 || header->rtm_type != RTN_UNICAST || (header->rtm_flags & RTM_F_CLONED) != 0) return;
  const Attributes all = attributes_after<rtmsg>(message);
  if (number(all, RTA_TABLE).value_or(header->rtm_table) != RT_TABLE_MAIN) return;
  DefaultRoute route{*family, 0, number(all, RTA_PRIORITY).value_or(0), address(all, RTA_PREFSRC, *family)};
  if (const auto interface = number(all, RTA_OIF)) {
    route.interface = static_cast<int>(*interface);
    host.default_routes.push_back(route);
  }
  const auto hops = all.find(RTA_MULTIPATH);
  if (hops == all.end()) return;
  auto left = static_cast<int>(RTA_PAYLOAD(hops->second));
  for (const auto* hop = static_cast<const rtnexthop*>(RTA_DATA(hops->second));
       left >= static_cast<int>(sizeof *hop) && RTNH_OK(hop, left);) {
    route.interface = hop->rtnh_ifindex;
    host.default_routes.push_back(route);
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    hop = RTNH_NEXT(hop);
  }
}

Result<Host> read_once() {
  const Socket netlink{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (netlink.fd() < 0) return failed("netlink");
  Host host;
  const int fd = netlink.fd();
  if (auto done = dump(fd, RTM_GETLINK, AF_UNSPEC, [&](const nlmsghdr& m) { add_link(host, m); }); !done) return done.error();
  if (auto done = dump(fd, RTM_GETADDR, AF_UNSPEC, [&](const nlmsghdr& m) { add_address(host, m); }); !done) return done.error();
  for (const unsigned char family : {AF_INET, AF_INET6}) {
    auto done = dump(fd, RTM_GETROUTE, family, [&](const nlmsghdr& m) { add_route(host, m); });
    // A kernel without IPv6 has no such routes; addresses are asked for in one go and do not fail.
    if (!done && (family == AF_INET || done.error().code == ErrorCode::Busy)) return done.error();
  }
  return host;
}

}  // namespace

Result<Host> read_host() {
  constexpr int kTries = 20;
  auto host = read_once();
  for (int i = 1; i < kTries && !host && host.error().code == ErrorCode::Busy; ++i) host = read_once();
  return host;
}

Result<Addr> source_towards(Family family, const std::string& destination) {
  addrinfo hints{};
  hints.ai_family = family == Family::V4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  // Port 80 as Calico's: connecting a UDP socket only looks up the route.
  if (const int error = ::getaddrinfo(destination.c_str(), "80", &hints, &found); error != 0)
    return Error{ErrorCode::NotFound, fmt::format("{}: {}", destination, ::gai_strerror(error))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{found, &::freeaddrinfo};
  const Socket udp{::socket(hints.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (udp.fd() < 0 || ::connect(udp.fd(), list->ai_addr, list->ai_addrlen) != 0) return failed(destination);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(udp.fd(), reinterpret_cast<sockaddr*>(&own), &size) != 0) return failed(destination);
  Addr out{family, {}};
  if (family == Family::V4) std::memcpy(out.bytes.data(), &reinterpret_cast<sockaddr_in*>(&own)->sin_addr, 4);
  else std::memcpy(out.bytes.data(), &reinterpret_cast<sockaddr_in6*>(&own)->sin6_addr, 16);
  return out;
}

}  // namespace margay::ctl
