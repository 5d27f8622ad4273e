#include "decoding.hpp"

using namespace margay;
using margay::test::check_cases;
using margay::test::decoded;
using margay::test::value_of;
using nlohmann::json;

namespace {

constexpr const char* kPod = R"({
  "apiVersion": "v1", "kind": "Pod",
  "metadata": {"name": "web-0", "namespace": "shop",
    "labels": {"app": "web", "pcns.fake": "x", "pcsa.fake": "x", "projectcalico.org/namespace": "other"},
    "annotations": {"cni.projectcalico.org/podIPs": "10.9.9.9/32"}},
  "spec": {"nodeName": "node1", "serviceAccountName": "robot",
    "containers": [{"name": "c", "ports": [
      {"name": "http", "containerPort": 80}, {"containerPort": 81}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]}],
    "initContainers": [{"name": "i", "ports": [{"name": "side", "containerPort": 9000, "protocol": "SCTP"}]}]},
  "status": {"phase": "Running", "podIP": "10.0.0.4", "podIPs": [{"ip": "10.0.0.4"}, {"ip": "fd00::4"}]}
})";

std::shared_ptr<const WorkloadEndpoint> pod_with(const char* patch) {
  json manifest = json::parse(kPod);
  manifest.merge_patch(json::parse(patch));
  return value_of<WorkloadEndpoint>(manifest);
}

std::string nets(const WorkloadEndpoint& wep) {
  std::string out;
  for (const Cidr& net : wep.nets) out += net.to_string() + " ";
  return out;
}

}  // namespace

TEST_CASE("interface and endpoint names are Calico's") {
  CHECK(workload_interface_name("cali", "default", "nginx") == "calic440f455693");
  CHECK(workload_interface_name("tap", "default", "nginx") == "tapc440f455693");
  CHECK(workload_endpoint_name("node1", "k8s", "web-0", "eth0") == "node1-k8s-web--0-eth0");
  CHECK(workload_endpoint_name("a-b", "cni", "1--2", "eth0") == "a--b-cni-1----2-eth0");
}

TEST_CASE("a pod is a workload endpoint") {
  const Decoded out = decoded(json::parse(kPod));
  REQUIRE(out.key);
  CHECK(*out.key == Key{Kind::WorkloadEndpoint, "shop", "node1-k8s-web--0-eth0"});
  const auto wep = std::get<Ref<WorkloadEndpoint>>(*out.value);
  CHECK(wep->node == "node1");
  CHECK(wep->orchestrator == "k8s");
  CHECK(wep->workload == "shop/web-0");
  CHECK(wep->endpoint == "eth0");
  CHECK(wep->interface_name == Symbol{workload_interface_name("cali", "shop", "web-0")});
  CHECK_FALSE(wep->mac);
  CHECK(wep->labels == Labels{{"app", "web"},
                              {"projectcalico.org/namespace", "shop"},
                              {"projectcalico.org/orchestrator", "k8s"},
                              {"projectcalico.org/serviceaccount", "robot"}});
  CHECK(wep->profiles == std::vector<Symbol>{"kns.shop", "ksa.shop.robot"});
  CHECK(nets(*wep) == "10.0.0.4/32 fd00::4/128 ");
  CHECK(wep->ports == std::vector<EndpointPort>{{"http", protocol::kTcp, true, 80},
                                                {"dns", protocol::kUdp, true, 53},
                                                {"side", protocol::kSctp, true, 9000}});
  CHECK(wep->nats.empty());
  CHECK(wep->allowed_source_prefixes.empty());
  CHECK_FALSE(wep->qos);
  CHECK(wep->active);
}

TEST_CASE("the interface prefix is the reader's") {
  const json manifest = json::parse(kPod);
  const Decoded out = decode(*identify(manifest), manifest, {.interface_prefix = "veth"});
  CHECK(std::get<Ref<WorkloadEndpoint>>(*out.value)->interface_name.view().starts_with("veth"));
}

TEST_CASE("a pod on the host network or without a node means nothing") {
  for (const char* patch : {R"({"spec":{"hostNetwork":true}})", R"({"spec":{"nodeName":null}})", R"({"spec":{"nodeName":""}})"}) {
    json manifest = json::parse(kPod);
    manifest.merge_patch(json::parse(patch));
    const Decoded out = decoded(manifest);
    CHECK_FALSE(out.key);
    CHECK_FALSE(out.value);
  }
}

TEST_CASE("a pod without service account inherits from its namespace only") {
  const auto wep = pod_with(R"({"spec":{"serviceAccountName":null}})");
  CHECK(wep->profiles == std::vector<Symbol>{"kns.shop"});
  CHECK(wep->labels.get("projectcalico.org/serviceaccount") == nullptr);
}

