// Namespaces, service accounts, services, nodes, sets, pools, settings.
#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::decoded;
using margay::test::errors_of;
using margay::test::value_of;
using nlohmann::json;

namespace {

json calico(const char* kind, const char* name, const char* spec) {
  return {{"apiVersion", "projectcalico.org/v3"}, {"kind", kind}, {"metadata", {{"name", name}}}, {"spec", json::parse(spec)}};
}

}  // namespace

TEST_CASE("identify says what a manifest is") {
  const auto id = identify(json::parse(R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})j"));
  REQUIRE(id);
  CHECK(*id == ObjectId{Kind::Pod, "default", "a"});
  CHECK(*identify(json::parse(R"j({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}})j")) ==
        ObjectId{Kind::KubernetesNode, "", "a"});
  CHECK(identify(json::parse(R"j({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}})j")).error().code ==
        ErrorCode::Unsupported);
  const struct {
    const char *manifest, *error;
  } cases[] = {
      {"[]", "a manifest must be an object"},
      {"{}", "apiVersion: is required"},
      {R"j({"apiVersion":1,"kind":"Pod"})j", "apiVersion: is required"},
      {R"j({"apiVersion":"v1"})j", "kind: is required"},
      {R"j({"apiVersion":"v1","kind":"Pod"})j", "metadata: is required"},
      {R"j({"apiVersion":"v1","kind":"Pod","metadata":[]})j", "metadata: is required"},
      {R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":""}})j", "metadata.name: is required"},
      {R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":1}})j", "metadata.namespace: must be a text"},
      {R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\u0000b"}})j",
       "metadata.name: \"a\\x00b\" must be a DNS subdomain"},
      {R"j({"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"a.b"}})j",
       "metadata.name: \"a.b\" must be a DNS label"},
      {R"j({"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkPolicy","metadata":{"name":"a.b.c"}})j",
       "metadata.name: \"a.b.c\" must be a DNS label, or two"},
      {R"j({"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"a","namespace":"x"}})j",
       "metadata.namespace: a Tier has no namespace"},
  };
  for (const auto& c : cases) {
    const auto result = identify(json::parse(c.manifest));
    INFO(c.manifest);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::Invalid);
    CHECK(result.error().text.rfind(c.error, 0) == 0);
  }
  CHECK(identify(json::parse(
      R"j({"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"knp.default.a.b.c","namespace":"x"}})j")));
}

TEST_CASE("a namespace is a profile that lets pass and hands down its labels") {
  const Decoded out =
      decoded(json::parse(R"j({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"}}})j"));
  CHECK(*out.key == Key{Kind::Profile, {}, "kns.shop"});
  const auto profile = std::get<Ref<Profile>>(*out.value);
  CHECK(profile->labels_to_apply == Labels{{"pcns.team", "a"}, {"pcns.projectcalico.org/name", "shop"}});
  CHECK(profile->ingress == std::vector<Rule>{Rule{}});
  CHECK(profile->egress == std::vector<Rule>{Rule{}});
  CHECK(profile->ingress[0].action == Action::Allow);
}

TEST_CASE("a service account is a profile without rules") {
  const Decoded out = decoded(json::parse(
      R"j({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot","namespace":"shop","labels":{"team":"a"}}})j"));
  CHECK(*out.key == Key{Kind::Profile, {}, "ksa.shop.robot"});
  const auto profile = std::get<Ref<Profile>>(*out.value);
  CHECK(profile->labels_to_apply == Labels{{"pcsa.team", "a"}, {"pcsa.projectcalico.org/name", "robot"}});
  CHECK(profile->ingress.empty());
  CHECK(profile->egress.empty());
}

