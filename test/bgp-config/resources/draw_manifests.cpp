#include "draw_manifests.hpp"

#include <fmt/format.h>

#include <string>

namespace margay::bgp::test {
namespace {

using nlohmann::json;

class Draw {
 public:
  explicit Draw(Rng& rng) : rng_{rng} {}

  std::uint64_t below(std::uint64_t n) { return rng_() % n; }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <class T>
  T pick(std::initializer_list<T> of) {
    return *(of.begin() + below(of.size()));
  }
  std::string word(std::initializer_list<const char*> of) { return pick(of); }

  // Any bytes that JSON can hold, with those that mean something to BIRD often.
  std::string odd(std::size_t longest) {
    static constexpr std::string_view kOdd = "\"\\'#;{}[]()*?%\n\r\t/. -_+=,:~\x7f";
    std::string out;
    for (auto n = below(longest + 1); n > 0; --n) {
      if (one_in(10)) out += "\xc3\xa9";
      else out += one_in(3) ? kOdd[below(kOdd.size())] : static_cast<char>('a' + below(26));
    }
    return out;
  }
  // Few, so that references meet; some as long as they may be; some that no resource can have.
  std::string name(const char* prefix) {
    const auto n = below(6);
    if (one_in(40)) return odd(30);
    if (n == 4) return fmt::format("{}.with-dots.and--dashes.0", prefix);
    if (n == 5) {
      std::string out{prefix};
      while (out.size() < 253) out += out.size() % 60 == 59 ? '.' : 'x';
      out.back() = 'z';
      return out;
    }
    return fmt::format("{}{}", prefix, n);
  }
  std::string node() { return one_in(4) ? "me" : name("node"); }