TEST_CASE("pod addresses come from the first source that says anything") {
  CHECK(nets(*pod_with(R"({"status":{"podIPs":null}})")) == "10.0.0.4/32 ");
  CHECK(nets(*pod_with(R"({"status":{"podIPs":[],"podIP":""}})")) == "10.9.9.9/32 ");
  CHECK(nets(*pod_with(
            R"({"status":null,"metadata":{"annotations":{"cni.projectcalico.org/podIPs":"10.9.9.9/32,fd00::9/128"}}})")) ==
        "10.9.9.9/32 fd00::9/128 ");
  CHECK(nets(*pod_with(R"({"status":null,"metadata":{"annotations":{"cni.projectcalico.org/podIPs":null,
      "cni.projectcalico.org/podIP":"10.8.8.8/32"}}})")) == "10.8.8.8/32 ");
  CHECK(nets(*pod_with(R"({"status":null,"metadata":{"annotations":{"cni.projectcalico.org/podIPs":"",
      "vpc.amazonaws.com/pod-ips":"10.7.7.7"}}})")) == "10.7.7.7/32 ");
  CHECK(nets(*pod_with(R"({"status":null,"metadata":{"annotations":null}})")) == "");
}

TEST_CASE("a finished pod has no addresses, a terminating one keeps them until they are released") {
  for (const char* patch :
       {R"({"status":{"phase":"Succeeded"}})", R"({"status":{"phase":"Failed"}})", R"({"status":{"phase":"Completed"}})",
        R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","annotations":{"cni.projectcalico.org/podIP":""}}})",
        R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","annotations":{"vpc.amazonaws.com/pod-ips":""}}})"}) {
    INFO(patch);
    CHECK(nets(*pod_with(patch)) == "");
  }
  for (
      const char* patch :
      {R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}})",
       R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","annotations":{"cni.projectcalico.org/podIP":"10.0.0.4/32"}}})",
       R"({"metadata":{"annotations":{"cni.projectcalico.org/podIP":""}}})"}) {
    INFO(patch);
    CHECK(nets(*pod_with(patch)) == "10.0.0.4/32 fd00::4/128 ");
  }
}

TEST_CASE("annotations of a pod: floating addresses, source prefixes") {
  const auto wep = pod_with(R"({"metadata":{"annotations":{
      "cni.projectcalico.org/floatingIPs":"[\"192.0.2.1\",\"2001:db8::1\"]",
      "cni.projectcalico.org/allowedSourcePrefixes":"[\"8.8.8.0/24\",\"fd01::/64\"]"}}})");
  CHECK(wep->nats == std::vector<Nat>{{*Addr::parse("10.0.0.4"), *Addr::parse("192.0.2.1")},
                                      {*Addr::parse("fd00::4"), *Addr::parse("2001:db8::1")}});
  CHECK(wep->allowed_source_prefixes == std::vector<Cidr>{*Cidr::parse("8.8.8.0/24"), *Cidr::parse("fd01::/64")});
  // No address of that family: nothing to translate.
  CHECK(pod_with(R"({"status":{"podIPs":[{"ip":"fd00::4"}]},"metadata":{"annotations":{
      "cni.projectcalico.org/floatingIPs":"[\"192.0.2.1\"]"}}})")
            ->nats.empty());
}

TEST_CASE("quality of service: clamped, never an error") {
  const auto wep = pod_with(R"({"metadata":{"annotations":{
      "qos.projectcalico.org/ingressPacketRate":"1k","qos.projectcalico.org/egressPacketRate":"1M",
      "qos.projectcalico.org/egressPacketBurst":"7","qos.projectcalico.org/ingressMaxConnections":"0",
      "qos.projectcalico.org/egressMaxConnections":"junk","qos.projectcalico.org/dscp":"AF41"}}})");
  REQUIRE(wep->qos);
  CHECK(wep->qos->ingress_packet_rate == 1000u);
  CHECK(wep->qos->ingress_packet_burst == 5u);
  CHECK(wep->qos->egress_packet_rate == 10000u);
  CHECK(wep->qos->egress_packet_burst == 7u);
  CHECK(wep->qos->ingress_max_connections == 1u);
  CHECK_FALSE(wep->qos->egress_max_connections);
  CHECK(wep->qos->dscp == std::uint8_t{34});
  CHECK_FALSE(pod_with(R"({"metadata":{"annotations":{"qos.projectcalico.org/ingressPacketBurst":"7",
      "qos.projectcalico.org/dscp":"64"}}})")
                  ->qos);
}