TEST_CASE("a service") {
  const char* manifest =
      R"j({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"type":"LoadBalancer",
    "clusterIP":"10.96.0.7","clusterIPs":["10.96.0.7","fd00::7"],"externalIPs":["192.0.2.7"],"externalTrafficPolicy":"Local",
    "ports":[{"name":"http","port":80,"targetPort":"http","nodePort":30080},{"name":"dns","port":53,"protocol":"UDP"}]},
    "status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.7"},{"hostname":"x"}]}}})j";
  const auto service = value_of<Service>(json::parse(manifest));
  CHECK(service->type == "LoadBalancer");
  CHECK(service->cluster_ips == std::vector<Addr>{*Addr::parse("10.96.0.7"), *Addr::parse("fd00::7")});
  CHECK(service->external_ips == std::vector<Addr>{*Addr::parse("192.0.2.7")});
  CHECK(service->load_balancer_ips == std::vector<Addr>{*Addr::parse("198.51.100.7")});
  CHECK(service->ports == std::vector<ServicePort>{{"http", protocol::kTcp, 80, 30080}, {"dns", protocol::kUdp, 53, 0}});
  CHECK(service->external_policy_local);
  CHECK_FALSE(service->internal_policy_local);
  check_cases(
      manifest,
      {
          {R"j({"metadata":{"name":"1web"}})j", "metadata.name: \"1web\" must be a DNS label that starts with a letter"},
          {R"j({"spec":{"clusterIP":"None","clusterIPs":["None"]}})j", ""},
          {R"j({"spec":{"type":"Odd"}})j", "spec.type: \"Odd\" is not one of ClusterIP, NodePort, LoadBalancer, ExternalName\n"},
          {R"j({"spec":{"clusterIP":"x"}})j", "spec.clusterIP: \"x\" is not an IP address\n"},
          {R"j({"spec":{"ports":[{"name":"a"}]}})j", "spec.ports[0].port: is required\n"},
          {R"j({"status":{"loadBalancer":{"ingress":[{"ip":"x"}]}}})j",
           "status.loadBalancer.ingress[0].ip: \"x\" is not an IP address\n"},
      });
}

TEST_CASE("an endpoint slice") {
  const char* manifest =
      R"j({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-x7","namespace":"shop",
    "labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","endpoints":[
    {"addresses":["10.0.0.4"],"nodeName":"node1","conditions":{"ready":false}},{"addresses":["10.0.0.5"]}],
    "ports":[{"name":"http","port":80,"protocol":"TCP"},{"name":"any"},{"name":"","port":53,"protocol":"UDP"}]})j";
  const auto slice = value_of<EndpointSlice>(json::parse(manifest));
  CHECK(slice->service == "web");
  REQUIRE(slice->endpoints.size() == 2);
  CHECK(slice->endpoints[0] == EndpointSlice::Endpoint{{*Addr::parse("10.0.0.4")}, "node1", false});
  CHECK(slice->endpoints[1] == EndpointSlice::Endpoint{{*Addr::parse("10.0.0.5")}, {}, true});
  CHECK(slice->ports == std::vector<ServicePort>{{"http", protocol::kTcp, 80, 0}, {"", protocol::kUdp, 53, 0}});
  check_cases(
      manifest,
      {
          {R"j({"addressType":null})j", "addressType: is required\n"},
          {R"j({"addressType":"IPv6"})j", "endpoints[0].addresses[0]: is of another family than the slice's addressType\n"},
          {R"j({"addressType":"FQDN","endpoints":[{"addresses":["a.example"]}]})j", ""},
          {R"j({"endpoints":[{"addresses":["a.example"]}]})j", "endpoints[0].addresses[0]: \"a.example\" is not an IP address\n"},
          {R"j({"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":"yes"}}]})j",
           "endpoints[0].conditions.ready: must be true or false, not a text\n"},
          {R"j({"ports":[{"port":-1}]})j", "ports[0].port: -1 is not between 0 and 65535\n"},
          {R"j({"metadata":{"labels":null}})j", ""},
      });
}

