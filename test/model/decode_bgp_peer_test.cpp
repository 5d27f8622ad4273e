// BGPPeer and its annotations: every field, every rule.
#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::errors_of;
using margay::test::value_of;
using nlohmann::json;

namespace {

constexpr const char* kPlain =
    R"j({"kind":"BGPPeer","apiVersion":"projectcalico.org/v3","metadata":{"name":"tor"},"spec":{"peerIP":"192.0.2.1","asNumber":64512}})j";

json peer_with(const char* patch) {
  json manifest = json::parse(kPlain);
  manifest.merge_patch(json::parse(patch));
  return manifest;
}

}  // namespace

TEST_CASE("a BGP peer with everything in it") {
  const json manifest = json::parse(
      R"j({"kind":"BGPPeer","apiVersion":"projectcalico.org/v3","metadata":{"name":"tor","annotations":{
      "bgp.margay.io/bfd":"true","bgp.margay.io/bfd-min-rx":"100","bgp.margay.io/bfd-min-tx":"200","bgp.margay.io/bfd-multiplier":"3",
      "bgp.margay.io/hold-time":"30","bgp.margay.io/max-prefixes":"1000","bgp.margay.io/max-prefixes-action":"warn",
      "bgp.margay.io/long-lived-restart-time":"86400","bgp.margay.io/direct":"true","example.org/bgp.margay.io":"x"}},"spec":{
      "nodeSelector":"rack == 'a'","peerIP":"[2001:db8::1]:1790","asNumber":"1.10","localASNumber":"65001","nextHopMode":"Keep",
      "password":{"secretKeyRef":{"name":"bgp","key":"tor","optional":true}},"sourceAddress":"None","maxRestartTime":"10s","keepaliveTime":"9.5s",
      "numAllowedLocalASNumbers":2,"ttlSecurity":1,"filters":["b","a","b"],"reversePeering":"Manual"}})j");
  CHECK(errors_of(manifest, true) == "");
  BgpPeer expected;
  expected.node_selector = *Selector::parse("rack == 'a'");
  expected.peer_ip = Addr::parse("2001:db8::1");
  expected.peer_port = 1790;
  expected.as_number = 65546;
  expected.local_as_number = 65001;
  expected.next_hop = BgpPeer::NextHop::Keep;
  expected.source_node_ip = false;
  expected.password = SecretRef{"bgp", "tor"};
  expected.restart_time = 10;
  expected.keepalive_time = 10;
  expected.allowed_local_as = 2;
  expected.ttl_hops = 1;
  expected.filters = {"b", "a"};
  expected.reverse_peering = false;
  BgpPeerExtensions& more = expected.extensions;
  more.bfd = more.direct = true;
  more.bfd_min_rx = 100;
  more.bfd_min_tx = 200;
  more.bfd_multiplier = 3;
  more.hold_time = 30;
  more.max_prefixes = 1000;
  more.max_prefix_action = BgpPeerExtensions::MaxPrefixAction::Warn;
  more.long_lived_restart_time = 86400;
  CHECK(*value_of<BgpPeer>(manifest) == expected);
}

TEST_CASE("a BGP peer that says little has the defaults") {
  BgpPeer expected;
  expected.peer_ip = Addr::parse("192.0.2.1");
  expected.as_number = 64512;
  CHECK(*value_of<BgpPeer>(json::parse(kPlain)) == expected);
  CHECK(expected.source_node_ip);
  CHECK(expected.reverse_peering);
  CHECK_FALSE(value_of<BgpPeer>(peer_with(R"j({"spec":{"asNumber":0}})j"))->as_number);
  CHECK_FALSE(value_of<BgpPeer>(peer_with(R"j({"spec":{"ttlSecurity":0}})j"))->ttl_hops);
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"keepOriginalNextHop":true}})j"))->next_hop == BgpPeer::NextHop::KeepExternal);
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"keepOriginalNextHop":false,"nextHopMode":"Self"}})j"))->next_hop ==
        BgpPeer::NextHop::Self);
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"maxRestartTime":"2h"}})j"))->restart_time == 4095u);
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"reachableBy":"192.0.2.254"}})j"))->reachable_by == Addr::parse("192.0.2.254"));
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"node":"n1"}})j"))->node == "n1");
  const auto chosen = value_of<BgpPeer>(peer_with(R"j({"spec":{"peerIP":null,"asNumber":0,"peerSelector":"has(rr)"}})j"));
  CHECK(chosen->peer_selector == *Selector::parse("has(rr)"));
  CHECK_FALSE(chosen->peer_ip);
  CHECK(value_of<BgpPeer>(peer_with(R"j({"spec":{"peerIP":null,"localWorkloadSelector":"app == 'x'"}})j"))
            ->local_workload_selector == *Selector::parse("app == 'x'"));
}