TEST_CASE("what is wrong with a pod") {
  check_cases(
      kPod,
      {
          {R"({"metadata":{"name":"Web"}})", "metadata.name: \"Web\" must be a DNS subdomain"},
          {R"({"metadata":{"namespace":"a.b"}})", "metadata.namespace: \"a.b\" is not a DNS label"},
          {R"({"metadata":{"labels":{"bad key":"v"}}})", "metadata.labels[bad key]: \"bad key\" is not a label key"},
          {R"({"metadata":{"labels":{"k":"-v"}}})", "metadata.labels.k: \"-v\" is not a label value"},
          {R"({"metadata":{"labels":{"k":1}}})", "metadata.labels.k: must be a text, not an integer\n"},
          {R"({"metadata":{"labels":["x"]}})", "metadata.labels: must be an object, not a list\n"},
          {R"({"metadata":{"annotations":{"k":{}}}})", "metadata.annotations.k: must be a text, not an object\n"},
          {R"({"metadata":{"annotations":{"UPPER/Case":"any text, \"even\" this"}}})", ""},
          {R"({"metadata":{"annotations":{"a b":""}}})", "metadata.annotations[a b]: \"a b\" is not an annotation key"},
          {R"({"spec":{"nodeName":"UP"}})", "spec.nodeName: \"UP\" is not a node name\n"},
          {R"({"spec":{"nodeName":7}})", "spec.nodeName: must be a text, not an integer\n"},
          {R"({"spec":{"hostNetwork":"no"}})", "spec.hostNetwork: must be true or false, not a text\n"},
          {R"({"spec":"x"})", "spec: must be an object, not a text\n"},
          {R"({"spec":{"serviceAccountName":"a_b"}})", "spec.serviceAccountName: \"a_b\" is not the name of a service account\n"},
          {R"({"spec":{"containers":[{"ports":[{"name":"123","containerPort":1}]}]}})",
           "spec.containers[0].ports[0].name: \"123\" is not a port name\n"},
          {R"({"spec":{"containers":[{},{"ports":[{"name":"a","containerPort":65536}]}]}})",
           "spec.containers[1].ports[0].containerPort: 65536 is not between 0 and 65535\n"},
          {R"({"spec":{"containers":[{"ports":[{"name":"a","containerPort":1,"protocol":"tcp"}]}]}})",
           "spec.containers[0].ports[0].protocol: \"tcp\" is not one of TCP, UDP, SCTP\n"},
          {R"({"spec":{"containers":{}}})", "spec.containers: must be a list, not an object\n"},
          {R"({"spec":{"containers":["x"]}})", "spec.containers[0]: must be an object, not a text\n"},
          {R"({"status":{"podIPs":[{"ip":"10.0.0.256"}]}})", "status.podIPs[0].ip: \"10.0.0.256\" is not an IP address\n"},
          {R"({"status":{"podIPs":null,"podIP":"x"}})", "status.podIP: \"x\" is not an IP address\n"},
          {R"({"status":null,"metadata":{"annotations":{"cni.projectcalico.org/podIPs":"10.0.0.1/33"}}})",
           "metadata.annotations[cni.projectcalico.org/podIPs]: \"10.0.0.1/33\" is not an IP address\n"},
          {R"({"metadata":{"annotations":{"cni.projectcalico.org/floatingIPs":"1.2.3.4"}}})",
           "metadata.annotations[cni.projectcalico.org/floatingIPs]: is not a JSON list of texts\n"},
          {R"({"metadata":{"annotations":{"cni.projectcalico.org/floatingIPs":"[1]"}}})",
           "metadata.annotations[cni.projectcalico.org/floatingIPs]: is not a JSON list of texts\n"},
          {R"({"metadata":{"annotations":{"cni.projectcalico.org/floatingIPs":"[\"x\"]"}}})",
           "metadata.annotations[cni.projectcalico.org/floatingIPs]: \"x\" is not an IP address\n"},
          {R"({"metadata":{"annotations":{"cni.projectcalico.org/allowedSourcePrefixes":"[\"x\"]"}}})",
           "metadata.annotations[cni.projectcalico.org/allowedSourcePrefixes]: \"x\" is not an IP network\n"},
          // What Margay does not read is none of its business.
          {R"({"spec":{"tolerations":"junk","containers":[{"image":5}]}})", ""},
      });
}

TEST_CASE("an invalid pod has no value") {
  json manifest = json::parse(kPod);
  manifest["status"]["podIPs"][0]["ip"] = "x";
  const Decoded out = decode(*identify(manifest), manifest, {});
  CHECK(out.errors.size() == 1);
  CHECK_FALSE(out.value);
}

TEST_CASE("annotations have 256 KiB at most") {
  json manifest = json::parse(kPod);
  manifest["metadata"]["annotations"] = {{"a", std::string(262143, 'x')}};
  CHECK(test::errors_of(manifest) == "");
  manifest["metadata"]["annotations"] = {{"a", std::string(262144, 'x')}};
  CHECK(test::errors_of(manifest) == "metadata.annotations: has 262145 bytes, at most 262144 are allowed\n");
}

TEST_CASE("pods with equal labels share one list, which goes with its last holder") {
  auto a = pod_with(R"({})");
  const void* id = a->labels.id();
  CHECK(pod_with(R"({"metadata":{"name":"web-1"}})")->labels.id() == id);
  CHECK(pod_with(R"({"metadata":{"labels":{"app":"db"}}})")->labels.id() != id);
  Labels copy = a->labels;
  a.reset();
  CHECK(pod_with(R"({})")->labels.id() == id);  // the copy still holds it
  copy = {};
  const auto again = pod_with(R"({})");
  CHECK(again->labels.get("app")->view() == "web");
}