TEST_CASE("network sets") {
  json manifest =
      calico("NetworkSet", "ns1", R"j({"nets":["198.51.100.0/28","10.0.0.1","198.51.100.0/28","0.0.0.0/0","198.51.100.3/28"]})j");
  manifest["metadata"]["namespace"] = "shop";
  manifest["metadata"]["labels"] = {{"role", "db"}};
  const Decoded out = decoded(manifest);
  CHECK(*out.key == Key{Kind::NetworkSet, "shop", "ns1"});
  const auto set = std::get<Ref<NetworkSet>>(*out.value);
  CHECK(set->labels == Labels{{"role", "db"}, {"projectcalico.org/namespace", "shop"}});
  CHECK(set->profiles == std::vector<Symbol>{"kns.shop"});
  CHECK(set->nets == std::vector<Cidr>{*Cidr::parse("198.51.100.0/28"), *Cidr::parse("10.0.0.1/32"), *Cidr::parse("0.0.0.0/0")});

  const char* global =
      R"j({"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkSet","metadata":{"name":"gns1","labels":{"a":"b"}},"spec":{"nets":["203.0.113.0/24"]}})j";
  const auto everywhere = value_of<NetworkSet>(json::parse(global));
  CHECK(everywhere->labels == Labels{{"a", "b"}});
  CHECK(everywhere->profiles.empty());
  check_cases(global, {
                          {R"j({"spec":null})j", ""},
                          {R"j({"spec":{"nets":["x"]}})j", "spec.nets[0]: \"x\" is not an IP network\n"},
                          {R"j({"spec":{"nets":["1.1.1.1",5]}})j", "spec.nets[1]: must be a text, not an integer\n"},
                          {R"j({"spec":{"nets":"1.1.1.1"}})j", "spec.nets: must be a list, not a text\n"},
                          {R"j({"metadata":{"labels":{"projectcalico.org/namespace":"x"}}})j",
                           "metadata.labels[projectcalico.org/namespace]: is set by Calico"},
                      });
}

TEST_CASE("a Calico node") {
  const char* manifest =
      R"j({"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"node1","labels":{"rack":"a"}},"spec":{"bgp":{"asNumber":64512,
    "ipv4Address":"10.0.0.11/24","ipv6Address":"fd00::11","ipv4IPIPTunnelAddr":"192.168.11.1"},"ipv4VXLANTunnelAddr":"192.168.11.0","vxlanTunnelMACAddr":"66:aa:bb:cc:dd:ee",
    "orchRefs":[{"nodeName":"k8s-node1","orchestrator":"k8s"}]},"status":{"podCIDRs":["10.244.1.0/24"]}})j";
  const auto node = value_of<Node>(json::parse(manifest));
  CHECK(node->labels == Labels{{"rack", "a"}});
  CHECK(node->ipv4 == Addr::parse("10.0.0.11"));
  CHECK(node->ipv4_net == Cidr::parse("10.0.0.0/24"));
  CHECK(node->ipv6 == Addr::parse("fd00::11"));
  CHECK(node->ipv6_net == Cidr::parse("fd00::11/128"));
  CHECK(node->as_number == 64512u);
  CHECK(node->pod_cidrs == std::vector<Cidr>{*Cidr::parse("10.244.1.0/24")});
  check_cases(manifest, {
                            {R"j({"spec":{"bgp":{"asNumber":"1.10"}}})j", ""},
                            {R"j({"spec":{"bgp":{"asNumber":4294967296}}})j", "spec.bgp.asNumber: is not an AS number"},
                            {R"j({"spec":{"bgp":{"asNumber":"1.65536"}}})j", "spec.bgp.asNumber: is not an AS number"},
                            {R"j({"spec":{"bgp":{"ipv4Address":"fd00::1/64"}}})j",
                             "spec.bgp.ipv4Address: \"fd00::1/64\" is not an IPv4 address"},
                            {R"j({"spec":{"bgp":{"routeReflectorClusterID":"x"}}})j",
                             "spec.bgp.routeReflectorClusterID: \"x\" is not an IP address\n"},
                            {R"j({"spec":{"vxlanTunnelMACAddr":"x"}})j", "spec.vxlanTunnelMACAddr: \"x\" is not a MAC address\n"},
                            {R"j({"status":{"podCIDRs":["x"]}})j", "status.podCIDRs[0]: \"x\" is not an IP network\n"},
                        });
  json empty = json::parse(manifest);
  empty["spec"]["bgp"] = json::object();
  CHECK(errors_of(empty) == "spec.bgp: must not be empty: leave it out\n");
  empty["spec"]["bgp"] = {{"asNumber", "1.10"}};
  CHECK(value_of<Node>(empty)->as_number == 65546u);
}

