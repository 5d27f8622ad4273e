// BGPConfiguration: every field, every rule.
#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::errors_of;
using margay::test::value_of;
using nlohmann::json;

namespace {

constexpr const char* kFull =
    R"j({"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"},"spec":{
  "logSeverityScreen":"debug","nodeToNodeMeshEnabled":true,"asNumber":"1.10","listenPort":177,"bindMode":"NodeIP",
  "serviceClusterIPs":[{"cidr":"10.96.0.0/12"}],"serviceLoadBalancerAggregation":"Disabled",
  "nodeMeshPassword":{"secretKeyRef":{"name":"bgp","key":"mesh"}},"nodeMeshMaxRestartTime":"1m30.5s",
  "communities":[{"name":"std","value":"100:6532"},{"name":"large.one","value":"100:555:4294967295"}],
  "prefixAdvertisements":[{"cidr":"192.168.3.1/16","communities":["std","5663:12","large.one","std"]},{"cidr":"fd00:96::/112"},{"communities":["std"]}],
  "ignoredInterfaces":["eth*","docker0","eth*"],"localWorkloadPeeringIPV4":"169.254.1.1","localWorkloadPeeringIPV6":"fd00::1",
  "programClusterRoutes":"EnabledIPIPOnly","ipv4NormalRoutePriority":1,"ipv6NormalRoutePriority":2147483646}})j";

}  // namespace

TEST_CASE("a BGP configuration with everything in it") {
  const auto bgp = value_of<BgpConfiguration>(json::parse(kFull));
  CHECK(errors_of(json::parse(kFull), true) == "");
  BgpConfiguration expected;
  expected.service_cluster_ips = {*Cidr::parse("10.96.0.0/12")};
  expected.load_balancer_aggregation = false;
  expected.as_number = 65546;
  expected.listen_port = 177;
  expected.bind_node_ip = true;
  expected.log_severity = "debug";
  expected.mesh_password = SecretRef{"bgp", "mesh"};
  expected.mesh_restart_time = 91;
  expected.prefix_advertisements = {
      {*Cidr::parse("192.168.0.0/16"), {{true, {100, 555, 4294967295}}, {false, {100, 6532, 0}}, {false, {5663, 12, 0}}}},
      {*Cidr::parse("fd00:96::/112"), {}}};
  expected.ignored_interfaces = {"eth*", "docker0"};
  expected.local_workload_peering_v4 = Addr::parse("169.254.1.1");
  expected.local_workload_peering_v6 = Addr::parse("fd00::1");
  expected.cluster_routes = ClusterRoutes::EnabledIpipOnly;
  expected.normal_priority = {1u, 2147483646u};
  CHECK(*bgp == expected);
}

TEST_CASE("a BGP configuration that says nothing has the defaults") {
  const json empty =
      json::parse(R"j({"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"}})j");
  const auto bgp = value_of<BgpConfiguration>(empty);
  CHECK(*bgp == BgpConfiguration{});
  CHECK(bgp->mesh);
  CHECK(bgp->load_balancer_aggregation);
  CHECK_FALSE(bgp->bind_node_ip);
  CHECK(bgp->cluster_routes == ClusterRoutes::EnabledNoEncapOnly);
  json zero = empty;
  zero["spec"]["asNumber"] = 0;  // Go's "not set"
  CHECK_FALSE(value_of<BgpConfiguration>(zero)->as_number);
  zero["spec"]["asNumber"] = 4294967295u;
  CHECK(value_of<BgpConfiguration>(zero)->as_number == 4294967295u);
  zero["spec"]["nodeMeshMaxRestartTime"] = "2h";  // more than fits in the message
  CHECK(value_of<BgpConfiguration>(zero)->mesh_restart_time == 4095u);
  zero["spec"]["nodeMeshPassword"] = json::object();
  CHECK_FALSE(value_of<BgpConfiguration>(zero)->mesh_password);
}

