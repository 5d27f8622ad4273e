// Conntrack against the kernel: real UDP flows over a veth pair between two network namespaces.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

#include "live_netns.hpp"
#include "netlink.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
using margay::test::output_of;
using margay::test::run;

namespace {

[[maybe_unused]] const margay::test::PrivateNetns kNetns;

Addr addr(const std::string& text) { return *Addr::parse(text); }

std::pair<sockaddr_storage, socklen_t> socket_address(const Addr& address, std::uint16_t port) {
  sockaddr_storage storage{};
  if (address.family == Family::V4) {
    auto& in = reinterpret_cast<sockaddr_in&>(storage);
    in.sin_family = AF_INET, in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes.data(), 4);
    return {storage, sizeof(sockaddr_in)};
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(storage);
  in.sin6_family = AF_INET6, in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, address.bytes.data(), 16);
  return {storage, sizeof(sockaddr_in6)};
}

int udp_socket(const Addr& address, std::uint16_t port) {
  const int fd = ::socket(address.family == Family::V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto [where, size] = socket_address(address, port);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&where), size) == 0);
  return fd;
}

void send_and_receive(int from, int to, const Addr& address, std::uint16_t port) {
  const auto [where, size] = socket_address(address, port);
  REQUIRE(::sendto(from, "x", 1, 0, reinterpret_cast<const sockaddr*>(&where), size) == 1);
  pollfd poll_fd{to, POLLIN, 0};
  REQUIRE(::poll(&poll_fd, 1, 10000) == 1);
  char byte = 0;
  REQUIRE(::recv(to, &byte, 1, 0) == 1);
}

// Entries of this namespace in which the text stands.
long entries_with(const std::string& text) {
  return std::stol("0" + output_of("(conntrack -L -f ipv4; conntrack -L -f ipv6) 2>/dev/null | grep -cF -- '" + text + "'"));
}

}  // namespace

TEST_CASE("an address's flows go in both directions and families, in one call, and no others") {
  if (run("conntrack -C >/dev/null 2>&1") != 0) {
    WARN("skipped: no conntrack tool, or a kernel without ctnetlink");
    return;
  }
  const margay::test::OtherNetns pod;
  REQUIRE(run("ip link add cali1 type veth peer name eth0 netns " + pod.path()) == 0);
  for (const char* tables : {"iptables-legacy", "ip6tables-legacy"})  // a rule that asks turns connection tracking on
    REQUIRE(run(std::string{tables} + " -A INPUT -m conntrack --ctstate NEW -j ACCEPT") == 0);
  const char* const kHost =
      "ip link set lo up; ip link set cali1 up; ip addr add 10.0.0.1/24 dev cali1; ip addr add fd00::1/64 dev cali1 nodad";
  REQUIRE(run(kHost) == 0);
  pod.enter();
  REQUIRE(run("ip link set lo up; ip link set eth0 up; for i in 2 3 4; do ip addr add 10.0.0.$i/24 dev eth0; ip addr add "
              "fd00::$i/64 dev eth0 nodad; done") == 0);
  pod.leave();

  NetlinkConntrack conntrack;
  std::vector<Addr> gone;
  for (const std::string net : {"10.0.0.", "fd00::"}) {
    const Addr host = addr(net + "1");
    const int here = udp_socket(host, 5000);
    for (const std::string last : {"2", "3", "4"}) {
      const Addr pod_address = addr(net + last);
      pod.enter();
      const int there = udp_socket(pod_address, 6000), client = udp_socket(pod_address, 6001);
      pod.leave();
      send_and_receive(here, there, pod_address, 6000);  // host → pod
      pod.enter();
      send_and_receive(client, here, host, 5000);  // pod → host
      pod.leave();
      ::close(there), ::close(client);
      CHECK(entries_with("src=" + pod_address.to_string() + " ") == 2);
    }
    ::close(here);
    gone.push_back(addr(net + "2"));
    gone.push_back(addr(net + "3"));
  }
  REQUIRE(conntrack.remove_flows({addr("10.0.0.99"), addr("fd00::99")}));
  CHECK(entries_with("src=10.0.0.2 ") == 2);
  REQUIRE(conntrack.remove_flows({}));
  const auto status = conntrack.remove_flows(gone);
  INFO((status ? std::string{} : status.error().text));
  REQUIRE(status);
  for (const Addr& each : gone) CHECK(entries_with("src=" + each.to_string() + " ") == 0);
  for (const char* each : {"10.0.0.4", "fd00::4"}) CHECK(entries_with(std::string{"src="} + each + " ") == 2);
}

TEST_CASE("a flow that only one of its tuples links to the address goes too") {
  if (run("conntrack -C >/dev/null 2>&1") != 0) return;
  const margay::test::OtherNetns pod;
  REQUIRE(run("ip link add cali2 type veth peer name eth0 netns " + pod.path() +
              " && ip link set lo up && ip link set cali2 up && ip addr add 10.1.0.1/24 dev cali2") == 0);
  // The first tuple knows the service's address, only the reply knows the pod's.
  REQUIRE(run("iptables-legacy -t nat -A OUTPUT -d 10.96.0.1/32 -p udp -j DNAT --to-destination 10.1.0.2:6000 && ip route add "
              "10.96.0.1/32 dev cali2") == 0);
  pod.enter();
  REQUIRE(run("ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0") == 0);
  const int there = udp_socket(addr("10.1.0.2"), 6000);
  pod.leave();
  NetlinkConntrack conntrack;
  std::uint16_t port = 5001;
  for (const char* each : {"10.1.0.2", "10.96.0.1"}) {
    const int here = udp_socket(addr("10.1.0.1"), port++);
    send_and_receive(here, there, addr("10.96.0.1"), 80);
    ::close(here);
    CHECK(entries_with("dst=10.96.0.1 ") == 1);
    REQUIRE(conntrack.remove_flows({addr(each)}));
    CHECK(entries_with("dst=10.96.0.1 ") == 0);
  }
  ::close(there);
}