TEST_CASE("a Kubernetes node says the same in annotations, wrong ones ignored") {
  const Decoded out = decoded(json::parse(
      R"j({"apiVersion":"v1","kind":"Node","metadata":{"name":"node1","labels":{"kubernetes.io/os":"linux","both":"kube"},
    "annotations":{"projectcalico.org/IPv4Address":"10.0.0.11/24","projectcalico.org/IPv6Address":"junk","projectcalico.org/ASNumber":"65001",
    "projectcalico.org/RouteReflectorClusterID":"1.2.3.4","projectcalico.org/labels":"{\"rack\":\"a\",\"both\":\"calico\"}"}},
    "spec":{"podCIDRs":["10.244.1.0/24","fd00:1::/64"]}})j"));
  CHECK(*out.key == Key{Kind::Node, {}, "node1"});
  const auto node = std::get<Ref<Node>>(*out.value);
  CHECK(node->labels == Labels{{"both", "kube"}, {"kubernetes.io/os", "linux"}, {"rack", "a"}});
  CHECK(node->ipv4 == Addr::parse("10.0.0.11"));
  CHECK(node->ipv4_net == Cidr::parse("10.0.0.0/24"));
  CHECK_FALSE(node->ipv6);
  CHECK(node->as_number == 65001u);
  CHECK(node->route_reflector_cluster_id == "1.2.3.4");
  CHECK(node->pod_cidrs.size() == 2);
}

