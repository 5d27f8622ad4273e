#include "ctl/node_address.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;

namespace {

HostAddress address(const char* text) {
  const std::string_view whole = text;
  return {*Addr::parse(whole.substr(0, whole.find('/'))), Cidr::parse(whole)->prefix};
}

HostInterface interface(int index, const char* name, std::initializer_list<const char*> addresses, bool up = true) {
  HostInterface out{index, name, up, {}};
  for (const char* one : addresses) out.addresses.push_back(address(one));
  return out;
}

DefaultRoute route(Family family, int interface, std::uint32_t metric = 0, const char* source = nullptr) {
  return {family, interface, metric, source == nullptr ? std::nullopt : Addr::parse(source)};
}

// What the method answers: "10.0.0.1/24 (eth0)", or "none", or "which of …".
std::string answer(const Host& host, Family family, const char* method, const char* wanted = nullptr) {
  const auto wish = parse_address_wish(family, method);
  REQUIRE(wish);
  const Detection found =
      detect_address(host, family, wish->method, wanted == nullptr ? std::nullopt : Addr::parse(std::string_view{wanted}));
  if (found.chosen) return found.chosen->named();
  if (found.candidates.empty()) return "none";
  std::string out = "which of";
  for (const Candidate& one : found.candidates) out += " " + one.named();
  return out;
}

const HostInterface kLoopback = interface(1, "lo", {"127.0.0.1/8", "::1/128"});
const HostInterface kEth0 = interface(2, "eth0", {"10.0.0.5/24", "fe80::5/64", "fd00::5/64"});
const HostInterface kEth1 = interface(3, "eth1", {"10.1.0.5/24", "fe80::6/64", "fd01::5/64"});
const HostInterface kRack = interface(1, "lo", {"127.0.0.1/8", "10.255.0.5/32", "::1/128", "fdff::5/128"});

}  // namespace

TEST_CASE("node address: what autodetect answers") {
  struct Row {
    const char* what;
    Host host;
    const char* v4;
    const char* v6;
  };
  HostInterface aliased = interface(2, "eth0", {"10.0.0.5/24", "10.0.0.6/24", "fd00::9/64", "fd00::5/64"});
  aliased.addresses[1].secondary = aliased.addresses[2].secondary = true;
  HostInterface passing = interface(2, "eth0", {"10.0.0.5/24", "fd00::5/64"});
  passing.addresses[1].usable = false;
  const Row rows[] = {
      {"one interface", {{kLoopback, kEth0}, {}}, "10.0.0.5/24 (eth0)", "fd00::5/64 (eth0)"},
      {"nothing but loopback", {{kLoopback}, {}}, "none", "none"},
      {"no interface", {{}, {}}, "none", "none"},
      {"two, no default route",
       {{kEth0, kEth1}, {}},
       "which of 10.1.0.5/24 (eth1) 10.0.0.5/24 (eth0)",
       "which of fd01::5/64 (eth1) fd00::5/64 (eth0)"},
      {"two, the default route by one",
       {{kEth0, kEth1}, {route(Family::V4, 2), route(Family::V6, 3)}},
       "10.0.0.5/24 (eth0)",
       "fd01::5/64 (eth1)"},
      {"the better default route counts",
       {{kEth0, kEth1}, {route(Family::V4, 2, 100), route(Family::V4, 3, 50)}},
       "10.1.0.5/24 (eth1)",
       "which of fd01::5/64 (eth1) fd00::5/64 (eth0)"},
      {"a default route by both",
       {{kEth0, kEth1}, {route(Family::V4, 2), route(Family::V4, 3)}},
       "which of 10.1.0.5/24 (eth1) 10.0.0.5/24 (eth0)",
       "which of fd01::5/64 (eth1) fd00::5/64 (eth0)"},
      {"a default route that names its source",
       {{interface(2, "eth0", {"10.0.0.5/24", "10.9.0.5/24"})}, {route(Family::V4, 2, 0, "10.9.0.5")}},
       "10.9.0.5/24 (eth0)",
       "none"},
      {"two of one interface, both first class",
       {{interface(2, "eth0", {"10.0.0.5/24", "10.9.0.5/24"})}, {route(Family::V4, 2)}},
       "which of 10.0.0.5/24 (eth0) 10.9.0.5/24 (eth0)",
       "none"},
      {"secondary and temporary addresses step back", {{aliased}, {}}, "10.0.0.5/24 (eth0)", "fd00::5/64 (eth0)"},
      {"tentative and deprecated ones do not count", {{passing}, {}}, "10.0.0.5/24 (eth0)", "none"},
      {"an interface that is down does not count",
       {{kEth0, interface(3, "eth1", {"10.1.0.5/24"}, false)}, {}},
       "10.0.0.5/24 (eth0)",
       "fd00::5/64 (eth0)"},
      {"what containers and tunnels make is left out",
       {{kEth0, interface(3, "docker0", {"172.17.0.1/16"}), interface(4, "cali12", {"10.3.0.1/32"}),
         interface(5, "tunl0", {"10.4.0.1/32"}), interface(6, "vxlan.calico", {"10.5.0.1/32"}),
         interface(7, "br-12", {"172.18.0.1/16"}), interface(8, "dummy0", {"10.6.0.1/32"})},
        {}},
       "10.0.0.5/24 (eth0)",
       "fd00::5/64 (eth0)"},
      {"names that only begin like an exact one",
       {{interface(2, "lorawan", {"10.0.0.5/24"})}, {}},
       "10.0.0.5/24 (lorawan)",
       "none"},
      {"link-local alone", {{interface(2, "eth0", {"169.254.1.1/16", "fe80::1/64"})}, {}}, "none", "none"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(answer(row.host, Family::V4, "autodetect") == row.v4);
    CHECK(answer(row.host, Family::V6, "autodetect") == row.v6);
  }
}

TEST_CASE("node address: Calico's methods") {
  const Host host{{kRack, kEth0, kEth1, interface(9, "bond0.7", {"10.7.0.5/24"}, false)}, {}};
  struct Row {
    const char* method;
    const char* v4;
    const char* wanted;
  };
  const Row rows[] = {
      {"first-found", "10.1.0.5/24 (eth1)", nullptr},
      {"interface=eth0", "10.0.0.5/24 (eth0)", nullptr},
      {"interface=wlan,eth0", "10.0.0.5/24 (eth0)", nullptr},
      {"interface=th0$", "10.0.0.5/24 (eth0)", nullptr},
      {"interface=^th0", "none", nullptr},
      {"interface=eth", "which of 10.1.0.5/24 (eth1) 10.0.0.5/24 (eth0)", nullptr},
      {"interface=lo", "10.255.0.5/32 (lo)", nullptr},
      {"interface=bond", "10.7.0.5/24 (bond0.7)", nullptr},
      {"skip-interface=eth1", "10.0.0.5/24 (eth0)", nullptr},
      {"skip-interface=x,eth[01]", "none", nullptr},
      {"cidr=10.255.0.0/16", "10.255.0.5/32 (lo)", nullptr},
      {"cidr=10.9.0.0/16,10.0.0.0/24", "10.0.0.5/24 (eth0)", nullptr},
      {"cidr=10.0.0.0/15", "which of 10.1.0.5/24 (eth1) 10.0.0.5/24 (eth0)", nullptr},
      {"can-reach=tor", "10.1.0.5/24 (eth1)", "10.1.0.5"},
      {"can-reach=tor", "none", "10.1.0.6"},
      {"kubernetes-internal-ip", "10.0.0.5/24 (eth0)", "10.0.0.5"},
      {"kubernetes-internal-ip", "none", nullptr},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method);
    CHECK(answer(host, Family::V4, row.method, row.wanted) == row.v4);
  }
  CHECK(answer(host, Family::V6, "cidr=fdff::/16") == "fdff::5/128 (lo)");
  CHECK(answer({host.interfaces, {route(Family::V4, 2)}}, Family::V4, "interface=eth") == "10.0.0.5/24 (eth0)");
}