TEST_CASE("the forms of peerIP") {
  const struct {
    const char* text;
    const char* addr;  // empty: an error
    int port;
    const char* interface;
  } cases[] = {
      {"192.0.2.1", "192.0.2.1", 0, ""},
      {"192.0.2.1:179", "192.0.2.1", 179, ""},
      {"192.0.2.1:65535", "192.0.2.1", 65535, ""},
      {"169.254.1.1", "169.254.1.1", 0, ""},
      {"2001:db8::1", "2001:db8::1", 0, ""},
      {"2001:db8::1:179", "2001:db8::1:179", 0, ""},
      {"[2001:db8::1]:179", "2001:db8::1", 179, ""},
      {"fe80::1%eth0", "fe80::1", 0, "eth0"},
      {"[fe80::1%bond0.7]:1790", "fe80::1", 1790, "bond0.7"},
      {"192.0.2.1:0", "", 0, ""},
      {"192.0.2.1:65536", "", 0, ""},
      {"192.0.2.1:", "", 0, ""},
      {"192.0.2.1:+1", "", 0, ""},
      {"192.0.2.1/32", "", 0, ""},
      {"192.0.2.01", "", 0, ""},
      {"192.0.2.1%eth0", "", 0, ""},
      {"[192.0.2.1]:179", "", 0, ""},
      {"[2001:db8::1]", "", 0, ""},
      {"[2001:db8::1]:", "", 0, ""},
      {"2001:db8::1]:179", "", 0, ""},
      {"fe80::1", "", 0, ""},
      {"fe80::1%", "", 0, ""},
      {"fe80::1%a b", "", 0, ""},
      {"fe80::1%e%f", "", 0, ""},
      {"2001:db8::1%eth0", "", 0, ""},
      {"0.0.0.0", "", 0, ""},
      {"::", "", 0, ""},
      {"ffee::10", "ffee::10", 0, ""},  // Calico's golden files have it
      {"::ffff:192.0.2.1", "", 0, ""},
      {"tor1.example.org", "", 0, ""},
      {" 192.0.2.1", "", 0, ""},
      {"[", "", 0, ""},
      {"%", "", 0, ""},
      {":", "", 0, ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    json manifest = json::parse(kPlain);
    manifest["spec"]["peerIP"] = c.text;
    const std::string errors = errors_of(manifest);
    CAPTURE(errors);
    if (*c.addr == '\0') {
      CHECK(errors.starts_with("spec.peerIP: "));
      continue;
    }
    const auto peer = value_of<BgpPeer>(manifest);
    CHECK(peer->peer_ip == Addr::parse(c.addr));
    CHECK(peer->peer_port.value_or(0) == c.port);
    CHECK(peer->extensions.interface == c.interface);
  }
}

TEST_CASE("what a BGP peer must not say") {
  check_cases(
      kPlain,
      {
          {R"j({"spec":{"node":"n1","nodeSelector":"all()"}})j", "spec.nodeSelector: cannot be together with node\n"},
          {R"j({"spec":{"node":"N_1"}})j", "spec.node: \"N_1\" is not the name of a node\n"},
          {R"j({"spec":{"nodeSelector":"((("}})j", "spec.nodeSelector: "},
          {R"j({"spec":{"nodeSelector":"global()"}})j", "spec.nodeSelector: global() can only"},
          {R"j({"spec":{"peerIP":null}})j", "spec.peerIP: is required, or peerSelector, localWorkloadSelector"},
          {R"j({"spec":null})j", "spec.peerIP: is required"},
          {R"j({"spec":{"peerSelector":"all()","asNumber":null}})j", "spec.peerSelector: cannot be together with peerIP\n"},
          {R"j({"spec":{"peerIP":null,"peerSelector":"all()"}})j", "spec.asNumber: cannot be together with peerSelector"},
          {R"j({"spec":{"peerIP":null,"peerSelector":"a =="}})j", "spec.peerSelector: "},
          {R"j({"spec":{"localWorkloadSelector":"all()"}})j", "spec.localWorkloadSelector: cannot be together with peerIP\n"},
          {R"j({"spec":{"peerIP":null,"asNumber":null,"localWorkloadSelector":"all()","peerSelector":"all()"}})j",
           "spec.localWorkloadSelector: cannot be together with peerSelector\nspec.asNumber: is required with"},
          {R"j({"spec":{"peerIP":null,"asNumber":null,"localWorkloadSelector":"all()"}})j",
           "spec.asNumber: is required with localWorkloadSelector, and not 0\n"},
          {R"j({"spec":{"peerIP":null,"asNumber":0,"localWorkloadSelector":"all()"}})j",
           "spec.asNumber: is required with localWorkloadSelector, and not 0\n"},
          {R"j({"spec":{"peerIP":null,"localWorkloadSelector":"all()"}})j", ""},
          {R"j({"spec":{"asNumber":4294967295}})j", ""},
          {R"j({"spec":{"asNumber":4294967296}})j", "spec.asNumber: is not an AS number"},
          {R"j({"spec":{"localASNumber":"x"}})j", "spec.localASNumber: is not an AS number"},
          {R"j({"spec":{"keepOriginalNextHop":true,"nextHopMode":"Auto"}})j",
           "spec.keepOriginalNextHop: cannot be together with nextHopMode\n"},
          {R"j({"spec":{"nextHopMode":"self"}})j", "spec.nextHopMode: \"self\" is not one of Auto, Self, Keep\n"},
          {R"j({"spec":{"sourceAddress":"eth0"}})j", "spec.sourceAddress: \"eth0\" is not one of UseNodeIP, None\n"},
          {R"j({"spec":{"password":{"secretKeyRef":{}}}})j",
           "spec.password.secretKeyRef.name: is required\nspec.password.secretKeyRef.key: is required\n"},
          {R"j({"spec":{"maxRestartTime":"-1s"}})j", "spec.maxRestartTime: \"-1s\" is less than 0 s\n"},
          {R"j({"spec":{"maxRestartTime":10}})j", "spec.maxRestartTime: must be a text, not an integer\n"},
          {R"j({"spec":{"keepaliveTime":"0.4s"}})j", "spec.keepaliveTime: \"0.4s\" is less than 1 s\n"},
          {R"j({"spec":{"numAllowedLocalASNumbers":256}})j", "spec.numAllowedLocalASNumbers: 256 is not between 0 and 255\n"},
          {R"j({"spec":{"numAllowedLocalASNumbers":-1}})j", "spec.numAllowedLocalASNumbers: -1 is not between 0 and 255\n"},
          {R"j({"spec":{"ttlSecurity":256}})j", "spec.ttlSecurity: 256 is not between 0 and 255\n"},
          {R"j({"spec":{"reachableBy":"x"}})j", "spec.reachableBy: \"x\" is not an IP address\n"},
          {R"j({"spec":{"reachableBy":"fd00::1"}})j", "spec.reachableBy: must be of the same family as peerIP\n"},
          {R"j({"spec":{"reachableBy":"0.0.0.0"}})j", "spec.reachableBy: \"0.0.0.0\" is the address of no host\n"},
          {R"j({"spec":{"peerIP":"fd00::2","reachableBy":"fe80::1"}})j", "spec.reachableBy: a link-local address says nothing"},
          {R"j({"spec":{"peerIP":null,"asNumber":null,"peerSelector":"all()","reachableBy":"10.0.0.1"}})j",
           "spec.reachableBy: needs peerIP\n"},
          {R"j({"spec":{"filters":["a","B!"]}})j", "spec.filters[1]: \"B!\" is not the name of a BGPFilter\n"},
          {R"j({"spec":{"reversePeering":"auto"}})j", "spec.reversePeering: \"auto\" is not one of Auto, Manual\n"},
      });
  CHECK(errors_of(peer_with(R"j({"spec":{"peerIp":"1.2.3.4"}})j"), true) == "spec.peerIp: unknown field\n");
}

TEST_CASE("what the annotations of a BGP peer must not say") {
  const auto errors = [](const char* name, const char* value) {
    json manifest = json::parse(kPlain);
    manifest["metadata"]["annotations"][std::string{"bgp.margay.io/"} + name] = value;
    if (std::string_view{name}.starts_with("bfd-")) manifest["metadata"]["annotations"]["bgp.margay.io/bfd"] = "false";
    if (std::string_view{name} == "max-prefixes-action") manifest["metadata"]["annotations"]["bgp.margay.io/max-prefixes"] = "5";
    return errors_of(manifest);
  };
  for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{{"bfd", "true"},
                                                                                    {"bfd", "false"},
                                                                                    {"bfd-min-rx", "1"},
                                                                                    {"bfd-min-tx", "60000"},
                                                                                    {"bfd-multiplier", "255"},
                                                                                    {"hold-time", "0"},
                                                                                    {"hold-time", "3"},
                                                                                    {"hold-time", "65535"},
                                                                                    {"max-prefixes", "1"},
                                                                                    {"max-prefixes", "4294967295"},
                                                                                    {"max-prefixes-action", "block"},
                                                                                    {"max-prefixes-action", "disable"},
                                                                                    {"long-lived-restart-time", "16777215"},
                                                                                    {"direct", "false"}}) {
    CAPTURE(name, value);
    CHECK(errors(name, value) == "");
  }
  for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{{"bfd", "True"},
                                                                                    {"bfd", ""},
                                                                                    {"bfd-min-rx", "0"},
                                                                                    {"bfd-min-rx", "300ms"},
                                                                                    {"bfd-min-tx", "60001"},
                                                                                    {"bfd-multiplier", "0"},
                                                                                    {"bfd-multiplier", "256"},
                                                                                    {"hold-time", "1"},
                                                                                    {"hold-time", "2"},
                                                                                    {"hold-time", "65536"},
                                                                                    {"hold-time", "-3"},
                                                                                    {"max-prefixes", "0"},
                                                                                    {"max-prefixes", "4294967296"},
                                                                                    {"max-prefixes-action", "Warn"},
                                                                                    {"max-prefixes-action", ""},
                                                                                    {"long-lived-restart-time", "16777216"},
                                                                                    {"unnumbered", "a b"},
                                                                                    {"unnumbered", "sixteen-letters-"},
                                                                                    {"unnumbered", ""},
                                                                                    {"direct", "yes"}}) {
    CAPTURE(name, value);
    CHECK(errors(name, value).starts_with(std::string{"metadata.annotations[bgp.margay.io/"} + name + "]: "));
  }
  CHECK(
      errors("bdf", "true") ==
      "metadata.annotations[bgp.margay.io/bdf]: is not known; there are bfd, bfd-min-rx, bfd-min-tx, bfd-multiplier, hold-time, "
      "max-prefixes, max-prefixes-action, long-lived-restart-time, unnumbered, direct\n");
  CHECK(errors_of(peer_with(R"j({"metadata":{"annotations":{"bgp.margay.io/bfd":true}}})j")) ==
        "metadata.annotations[bgp.margay.io/bfd]: must be a text, not a boolean\n");
}

TEST_CASE("annotations of a BGP peer and its spec must agree") {
  check_cases(
      kPlain,
      {
          {R"j({"metadata":{"annotations":{"bgp.margay.io/bfd-min-rx":"100"}}})j",
           "metadata.annotations[bgp.margay.io/bfd-min-rx]: needs the annotation bgp.margay.io/bfd\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/max-prefixes-action":"warn"}}})j",
           "metadata.annotations[bgp.margay.io/max-prefixes-action]: needs the annotation bgp.margay.io/max-prefixes\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/direct":"true"}},"spec":{"ttlSecurity":2}})j",
           "metadata.annotations[bgp.margay.io/direct]: cannot be together with a ttlSecurity of more than one hop\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/direct":"true"}},"spec":{"ttlSecurity":1}})j", ""},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/direct":"true"}},"spec":{"reachableBy":"10.0.0.1"}})j",
           "metadata.annotations[bgp.margay.io/direct]: cannot be together with reachableBy\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/hold-time":"9"}},"spec":{"keepaliveTime":"9s"}})j",
           "metadata.annotations[bgp.margay.io/hold-time]: must be more than keepaliveTime\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/hold-time":"0"}},"spec":{"keepaliveTime":"9s"}})j", ""},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}}})j",
           "metadata.annotations[bgp.margay.io/unnumbered]: cannot be together with a peerIP that is not link-local"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":null}})j", ""},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":"fe80::1"}})j", ""},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":"fe80::1%eth0"}})j", ""},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":"fe80::1%eth1"}})j",
           "metadata.annotations[bgp.margay.io/unnumbered]: names another interface than spec.peerIP, which has \"eth1\"\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":null,"asNumber":null,"peerSelector":"all()"}})j",
           "metadata.annotations[bgp.margay.io/unnumbered]: cannot be together with peerSelector or localWorkloadSelector\n"},
          {R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":null,"localWorkloadSelector":"all()"}})j",
           "metadata.annotations[bgp.margay.io/unnumbered]: cannot be together with peerSelector or localWorkloadSelector\n"},
      });
  CHECK(value_of<BgpPeer>(
            peer_with(R"j({"metadata":{"annotations":{"bgp.margay.io/unnumbered":"eth0"}},"spec":{"peerIP":"fe80::1"}})j"))
            ->extensions.interface == "eth0");
}
