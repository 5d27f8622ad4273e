#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::decoded;
using margay::test::value_of;
using nlohmann::json;

namespace {

// datastore-model §1.5
constexpr const char* kWep =
    R"({"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"node1-k8s-web--0-eth0",
  "generateName":"web-","namespace":"default","uid":"5a1f0e3c-7b2d-4c6e-9f80-1234567890ab","creationTimestamp":"2026-08-01T10:00:00Z",
  "labels":{"app":"web","projectcalico.org/namespace":"default","projectcalico.org/orchestrator":"k8s",
  "projectcalico.org/serviceaccount":"default"}},"spec":{"orchestrator":"k8s","node":"node1","containerID":"9c0f","pod":"web-0",
  "endpoint":"eth0","serviceAccountName":"default","ipNetworks":["192.168.11.4/32"],"profiles":["kns.default","ksa.default.default"],
  "interfaceName":"cali0d7763386da","mac":"7a:5b:1c:22:33:44","ports":[{"name":"http","protocol":"TCP","port":80,"hostPort":0,"hostIP":""}]}})";

constexpr const char* kHep =
    R"({"kind":"HostEndpoint","apiVersion":"projectcalico.org/v3","metadata":{"name":"node1-eth0","labels":{"role":"edge"}},
  "spec":{"node":"node1","interfaceName":"eth0","expectedIPs":["10.0.0.11"],"ports":[{"name":"ssh","protocol":"TCP","port":22}]}})";

}  // namespace

TEST_CASE("a workload endpoint as the CNI plugin writes it") {
  const Decoded out = decoded(json::parse(kWep));
  CHECK(*out.key == Key{Kind::WorkloadEndpoint, "default", "node1-k8s-web--0-eth0"});
  const auto wep = std::get<Ref<WorkloadEndpoint>>(*out.value);
  CHECK(wep->workload == "default/web-0");
  CHECK(wep->interface_name == "cali0d7763386da");
  CHECK(wep->mac == Mac::parse("7a:5b:1c:22:33:44"));
  CHECK(wep->nets == std::vector<Cidr>{*Cidr::parse("192.168.11.4/32")});
  CHECK(wep->profiles == std::vector<Symbol>{"kns.default", "ksa.default.default"});
  CHECK(wep->ports == std::vector<EndpointPort>{{"http", protocol::kTcp, true, 80}});
  CHECK(wep->labels == Labels{{"app", "web"},
                              {"projectcalico.org/namespace", "default"},
                              {"projectcalico.org/orchestrator", "k8s"},
                              {"projectcalico.org/serviceaccount", "default"}});
}

TEST_CASE("the pod of the worked example has the same endpoint as its WorkloadEndpoint") {
  const auto pod = decoded(
      json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0","namespace":"default","labels":{"app":"web"}},
    "spec":{"nodeName":"node1","serviceAccountName":"default","containers":[{"ports":[{"name":"http","containerPort":80}]}]},
    "status":{"podIPs":[{"ip":"192.168.11.4"}]}})"));
  const auto wep = decoded(json::parse(kWep));
  CHECK(*pod.key == *wep.key);
  auto expected = *std::get<Ref<WorkloadEndpoint>>(*wep.value);
  expected.mac = std::nullopt;
  CHECK(*std::get<Ref<WorkloadEndpoint>>(*pod.value) == expected);
}

TEST_CASE("other orchestrators name their workloads otherwise") {
  json cni = json::parse(kWep);
  cni["metadata"]["name"] = "node1-cni-9c0f-eth0";
  cni["spec"]["orchestrator"] = "cni";
  CHECK(value_of<WorkloadEndpoint>(cni)->workload == "default/9c0f");
  json openstack = json::parse(kWep);
  openstack["metadata"]["name"] = "node1-openstack-vm1-port1";
  openstack["spec"]["orchestrator"] = "openstack";
  openstack["spec"]["workload"] = "vm1";
  openstack["spec"]["endpoint"] = "port1";
  CHECK(value_of<WorkloadEndpoint>(openstack)->workload == "default/vm1");
}

TEST_CASE("addresses, translations and limits of a workload endpoint") {
  json manifest = json::parse(kWep);
  manifest["spec"]["ipNetworks"] = {"10.0.0.4", "fd00::4/128"};
  manifest["spec"]["ipNATs"] = {{{"internalIP", "10.0.0.4"}, {"externalIP", "192.0.2.1"}}};
  manifest["spec"]["allowSpoofedSourcePrefixes"] = {"8.8.8.8"};
  manifest["spec"]["qosControls"] = {
      {"ingressPacketRate", 10}, {"egressMaxConnections", 4294967295}, {"dscp", "EF"}, {"egressPacketRate", 0}};
  manifest["spec"]["ports"] = {{{"name", "a"}, {"protocol", 17}, {"port", 5}},
                               {{"name", ""}, {"protocol", "TCP"}, {"port", 6}, {"hostPort", 7}}};
  const auto wep = value_of<WorkloadEndpoint>(manifest);
  CHECK(wep->nets == std::vector<Cidr>{*Cidr::parse("10.0.0.4/32"), *Cidr::parse("fd00::4/128")});
  CHECK(wep->nats == std::vector<Nat>{{*Addr::parse("10.0.0.4"), *Addr::parse("192.0.2.1")}});
  CHECK(wep->allowed_source_prefixes == std::vector<Cidr>{*Cidr::parse("8.8.8.8/32")});
  REQUIRE(wep->qos);
  CHECK(wep->qos->ingress_packet_rate == 10u);
  CHECK_FALSE(wep->qos->egress_packet_rate);
  CHECK(wep->qos->egress_max_connections == 4294967295u);
  CHECK(wep->qos->dscp == std::uint8_t{46});
  CHECK(wep->ports == std::vector<EndpointPort>{{"a", protocol::kUdp, false, 5}});
}