TEST_CASE("a pool") {
  const char* manifest =
      R"j({"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"default-ipv4-ippool"},"spec":{"cidr":"192.168.0.0/16",
    "vxlanMode":"Never","ipipMode":"Always","natOutgoing":true,"blockSize":26,"nodeSelector":"all()",
     "allowedUses" : [ "Workload", "Tunnel" ], "assignmentMode" : "Automatic"
}
})j";
  const auto pool = value_of<IpPool>(json::parse(manifest));
  CHECK(pool->cidr == *Cidr::parse("192.168.0.0/16"));
  CHECK(pool->nat_outgoing);
  CHECK(pool->ipip == IpPool::Encap::Always);
  CHECK(pool->vxlan == IpPool::Encap::Never);
  CHECK(pool->block_size == 26);
  CHECK(pool->node_selector.is_all());
  CHECK(pool->use_workload);
  CHECK(pool->use_tunnel);
  CHECK_FALSE(pool->only_load_balancer);
  CHECK(pool->automatic);
  CHECK(
      *value_of<IpPool>(calico("IPPool", "p", R"j({"cidr":"192.168.0.0/16"})j")) ==
      *value_of<IpPool>(calico(
          "IPPool", "p",
          R"j({"cidr":"192.168.0.0/16","ipipMode":"Never","blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"]
  })j")));
  CHECK(value_of<IpPool>(calico("IPPool", "p", R"j({"cidr":"fd00::/48"})j"))->block_size == 122);
  const auto lb = value_of<IpPool>(calico("IPPool", "p", R"j({"cidr":"10.0.0.0/24","allowedUses":["LoadBalancer"]})j"));
  CHECK(lb->only_load_balancer);
  CHECK_FALSE(lb->use_workload);
  CHECK_FALSE(lb->use_tunnel);

  check_cases(
      manifest,
      {
          {R"j({"spec":{"cidr":null}})j", "spec.cidr: is required\n"},
          {R"j({"spec":{"cidr":"192.168.0.1/16"}})j", "spec.cidr: \"192.168.0.1/16\" has bits set beyond its prefix"},
          {R"j({"spec":{"cidr":"169.254.1.0/24"}})j", "spec.cidr: overlaps with the link-local network 169.254.0.0/16\n"},
          {R"j({"spec":{"cidr":"0.0.0.0/0"}})j", "spec.cidr: overlaps with the link-local network"},
          {R"j({"spec":{"cidr":"10.0.0.0/27"}})j", "spec.cidr: 10.0.0.0/27 is smaller than a block (/26)\n"},
          {R"j({"spec":{"cidr":"10.0.0.0/27","disabled":true}})j", ""},
          {R"j({"spec":{"blockSize":19}})j", "spec.blockSize: 19 is not between 20 and 32\n"},
          {R"j({"spec":{"blockSize":33}})j", "spec.blockSize: 33 is not between 20 and 32\n"},
          {R"j({"spec":{"cidr":"fd00::/48","blockSize":115,"ipipMode":null}})j",
           "spec.blockSize: 115 is not between 116 and 128\n"},
          {R"j({"spec":{"cidr":"fd00::/48","blockSize":null}})j", "spec.ipipMode: is for IPv4 pools only\n"},
          {R"j({"spec":{"vxlanMode":"CrossSubnet"}})j", "spec.vxlanMode: cannot be together with ipipMode\n"},
          {R"j({"spec":{"ipipMode":"always"}})j", "spec.ipipMode: \"always\" is not one of Never, Always, CrossSubnet\n"},
          {R"j({"spec":{"nodeSelector":"a =="}})j", "spec.nodeSelector: "},
          {R"j({"spec":{"nodeSelector":"global()"}})j", "spec.nodeSelector: global() can only be used"},
          {R"j({"spec":{"namespaceSelector":"a == 'b'"}})j", "spec.namespaceSelector: cannot be together with the use Tunnel"},
          {R"j({"spec":{"namespaceSelector":"a == 'b'","allowedUses":["Workload"]}})j", ""},
          {R"j({"spec":{"allowedUses":["LoadBalancer","Workload"],"ipipMode":null}})j",
           "spec.allowedUses: LoadBalancer cannot be together with other uses\n"},
          {R"j({"spec":{"allowedUses":["LoadBalancer"]}})j", "spec.ipipMode: cannot be together with the use LoadBalancer\n"},
          {R"j({"spec":{"allowedUses":["LoadBalancer"],"ipipMode":null,"nodeSelector":"a == 'b'"}})j",
           "spec.nodeSelector: must be all()"},
          {R"j({"spec":{"allowedUses":["LoadBalancer"],"ipipMode":null,"disableBGPExport":true}})j",
           "spec.disableBGPExport: cannot be"},
          {R"j({"spec":{"allowedUses":["Odd"]}})j",
           "spec.allowedUses[0]: \"Odd\" is not one of Workload, Tunnel, LoadBalancer\n"},
          {R"j({"spec":{"allowedUses":{}}})j", "spec.allowedUses: must be a list, not an object\n"},
          {R"j({"spec":{"assignmentMode":"Odd"}})j", "spec.assignmentMode: \"Odd\" is not one of Automatic, Manual\n"},
          {R"j({"spec":{"natOutgoing":"true"}})j", "spec.natOutgoing: must be true or false, not a text\n"},
      });
}