TEST_CASE("what a BGP configuration must not say") {
  check_cases(
      kFull,
      {
          {R"j({"spec":{"logSeverityScreen":"loud"}})j",
           "spec.logSeverityScreen: \"loud\" is not one of Trace, Debug, Info, Warning, Error, Fatal\n"},
          {R"j({"spec":{"asNumber":4294967296}})j", "spec.asNumber: is not an AS number"},
          {R"j({"spec":{"asNumber":-1}})j", "spec.asNumber: is not an AS number"},
          {R"j({"spec":{"asNumber":"65536.1"}})j", "spec.asNumber: is not an AS number"},
          {R"j({"spec":{"asNumber":1.5}})j", "spec.asNumber: must be an integer or a text, not a number\n"},
          {R"j({"spec":{"listenPort":0}})j", "spec.listenPort: 0 is not between 1 and 65535\n"},
          {R"j({"spec":{"listenPort":65536}})j", "spec.listenPort: 65536 is not between 1 and 65535\n"},
          {R"j({"spec":{"bindMode":"All"}})j", "spec.bindMode: \"All\" is not one of None, NodeIP\n"},
          {R"j({"spec":{"serviceLoadBalancerAggregation":"on"}})j",
           "spec.serviceLoadBalancerAggregation: \"on\" is not one of Enabled, Disabled\n"},
          {R"j({"spec":{"nodeToNodeMeshEnabled":false}})j",
           "spec.nodeMeshPassword: cannot be set while nodeToNodeMeshEnabled is false\n"
           "spec.nodeMeshMaxRestartTime: cannot be set while nodeToNodeMeshEnabled is false\n"},
          {R"j({"spec":{"nodeMeshPassword":{"secretKeyRef":{"name":"a","key":null}}}})j",
           "spec.nodeMeshPassword.secretKeyRef.key: is required\n"},
          {R"j({"spec":{"nodeMeshPassword":{"secretKeyRef":{"name":""}}}})j",
           "spec.nodeMeshPassword.secretKeyRef.name: is required\n"},
          {R"j({"spec":{"nodeMeshMaxRestartTime":"10"}})j", "spec.nodeMeshMaxRestartTime: \"10\" is not a duration"},
          {R"j({"spec":{"nodeMeshMaxRestartTime":"-0.1s"}})j", "spec.nodeMeshMaxRestartTime: \"-0.1s\" is less than 0 s\n"},
          {R"j({"spec":{"prefixAdvertisements":[]}})j", "spec.communities: are of no use without prefixAdvertisements\n"},
          {R"j({"spec":{"communities":[{"name":"std","value":"65536:1"},{"name":"large.one","value":"1:2:3"}]}})j",
           "spec.communities[0].value: \"65536:1\" is not a community"},
          {R"j({"spec":{"communities":[{"name":"std","value":"1:2"},{"name":"large.one","value":"1:2:4294967296"}]}})j",
           "spec.communities[1].value: \"1:2:4294967296\" is not a community"},
          {R"j({"spec":{"communities":[{"name":"std"},{"name":"large.one","value":"1:2"},{"value":"1:2"}]}})j",
           "spec.communities[0].value: is required\nspec.communities[2].name: is required\n"},
          {R"j({"spec":{"communities":[{"name":"std","value":"1:2"},{"name":"large.one","value":"1:2"},{"name":"A_b","value":"1:2"}]}})j",
           "spec.communities[2].name: \"A_b\" is not a name"},
          {R"j({"spec":{"communities":[{"name":"std","value":"1:2"},{"name":"large.one","value":"1:2"},{"name":"std","value":"1:3"}]}})j",
           "spec.communities[2].name: \"std\" is defined twice\n"},
          {R"j({"spec":{"communities":null}})j",
           "spec.prefixAdvertisements[0].communities[0]: \"std\" is neither a community nor the name of one in "
           "spec.communities\n"},
          {R"j({"spec":{"prefixAdvertisements":[{"cidr":"x"}]}})j",
           "spec.prefixAdvertisements[0].cidr: \"x\" is not an IP network\n"},
          {R"j({"spec":{"ignoredInterfaces":["eth0","*"]}})j", "spec.ignoredInterfaces[1]: would ignore every interface\n"},
          {R"j({"spec":{"ignoredInterfaces":["a b"]}})j", "spec.ignoredInterfaces[0]: \"a b\" is not a pattern"},
          {R"j({"spec":{"ignoredInterfaces":["eth?"]}})j", "spec.ignoredInterfaces[0]: \"eth?\": '?' cannot be used here"},
          {R"j({"spec":{"ignoredInterfaces":[""]}})j", "spec.ignoredInterfaces[0]: must not be empty\n"},
          {R"j({"spec":{"ignoredInterfaces":["sixteen-letters-"]}})j", "spec.ignoredInterfaces[0]: \"sixteen-letters-\" is not"},
          {R"j({"spec":{"localWorkloadPeeringIPV4":"fd00::1"}})j", "spec.localWorkloadPeeringIPV4: must be an IPv4 address\n"},
          {R"j({"spec":{"localWorkloadPeeringIPV6":"1.2.3.4"}})j", "spec.localWorkloadPeeringIPV6: must be an IPv6 address\n"},
          {R"j({"spec":{"programClusterRoutes":"enabled"}})j", "spec.programClusterRoutes: \"enabled\" is not one of Enabled, "},
          {R"j({"spec":{"ipv4NormalRoutePriority":0}})j", "spec.ipv4NormalRoutePriority: 0 is not between 1 and 2147483646\n"},
          {R"j({"spec":{"ipv6NormalRoutePriority":2147483647}})j",
           "spec.ipv6NormalRoutePriority: 2147483647 is not between 1 and 2147483646\n"},
      });
}