  std::string address4() {
    return word({"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "192.0.2.1", "192.0.2.2", "172.16.255.254", "169.254.1.1",
                 "223.255.255.255", "1.0.0.1", "0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "240.0.0.1"});
  }
  std::string address6() {
    return word({"fd00::1", "fd00::2", "fd00::3", "2001:db8::1", "2001:DB8:0:0::000A", "fe80::1", "::ffff:10.0.0.9", "::1",
                 "::", "ff02::1", "2001:db8:1111:2222:3333:4444:5555:6666", "::10.0.0.1", "64:ff9b::1.2.3.4"});
  }
  std::string address() { return one_in(2) ? address4() : address6(); }
  // Host bits are set more often than not.
  std::string cidr4() {
    if (one_in(8)) return address4();
    const int length = one_in(40) ? 33 : pick({0, 1, 7, 8, 12, 15, 16, 24, 26, 28, 31, 32});
    return fmt::format("10.{}.{}.{}/{}", pick({0, 64, 65, 96, 99}), below(4), pick({0, 1, 64, 130, 255}), length);
  }
  std::string cidr6() {
    if (one_in(8)) return address6();
    const int length = one_in(40) ? 129 : pick({0, 1, 7, 8, 48, 64, 112, 116, 122, 127, 128});
    return fmt::format("fd{:02x}:{}::{:x}/{}", pick({0, 0x65, 0x96}), below(4), below(65536), length);
  }
  // Where the decoder wants none.
  std::string masked() {
    const std::string text = cidr();
    const auto net = Cidr::parse(text);
    return net && !one_in(10) ? net->to_string() : text;
  }
  std::string cidr() { return one_in(2) ? cidr4() : cidr6(); }

  json as_number() {
    static const json kNumbers[] = {0,           1,           64512,         65000,   65535,  65536, 4200000000u,
                                    4294967294u, 4294967295u, 4294967296ull, "64512", "1.10", "0.1", "65535.65535",
                                    "0.0",       "23456",     "1.65536",     -1,      "x",    1.5,   "4294967295"};
    return one_in(2) ? json(64512) : kNumbers[below(one_in(10) ? std::size(kNumbers) : 9)];
  }
  std::string community() {
    if (one_in(20)) return word({"65536:1", "no-such", "1:2:4294967296"});
    return word({"64512:7", "65535:65535", "0:0", "64512:1:2", "4294967295:4294967295:4294967295", "65535:666"});
  }
  std::string duration() { return word({"0s", "1s", "5s", "30s", "1m", "10m0s", "4095s", "4096s", "20h", "1500ms"}); }
  std::string selector() {
    return word({"all()", "has(rack)", "rack == 'r1'", "!has(rack)", "rack in {'r1', 'r2'} || zone == \"a\"",
                 "rack == 'r1' && has(rr)", "global("});
  }
  std::string pattern() {
    if (one_in(12)) return word({"a-very-long-name", "e\"th", "\\", "eth 0", "x[ab]", "a;b"});
    return word({"eth*", "*", "cali*", "tunl0", "eth?", "bond0.100", "ens3f0np0.4094"});
  }
  json secret_ref() {
    return {{"secretKeyRef",
             {{"name", fmt::format("secret{}", below(4))}, {"key", one_in(10) ? "no.such" : word({"k", "password"})}}}};
  }

  json manifest(const char* version, const char* kind, const std::string& name, json spec) {
    return {{"apiVersion", version}, {"kind", kind}, {"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
  }
  json calico(const char* kind, const std::string& name, json spec) {
    return manifest("projectcalico.org/v3", kind, name, std::move(spec));
  }
  json labels() {
    json out = json::object();
    if (one_in(2)) out["rack"] = word({"r1", "r2"});
    if (one_in(4)) out["rr"] = "true";
    if (one_in(10)) out["node.kubernetes.io/exclude-from-external-load-balancers"] = "true";
    return out;
  }

  json node(const std::string& name) {
    json out;
    const std::string v4 = fmt::format("10.0.0.{}/{}", 1 + below(6), pick({8, 24, 32})),
                      v6 = fmt::format("fd00::{}/64", 1 + below(6));
    const bool kubernetes = one_in(3);
    if (kubernetes) {
      out = manifest("v1", "Node", name, json::object());
      json& annotations = out["metadata"]["annotations"];
      annotations = json::object();
      if (!one_in(6)) annotations["projectcalico.org/IPv4Address"] = one_in(16) ? cidr4() : v4;
      if (!one_in(3)) annotations["projectcalico.org/IPv6Address"] = one_in(16) ? cidr6() : v6;
      if (one_in(4)) {
        const json number = as_number();
        annotations["projectcalico.org/ASNumber"] = number.is_string() ? number.get<std::string>() : number.dump();
      }
      if (one_in(5)) annotations["projectcalico.org/RouteReflectorClusterID"] = address4();
      if (one_in(5)) annotations["projectcalico.org/IPv4WireguardInterfaceAddr"] = address4();
      if (one_in(2)) out["spec"]["podCIDRs"] = {cidr4(), cidr6()};
    } else {
      json bgp = json::object();
      if (!one_in(6)) bgp["ipv4Address"] = one_in(16) ? cidr4() : v4;
      if (!one_in(3)) bgp["ipv6Address"] = one_in(16) ? cidr6() : v6;
      if (one_in(4)) bgp["asNumber"] = as_number();
      if (one_in(5)) bgp["routeReflectorClusterID"] = address4();
      out = calico("Node", name, {{"bgp", bgp}});
      if (one_in(5)) out["spec"]["wireguard"] = {{"interfaceIPv4Address", address4()}, {"interfaceIPv6Address", address6()}};
    }
    out["metadata"]["labels"] = labels();
    if (one_in(8)) out["metadata"]["annotations"]["bgp.margay.io/drain"] = word({"true", "false", "yes"});
    return out;
  }

  json bgp_configuration() {
    const bool global = one_in(2);
    json spec = json::object();
    if (one_in(3)) spec["listenPort"] = pick({1, 179, 1790, 65535});
    if (one_in(3)) spec["logSeverityScreen"] = word({"Debug", "Info", "Warning", "info"});
    if (one_in(3)) {
      for (auto n = below(4); n > 0; --n) {
        json communities = json::array();
        for (auto k = 1 + below(3); k > 0; --k) communities.push_back(one_in(2) ? word({"c0", "c1"}) : community());
        spec["prefixAdvertisements"].push_back({{"cidr", cidr()}, {"communities", communities}});
      }
      if (spec.contains("prefixAdvertisements"))
        spec["communities"] = {{{"name", "c0"}, {"value", "64512:100"}}, {{"name", "c1"}, {"value", "64512:1:4294967295"}}};
    }
    if (!global) return calico("BGPConfiguration", "node." + node(), spec);
    if (one_in(2)) spec["asNumber"] = as_number();
    if (one_in(4)) spec["nodeToNodeMeshEnabled"] = false;
    else if (one_in(3)) spec["nodeMeshPassword"] = secret_ref(), spec["nodeMeshMaxRestartTime"] = duration();
    if (one_in(2)) spec["bindMode"] = word({"NodeIP", "None", "NodeIP"});
    if (one_in(3)) spec["serviceClusterIPs"] = {{{"cidr", cidr4()}}, {{"cidr", cidr6()}}};
    if (one_in(3)) spec["serviceExternalIPs"] = {{{"cidr", cidr()}}};
    if (one_in(3)) spec["serviceLoadBalancerIPs"] = {{{"cidr", cidr()}}, {{"cidr", ""}}};
    if (one_in(4)) spec["serviceLoadBalancerAggregation"] = word({"Enabled", "Disabled"});
    if (one_in(3)) spec["ignoredInterfaces"] = {pattern(), pattern()};
    if (one_in(2)) spec["localWorkloadPeeringIPV4"] = address4();
    if (one_in(2)) spec["localWorkloadPeeringIPV6"] = address6();
    if (one_in(3)) spec["programClusterRoutes"] = word({"Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"});
    if (one_in(4)) spec["ipv4NormalRoutePriority"] = pick({1, 2, 512, 513, 514, 1024, 2147483646});
    if (one_in(4)) spec["ipv6NormalRoutePriority"] = pick({1, 511, 1024, 2147483646});
    return calico("BGPConfiguration", one_in(20) ? name("other") : "default", spec);
  }

  json bgp_peer() {
    json spec = json::object(), annotations = json::object();
    if (one_in(3)) spec["nodeSelector"] = selector();
    else if (one_in(4)) spec["node"] = node();
    switch (below(8)) {
      case 0: spec["peerSelector"] = selector(); break;
      case 1:
        spec["localWorkloadSelector"] = selector();
        spec["asNumber"] = 65000 + below(3);
        break;
      case 2:
        annotations["bgp.margay.io/unnumbered"] = word({"eth0", "eth1", "bond0.100", "ens3f0np0.4094", "e-t_h.0", "e\"0"});
        break;
      case 3: spec["peerIP"] = word({"fe80::1%eth0", "[fe80::2%eth1]:1790", "fe80::1%e\"h", "fe80::3%bond0.100"}); break;
      default:
        spec["peerIP"] = one_in(4)   ? fmt::format("{}:{}", address4(), pick({1, 179, 1790, 65535, 0}))
                         : one_in(4) ? fmt::format("[{}]:{}", address6(), pick({179, 1790}))
                                     : address();
        if (one_in(5)) spec["reachableBy"] = address();
    }
    if (!spec.contains("peerSelector") && !spec.contains("asNumber") && !one_in(4)) spec["asNumber"] = as_number();
    if (one_in(4)) spec["localASNumber"] = as_number();
    if (one_in(3)) spec["nextHopMode"] = word({"Auto", "Self", "Keep"});
    else if (one_in(4)) spec["keepOriginalNextHop"] = true;
    if (one_in(3)) spec["sourceAddress"] = word({"UseNodeIP", "None"});
    if (one_in(3)) spec["password"] = secret_ref();
    if (one_in(3)) spec["maxRestartTime"] = duration();
    if (one_in(3)) spec["keepaliveTime"] = duration();
    if (one_in(4)) spec["numAllowedLocalASNumbers"] = pick({0, 1, 255});
    if (one_in(4)) spec["ttlSecurity"] = pick({0, 1, 2, 254, 255});
    if (one_in(3)) spec["reversePeering"] = word({"Auto", "Manual"});
    for (auto n = below(3); n > 0; --n) spec["filters"].push_back(name("filter"));
    const auto say = [&](const char* what, std::string value) {
      annotations[std::string{"bgp.margay.io/"} + what] = std::move(value);
    };
    if (one_in(3)) {
      say("bfd", "true");
      if (one_in(2)) say("bfd-min-rx", word({"1", "300", "60000"}));
      if (one_in(2)) say("bfd-min-tx", word({"1", "50", "60000", "60001"}));
      if (one_in(2)) say("bfd-multiplier", word({"1", "255"}));
    }
    if (one_in(4)) say("hold-time", word({"0", "3", "90", "65535", "1"}));
    if (one_in(4)) say("max-prefixes", word({"1", "4294967295"}));
    if (one_in(6)) say("max-prefixes-action", word({"warn", "block", "restart", "disable"}));
    if (one_in(4)) say("long-lived-restart-time", word({"0", "16777215", "3600"}));
    if (one_in(4)) say("direct", "true");
    json out = calico("BGPPeer", name("peer"), spec);
    if (!annotations.empty()) out["metadata"]["annotations"] = annotations;
    return out;
  }

  json rule(bool four) {
    json out = {{"action", word({"Accept", "Reject"})}};
    if (one_in(2)) {
      out["cidr"] = four ? cidr4() : cidr6();
      out["matchOperator"] = word({"In", "NotIn", "Equal", "NotEqual"});
      if (one_in(2)) {
        const auto max = below(four ? 33 : 129), min = one_in(20) ? below(129) : below(max + 1);
        out["prefixLength"] = {{"min", min}, {"max", max}};
      }
    }
    if (one_in(4)) out["source"] = "RemotePeers";
    if (one_in(3)) out["interface"] = pattern();
    if (one_in(3)) out["peerType"] = word({"eBGP", "iBGP"});
    if (one_in(3)) out["communities"] = {{"values", {community()}}};
    if (one_in(4))
      for (auto n = 1 + below(4); n > 0; --n) out["asPathPrefix"].push_back(as_number());
    if (one_in(4)) out["priority"] = pick({1, 512, 1024, 2147483646});
    if (out["action"] == "Accept")
      for (auto n = below(4); n > 0; --n)
        out["operations"].push_back(one_in(3)   ? json{{"addCommunity", {{"value", community()}}}}
                                    : one_in(2) ? json{{"prependASPath", {{"prefix", {as_number(), as_number()}}}}}
                                                : json{{"setPriority", {{"value", pick({1, 512, 1024, 2147483646})}}}});
    return out;
  }
  json bgp_filter() {
    json spec = json::object();
    for (const char* list : {"importV4", "exportV4", "importV6", "exportV6"})
      for (auto n = below(3); n > 0; --n) spec[list].push_back(rule(std::string_view{list}.ends_with('4')));
    return calico("BGPFilter", name("filter"), spec);
  }

  json secret() {
    json out = {{"apiVersion", "v1"},
                {"kind", "Secret"},
                {"metadata", {{"name", name("secret")}, {"namespace", one_in(8) ? "other" : "kube-system"}}}};
    for (const char* key : {"k", "password"}) {
      std::string text = one_in(5) ? odd(40) : "correct horse battery staple";
      if (one_in(5)) text.assign(pick({79u, 80u, 81u, 5000u}), 'p');
      if (one_in(12)) text += one_in(2) ? "\"" : "\n";
      out["stringData"][key] = text;
    }
    return out;
  }

  json pool() {
    json spec;
    if (one_in(6)) spec["cidr"] = masked();
    else if (one_in(3)) spec["cidr"] = fmt::format("fd65:{}::/{}", below(3), pick({64, 112, 122}));
    else spec["cidr"] = fmt::format("10.{}.0.0/{}", 64 + below(3), pick({16, 20, 26}));
    if (one_in(2)) spec["ipipMode"] = word({"Always", "CrossSubnet", "Never"});
    else if (one_in(2)) spec["vxlanMode"] = word({"Always", "CrossSubnet", "Never"});
    if (one_in(4)) spec["disableBGPExport"] = true;
    return calico("IPPool", name("pool"), spec);
  }
  json block() {
    return calico("BlockAffinity", name("block"),
                  {{"node", one_in(3) ? node() : "me"},
                   {"cidr", masked()},
                   {"type", one_in(6) ? "virtual" : "host"},
                   {"state", word({"confirmed", "pending", "pendingDeletion", "confirmed"})}});
  }
  json felix() {
    return calico("FelixConfiguration", one_in(4) ? "node.me" : "default",
                  {{"programClusterRoutes", word({"Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"})}});
  }
  json service() {
    json out =
        manifest("v1", "Service", name("service"), {{"type", word({"ClusterIP", "LoadBalancer", "NodePort", "ExternalName"})}});
    out["metadata"]["namespace"] = "ns";
    json& spec = out["spec"];
    const std::string cluster = fmt::format("10.96.{}.{}", below(3), below(4));
    spec["clusterIP"] = cluster;
    spec["clusterIPs"] = {cluster};
    if (one_in(2)) spec["externalIPs"] = {address(), address4()};
    if (one_in(3)) spec["loadBalancerIP"] = address4();
    if (one_in(3)) spec["externalTrafficPolicy"] = "Local";
    spec["ports"] = {{{"port", 80}}};
    if (one_in(2)) out["status"]["loadBalancer"]["ingress"] = {{{"ip", address()}}};
    return out;
  }
  json slice() {
    return {{"apiVersion", "discovery.k8s.io/v1"},
            {"kind", "EndpointSlice"},
            {"metadata",
             {{"name", name("slice")}, {"namespace", "ns"}, {"labels", {{"kubernetes.io/service-name", name("service")}}}}},
            {"addressType", one_in(3) ? "IPv6" : "IPv4"},
            {"endpoints",
             {{{"addresses", {one_in(3) ? address6() : address4()}},
               {"nodeName", node()},
               {"conditions", {{"ready", !one_in(4)}}}}}}};
  }

  json any() {
    switch (below(20)) {
      case 0:
      case 1: return node(node());
      case 2:
      case 3: return bgp_configuration();
      case 4:
      case 5:
      case 6: return bgp_filter();
      case 7: return secret();
      case 8: return pool();
      case 9: return block();
      case 10: return service();
      case 11: return slice();
      case 12: return felix();
      default: return bgp_peer();
    }
  }

 private:
  Rng& rng_;
};

}  // namespace

std::vector<json> draw_cluster(Rng& rng) {
  Draw d{rng};
  std::vector<json> out{d.node("me")};
  for (auto n = d.below(60); n > 0; --n) out.push_back(d.any());
  return out;
}

json draw_manifest(Rng& rng) { return Draw{rng}.any(); }

std::vector<WorkloadStatus> draw_workloads(Rng& rng) {
  Draw d{rng};
  std::vector<WorkloadStatus> out;
  for (auto n = d.below(4); n > 0; --n) {
    WorkloadStatus workload;
    workload.interface = fmt::format("cali{}", n);
    for (auto k = d.below(4); k > 0; --k)
      if (const auto net = Cidr::parse(d.address())) workload.nets.push_back(*net);
    if (!d.one_in(4)) workload.bgp_peer = d.name("peer");
    out.push_back(std::move(workload));
  }
  return out;
}

ViewOptions draw_options(Rng& rng) {
  Draw d{rng};
  ViewOptions out;
  out.node = "me";
  if (d.one_in(3)) out.router_id = d.one_in(2) ? "hash" : d.address4();
  if (d.one_in(4)) out.cluster_ips = d.cidr();
  out.wait_for_policy = d.one_in(2);
  out.pod_cidrs_are_blocks = d.one_in(3);
  return out;
}

}  // namespace margay::bgp::test