TEST_CASE("what is wrong with a workload endpoint") {
  check_cases(
      kWep,
      {
          {R"({"spec":{"node":null}})", "spec.node: is required\n"},
          {R"({"spec":{"pod":"-x"}})", "spec.pod: must not start or end with '-'\n"},
          {R"({"spec":{"pod":"other"}})", "metadata.name: must be \"node1-k8s-other-eth0\""},
          {R"({"spec":{"containerID":"a_b"}})", "spec.containerID: \"a_b\" is not a container ID"},
          {R"({"spec":{"interfaceName":null}})", "spec.interfaceName: is required\n"},
          {R"({"spec":{"interfaceName":"sixteen-letters-"}})",
           "spec.interfaceName: \"sixteen-letters-\" is not an interface name\n"},
          {R"({"spec":{"interfaceName":"a/b"}})", "spec.interfaceName: \"a/b\" is not an interface name\n"},
          {R"({"spec":{"mac":"7a:5b"}})", "spec.mac: \"7a:5b\" is not a MAC address\n"},
          {R"({"spec":{"ipNetworks":["10.0.0.0/24"]}})", "spec.ipNetworks[0]: 10.0.0.0/24 is not one address (/32 or /128)\n"},
          {R"({"spec":{"ipNetworks":[""]}})", "spec.ipNetworks[0]: \"\" is not an IP network\n"},
          {R"({"spec":{"ipNATs":[{"internalIP":"1.1.1.1","externalIP":"2.2.2.2"}]}})",
           "spec.ipNATs[0].internalIP: 1.1.1.1 is not in ipNetworks\n"},
          {R"({"spec":{"ipNATs":[{"internalIP":"192.168.11.4","externalIP":"fd00::1"}]}})",
           "spec.ipNATs[0]: internalIP and externalIP must be of one family\n"},
          {R"({"spec":{"ipNATs":[{"internalIP":"192.168.11.4"}]}})", "spec.ipNATs[0].externalIP: is required\n"},
          {R"({"spec":{"profiles":["UP"]}})", "spec.profiles[0]: \"UP\" is not a name\n"},
          {R"({"spec":{"ports":[{"protocol":"TCP","port":1}]}})", "spec.ports[0].name: a port needs a name or a hostPort\n"},
          {R"({"spec":{"ports":[{"name":"a","protocol":"ICMP","port":1}]}})",
           "spec.ports[0].protocol: is none of TCP, UDP and SCTP\n"},
          {R"({"spec":{"ports":[{"name":"a","protocol":"TCP","port":0}]}})",
           "spec.ports[0].port: 0 is not between 1 and 65535\n"},
          {R"({"spec":{"qosControls":{"ingressPacketRate":10001}}})",
           "spec.qosControls.ingressPacketRate: 10001 is not between 0 and 10000\n"},
          {R"({"spec":{"qosControls":{"dscp":64}}})", "spec.qosControls.dscp: is not a DSCP value"},
          {R"({"spec":{"ipNetworks":[]}})", ""},
      });
}

TEST_CASE("a host endpoint") {
  const Decoded out = decoded(json::parse(kHep));
  CHECK(*out.key == Key{Kind::HostEndpoint, {}, "node1-eth0"});
  const auto hep = std::get<Ref<HostEndpoint>>(*out.value);
  CHECK(hep->node == "node1");
  CHECK(hep->interface_name == "eth0");
  CHECK(hep->labels == Labels{{"role", "edge"}});
  CHECK(hep->expected_ips == std::vector<Addr>{*Addr::parse("10.0.0.11")});
  CHECK(hep->ports == std::vector<EndpointPort>{{"ssh", protocol::kTcp, true, 22}});
}

TEST_CASE("what is wrong with a host endpoint") {
  check_cases(kHep,
              {
                  {R"({"spec":{"interfaceName":"*"}})", ""},
                  {R"({"spec":{"interfaceName":null}})", ""},
                  {R"({"spec":{"expectedIPs":null}})", ""},
                  {R"({"spec":{"interfaceName":null,"expectedIPs":null}})", "spec: needs an interfaceName or expectedIPs\n"},
                  {R"({"spec":{"node":null}})", "spec.node: is required\n"},
                  {R"({"spec":null})", "spec.node: is required\n"},
                  {R"({"spec":{"interfaceName":"a b"}})", "spec.interfaceName: \"a b\" is not an interface name, nor \"*\"\n"},
                  {R"({"spec":{"expectedIPs":["10.0.0.0/8"]}})", "spec.expectedIPs[0]: \"10.0.0.0/8\" is not an IP address\n"},
                  {R"({"spec":{"ports":[{"name":"Bad","protocol":"TCP","port":1}]}})",
                   "spec.ports[0].name: \"Bad\" is not a port name\n"},
                  {R"({"spec":{"ports":[{}]}})",
                   "spec.ports[0].name: is required\nspec.ports[0].protocol: is required\nspec.ports[0].port: is required\n"},
                  {R"({"metadata":{"namespace":"default"}})", "metadata.namespace: a HostEndpoint has no namespace\n"},
              });
}