TEST_CASE("node address: a refusal names the candidates and what to say") {
  const Host host{{kEth0, kEth1}, {}};
  CHECK(detection_refused(detect_address(host, Family::V4, {}), Family::V4) ==
        "several IPv4 addresses of this host would do: 10.1.0.5/24 (eth1), 10.0.0.5/24 (eth0); choose one: --ip 10.1.0.5/24, or "
        "--ip interface=eth1");
  CHECK(detection_refused(detect_address({}, Family::V6, {}), Family::V6) ==
        "no IPv6 address of this host will do; give one: --ip6 ADDRESS/LENGTH, or leave the family out: --ip6 none");
}

TEST_CASE("node address: what --ip takes") {
  using What = AddressWish::What;
  CHECK(parse_address_wish(Family::V4, "none")->what == What::None);
  CHECK(parse_address_wish(Family::V4, "autodetect")->what == What::Detect);
  const auto given = parse_address_wish(Family::V4, "10.0.0.1/24");
  CHECK((given->what == What::Given && given->given == Addr::parse("10.0.0.1") && given->prefix == 24));
  CHECK_FALSE(parse_address_wish(Family::V6, "fd00::1")->prefix);
  for (const char* wrong : {"", "10.0.0.1/33", "10.0.0.1/", "10.0.0", "fd00::1", "127.0.0.1", "169.254.0.1/16", "0.0.0.0",
                            "224.0.0.1", "autodetect=x", "interface=", "interface=,", "interface=(", "interface",
                            "cidr=", "cidr=fd00::/8", "cidr=10.0.0.0/8,x", "can-reach=", "x=y"})
    CHECK_FALSE(parse_address_wish(Family::V4, wrong));
  for (const char* wrong : {"10.0.0.1", "fe80::1/64", "::1", "fd00::1/129", "cidr=10.0.0.0/8", "ff02::1"})
    CHECK_FALSE(parse_address_wish(Family::V6, wrong));
}

TEST_CASE("node address: a given address takes its prefix length from where it is") {
  const Host host{{kRack, kEth0}, {}};
  const auto complete = [&](Family family, const char* text) {
    return complete_address(host, *parse_address_wish(family, text)).named();
  };
  CHECK(complete(Family::V4, "10.0.0.5") == "10.0.0.5/24 (eth0)");
  CHECK(complete(Family::V4, "10.0.0.5/32") == "10.0.0.5/32 (eth0)");
  CHECK(complete(Family::V4, "10.0.0.9") == "10.0.0.9/32");
  CHECK(complete(Family::V6, "fd00::5") == "fd00::5/64 (eth0)");
  CHECK(complete(Family::V6, "fd09::5") == "fd09::5/128");
}