TEST_CASE("Felix's parameters are text by Felix's names") {
  const auto config = value_of<FelixConfiguration>(calico("FelixConfiguration", "default", R"j({
    "iptablesMarkMask":4294901760,"ipipEnabled":true,"ipipMTU":1440,"iptablesRefreshInterval":"1m30s","iptablesLockProbeInterval":"50ms",
    "iptablesPostWriteCheckInterval":"2.5s","defaultEndpointToHostAction":"Accept","interfacePrefix":"cali,tap","failsafeInboundHostPorts":
    [{"protocol":"TCP","port":22},{"protocol":"UDP","port":53,"net":"fd00::/8"},{"port":1,"protocol":"TCP","net":"10.0.0.0/8"}],
    "failsafeOutboundHostPorts":[],"kubeNodePortRanges":["30000:32767",31],"natPortRange":"1000:2000","externalNodesList":["10.0.0.1","10.1.0.0/16"],
    "routeTableRange":{"min":1,"max":99},"healthTimeoutOverrides":[{"name":"a","timeout":"20s"}],"istioDSCPMark":"EF","logPrefix":"",
    "bpfConntrackTimeouts":{"tcpSynSent":"Auto","udpTimeout":"60s"},"bpfLogFilters":{"all":"tcp"},"wireguardKeepAlive":"0s","somethingNew":"x"})j"));
  const std::map<std::string, std::string> expected{{"IptablesMarkMask", "0xffff0000"},
                                                    {"IpInIpEnabled", "true"},
                                                    {"IpInIpMtu", "1440"},
                                                    {"IptablesRefreshInterval", "90"},
                                                    {"IptablesLockProbeIntervalMillis", "50"},
                                                    {"IptablesPostWriteCheckIntervalSecs", "2.5"},
                                                    {"DefaultEndpointToHostAction", "Accept"},
                                                    {"InterfacePrefix", "cali,tap"},
                                                    {"FailsafeInboundHostPorts", "tcp:22,udp:[fd00::/8]:53,tcp:10.0.0.0/8:1"},
                                                    {"FailsafeOutboundHostPorts", "none"},
                                                    {"KubeNodePortRanges", "30000:32767,31"},
                                                    {"NatPortRange", "1000:2000"},
                                                    {"ExternalNodesCIDRList", "10.0.0.1/32,10.1.0.0/16"},
                                                    {"RouteTableRange", "1-99"},
                                                    {"HealthTimeoutOverrides", "a=20s"},
                                                    {"IstioDSCPMark", "46"},
                                                    {"BpfConntrackTimeouts", "TCPSynSent=Auto,UDPTimeout=60s"},
                                                    {"BpfLogFilters", "all=tcp"},
                                                    {"WireguardPersistentKeepAlive", "0"},
                                                    {"SomethingNew", "x"}};
  CHECK(config->parameters == expected);
  CHECK_FALSE(config->node_selector);
}

TEST_CASE("a FelixConfiguration for selected nodes") {
  json manifest = calico("FelixConfiguration", "racks", R"j({"nodeSelector":"rack == 'a'","logSeverityScreen":"debug"})j");
  manifest["metadata"]["creationTimestamp"] = "2026-08-01T10:00:00Z";
  const auto config = value_of<FelixConfiguration>(manifest);
  REQUIRE(config->node_selector);
  CHECK(config->node_selector->matches(Labels{{"rack", "a"}}));
  CHECK(config->creation_timestamp == "2026-08-01T10:00:00Z");
  CHECK(config->parameters == std::map<std::string, std::string>{{"LogSeverityScreen", "Debug"}});
}