TEST_CASE("lists of a BGP configuration have limits") {
  const auto with = [](const char* field, const json& element, std::size_t count) {
    json manifest = json::parse(kFull);
    manifest["spec"]["communities"] = {{{"name", "c"}, {"value", "1:2"}}};
    manifest["spec"]["prefixAdvertisements"] = {{{"cidr", "10.0.0.0/8"}, {"communities", {"c"}}}};
    json& list =
        std::string{field} == "of" ? manifest["spec"]["prefixAdvertisements"][0]["communities"] : manifest["spec"][field];
    list = json::array();
    for (std::size_t i = 0; i < count; ++i) {
      list.push_back(element);
      if (std::string{field} == "communities") list.back()["name"] = i == 0 ? "c" : "c" + std::to_string(i);
    }
    return errors_of(manifest);
  };
  const json community{{"name", "c"}, {"value", "1:2"}}, advertisement{{"cidr", "10.0.0.0/8"}};
  CHECK(with("communities", community, 500) == "");
  CHECK(with("communities", community, 501).starts_with("spec.communities: has 501 elements, at most 500 are allowed\n"));
  CHECK(with("prefixAdvertisements", advertisement, 500) == "");
  CHECK(with("prefixAdvertisements", advertisement, 501) ==
        "spec.prefixAdvertisements: has 501 elements, at most 500 are allowed\n");
  CHECK(with("of", "c", 50) == "");
  CHECK(with("of", "c", 51) == "spec.prefixAdvertisements[0].communities: has 51 elements, at most 50 are allowed\n");
}

TEST_CASE("the BGP configuration of a node") {
  const char* manifest = R"j({"kind":"BGPConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"node.n1"},"spec":{
    "logSeverityScreen":"Info","listenPort":180,"communities":[{"name":"c","value":"1:2"}],"prefixAdvertisements":[{"cidr":"10.0.0.0/8","communities":["c"]}]}})j";
  CHECK(value_of<BgpConfiguration>(json::parse(manifest))->listen_port == 180);
  check_cases(
      manifest,
      {
          {R"j({"spec":{"nodeToNodeMeshEnabled":true}})j", "spec.nodeToNodeMeshEnabled: can be set in \"default\" only\n"},
          {R"j({"spec":{"asNumber":1}})j", "spec.asNumber: can be set in \"default\" only\n"},
          {R"j({"spec":{"serviceExternalIPs":[{}]}})j", "spec.serviceExternalIPs: can be set in \"default\" only\n"},
          {R"j({"spec":{"serviceLoadBalancerIPs":[]}})j", "spec.serviceLoadBalancerIPs: can be set in \"default\" only\n"},
          {R"j({"spec":{"serviceClusterIPs":[]}})j", "spec.serviceClusterIPs: can be set in \"default\" only\n"},
          {R"j({"spec":{"nodeMeshPassword":{}}})j", "spec.nodeMeshPassword: can be set in \"default\" only\n"},
          {R"j({"spec":{"nodeMeshMaxRestartTime":"1s"}})j", "spec.nodeMeshMaxRestartTime: can be set in \"default\" only\n"},
          {R"j({"metadata":{"name":"node.A"}})j", "metadata.name: "},
          {R"j({"metadata":{"name":"n1"}})j", "metadata.name: must be \"default\" or \"node.<node>\"\n"},
      });
}