TEST_CASE("what is wrong with a FelixConfiguration") {
  check_cases(
      R"j({"kind":"FelixConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"node.n1"},"spec":{"logSeverityScreen":"Info"}})j",
      {
          {R"j({"metadata":{"name":"other"}})j", "metadata.name: must be \"default\" or \"node.<node>\""},
          {R"j({"metadata":{"name":"other"},"spec":{"nodeSelector":"all()"}})j", ""},
          {R"j({"spec":{"ipv6Support":"true"}})j", "spec.ipv6Support: must be true or false, not a text\n"},
          {R"j({"spec":{"iptablesMarkMask":4294967296}})j",
           "spec.iptablesMarkMask: 4294967296 is not between 0 and 4294967295\n"},
          {R"j({"spec":{"iptablesMarkMask":"0xff"}})j", "spec.iptablesMarkMask: must be an integer, not a text\n"},
          {R"j({"spec":{"iptablesRefreshInterval":"90"}})j", "spec.iptablesRefreshInterval: \"90\" is not a duration"},
          {R"j({"spec":{"iptablesRefreshInterval":90}})j", "spec.iptablesRefreshInterval: must be a text, not an integer\n"},
          {R"j({"spec":{"chainInsertMode":"Sideways"}})j", "spec.chainInsertMode: \"Sideways\" is not one of Insert, Append\n"},
          {R"j({"spec":{"chainInsertMode":"APPEND"}})j", ""},
          {R"j({"spec":{"serviceLoopPrevention":"drop"}})j",
           "spec.serviceLoopPrevention: \"drop\" is not one of Drop, Reject, Disabled\n"},
          {R"j({"spec":{"natOutgoingAddress":"fd00::1"}})j", "spec.natOutgoingAddress: must be an IPv4 address\n"},
          {R"j({"spec":{"logPrefix":"a*"}})j", "spec.logPrefix: \"a*\" is not a log prefix"},
          {R"j({"spec":{"logActionRateLimit":"0/second"}})j", "spec.logActionRateLimit: \"0/second\" is not a rate"},
          {R"j({"spec":{"logActionRateLimit":"9999/day"}})j", ""},
          {R"j({"spec":{"routeTableRange":{"min":9,"max":8}}})j", "spec.routeTableRange: min is larger than max\n"},
          {R"j({"spec":{"routeTableRange":{"min":1,"max":251}}})j", "spec.routeTableRange.max: 251 is not between 1 and 250\n"},
          {R"j({"spec":{"routeTableRange":{"min":1,"max":2},"routeTableRanges":[{"min":1,"max":2}]}})j",
           "spec.routeTableRange: cannot be together"},
          {R"j({"spec":{"failsafeInboundHostPorts":[{"protocol":"TCP","port":70000}]}})j",
           "spec.failsafeInboundHostPorts[0].port: 70000 is not between 0 and 65535\n"},
          {R"j({"spec":{"kubeNodePortRanges":["5:1"]}})j", "spec.kubeNodePortRanges[0]: is not a port"},
          {R"j({"spec":{"kubeNodePortRanges":[1,2,3,4,5,6,7,8]}})j",
           "spec.kubeNodePortRanges: has 8 elements, at most 7 are allowed\n"},
          {R"j({"spec":{"unknownThing":{}}})j", ""},
      });
}

TEST_CASE("strict decoding finds misspelt fields, and knows the right ones") {
  CHECK(errors_of(calico("FelixConfiguration", "default", R"j({"iptablesMarkMsk":1})j"), true) ==
        "spec.iptablesMarkMsk: unknown field\n");
  CHECK(errors_of(calico("IPPool", "p", R"j({"cidr":"10.0.0.0/8","natoutgoing":true})j"), true) ==
        "spec.natoutgoing: unknown field\n");
  CHECK(errors_of(calico("IPPool", "p", R"j({"cidr":"10.0.0.0/8","natoutgoing":true})j"), false) == "");
  CHECK(errors_of(calico("HostEndpoint", "h",
                         R"j({"node":"n","interfaceName":"*","ports":[{"name":"a","protocol":"TCP","port":1,"x":2}]})j"),
                  true) == "spec.ports[0].x: unknown field\n");
}

TEST_CASE("addresses of services from the BGP configuration") {
  const auto bgp = value_of<BgpConfiguration>(calico(
      "BGPConfiguration", "default",
      R"j({"asNumber":64512,"serviceClusterIPs":[{"cidr":"10.96.0.0/12"},{"cidr":""},{}],"serviceExternalIPs":[{"cidr":"192.0.2.0/24"}],"serviceLoadBalancerIPs":[{"cidr":"fd00::/64"}]})j"));
  CHECK(bgp->service_cluster_ips == std::vector<Cidr>{*Cidr::parse("10.96.0.0/12")});
  CHECK(bgp->service_external_ips == std::vector<Cidr>{*Cidr::parse("192.0.2.0/24")});
  CHECK(bgp->service_load_balancer_ips == std::vector<Cidr>{*Cidr::parse("fd00::/64")});
  check_cases(
      R"j({"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"node.n1"},"spec":{"logSeverityScreen":"Info"}})j",
      {
          {R"j({"spec":{"serviceClusterIPs":[{"cidr":"10.0.0.0/8"}]}})j",
           "spec.serviceClusterIPs: can be set in \"default\" only\n"},
          {R"j({"metadata":{"name":"default"},"spec":{"serviceClusterIPs":[{"cidr":"x"}]}})j",
           "spec.serviceClusterIPs[0].cidr: \"x\" is not an IP network\n"},
          {R"j({"metadata":{"name":"other"}})j", "metadata.name: must be \"default\" or \"node.<node>\"\n"},
      });
}

TEST_CASE("cluster information") {
  const char* manifest = R"j({"kind":"ClusterInformation","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"},
    "spec":{"clusterGUID":"0f3f4f0f9f6c4d0c8a1f5d2f0d3a9b77","clusterType":"typha,k8s,bgp","calicoVersion":"v3.32.0","datastoreReady":true}})j";
  const auto info = value_of<ClusterInformation>(json::parse(manifest));
  CHECK(info->cluster_guid == "0f3f4f0f9f6c4d0c8a1f5d2f0d3a9b77");
  CHECK(info->datastore_ready == true);
  check_cases(manifest,
              {
                  {R"j({"metadata":{"name":"other"}})j", "metadata.name: must be \"default\"\n"},
                  {R"j({"spec":{"datastoreReady":"yes"}})j", "spec.datastoreReady: must be true or false, not a text\n"},
                  {R"j({"spec":{"datastoreReady":null}})j", ""},
              });
}

TEST_CASE("kinds that this build does not decode are accepted as they are") {
  const Decoded out = decoded(calico("IPAMBlock", "10-0-0-0-26", R"j({"cidr":"10.0.0.0/26","whatever":[1,2]})j"));
  CHECK_FALSE(out.key);
  CHECK_FALSE(out.value);
}

TEST_CASE("built-in resources") {
  std::string tiers;
  for (const auto& [key, value] : built_in_resources()) {
    tiers += key.to_string();
    if (const auto* tier = std::get_if<Ref<Tier>>(&value))
      tiers += " " + std::to_string(*(*tier)->order) + ((*tier)->default_pass ? " Pass" : " Deny");
    tiers += "\n";
  }
  CHECK(tiers ==
        "Tier kube-admin 1000.000000 Pass\nTier default 1000000.000000 Deny\nTier kube-baseline 10000000.000000 Pass\n"
        "Profile projectcalico-default-allow\n");
}

TEST_CASE("defaults are those a Calico client writes, and writing them twice changes nothing") {
  const struct {
    const char *manifest, *expected;
  } cases[] = {
      {R"j({"kind":"NetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","namespace":"x"},"spec":{"egress":[{"action":"Allow"}]}})j",
       R"j({"kind":"NetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","namespace":"x","labels":{"projectcalico.org/tier":"default"}},
           "spec":{"tier":"default","types":["Egress"],"egress":[{"action":"Allow"}]}})j"},
      {R"j({"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","labels":{"k":"v"}},"spec":{"tier":"t"}})j",
       R"j({"kind":"GlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","labels":{"k":"v","projectcalico.org/tier":"t"}},
           "spec":{"tier":"t","types":["Ingress"]}})j"},
      {R"j({"kind":"StagedGlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"stagedAction":"Delete"}})j",
       R"j({"kind":"StagedGlobalNetworkPolicy","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","labels":{"projectcalico.org/tier":"default"}},
           "spec":{"tier":"default","stagedAction":"Delete"}})j"},
      {R"j({"kind":"Tier","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"}})j",
       R"j({"kind":"Tier","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"order":1000000,"defaultAction":"Deny"}})j"},
      {R"j({"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":"fd00::/48","ipipMode":""}})j",
       R"j({"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":"fd00::/48","ipipMode":"Never","vxlanMode":"Never",
           "blockSize":122,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}})j"},
      {R"j({"kind":"FelixConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"},"spec":{"logSeverityScreen":"Info"}})j",
       R"j({"kind":"FelixConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"},"spec":{"logSeverityScreen":"Info"}})j"},
      {R"j({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}})j",
       R"j({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}})j"},
      {R"j({"kind":"Tier","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":7})j",
       R"j({"kind":"Tier","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":7})j"},
  };
  for (const auto& c : cases) {
    json manifest = json::parse(c.manifest);
    const auto id = identify(manifest);
    REQUIRE(id);
    for (int i = 0; i < 2; ++i) {
      apply_defaults(*id, manifest);
      CHECK(manifest.dump(1) == json::parse(c.expected).dump(1));
    }
  }
}
