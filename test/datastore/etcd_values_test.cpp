// Values as Calico's clients write them (the worked examples of datastore-model §1.5), and as we do.
#include "etcd_values.hpp"

#include <random>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using datastore::Birth;
using datastore::manifest_of;
using datastore::value_of;
using nlohmann::json;

namespace {

const Birth kBirth{"5a1f0e3c-7b2d-4c6e-9f80-1234567890ab", "2026-08-01T10:00:00Z"};

struct Example {
  ObjectId address;
  std::string rest;  // after metadata's uid and creationTimestamp
  std::string more;  // of metadata
  [[nodiscard]] std::string text() const {
    const std::string ns = address.ns.empty() ? "" : R"j("namespace":")j" + address.ns + R"j(",)j";
    return R"j({"kind":")j" + std::string{info(address.kind).name} +
           R"j(","apiVersion":"projectcalico.org/v3","metadata":{"name":")j" + address.name + "\"," + ns + R"j("uid":")j" +
           kBirth.uid + R"j(","creationTimestamp":")j" + kBirth.creation_timestamp + "\"" + more + "}," + rest + "}";
  }
};

const std::string kTiered =
    R"j(,"labels":{"projectcalico.org/tier":"default"},"annotations":{"projectcalico.org/metadata":"{\"name\":\")j";

std::vector<Example> examples() {
  return {
      {{Kind::ClusterInformation, "", "default"},
       R"j("spec":{"clusterGUID":"0f3f4f0f9f6c4d0c8a1f5d2f0d3a9b77","clusterType":"typha,k8s,bgp","calicoVersion":"v3.32.0","datastoreReady":true})j",
       ""},
      {{Kind::Tier, "", "default"}, R"j("spec":{"order":1000000,"defaultAction":"Deny"},"status":{})j", ""},
      {{Kind::IPPool, "", "default-ipv4-ippool"},
       R"j("spec":{"cidr":"192.168.0.0/16","vxlanMode":"Never","ipipMode":"Always","natOutgoing":true,"blockSize":26,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"})j",
       ""},
      {{Kind::IPReservation, "", "r1"}, R"j("spec":{"reservedCIDRs":["192.168.2.3","10.0.2.0/24"]})j", ""},
      {{Kind::IPAMConfiguration, "", "default"},
       R"j("spec":{"strictAffinity":false,"autoAllocateBlocks":true,"kubeVirtVMAddressPersistence":"Enabled"})j",
       ""},
      {{Kind::Node, "", "node1"},
       R"j("spec":{"bgp":{"asNumber":64512,"ipv4Address":"10.0.0.11/24","ipv4IPIPTunnelAddr":"192.168.11.1"},"ipv4VXLANTunnelAddr":"192.168.11.0","vxlanTunnelMACAddr":"66:aa:bb:cc:dd:ee","orchRefs":[{"nodeName":"k8s-node1","orchestrator":"k8s"}],"addresses":[{"address":"10.0.0.11/24","type":"CalicoNodeIP"},{"address":"10.0.0.11","type":"InternalIP"}],"interfaces":[{"name":"eth0","addresses":["10.0.0.11"]}]},"status":{"podCIDRs":["10.244.1.0/24"]})j",
       R"j(,"labels":{"rack":"a"})j"},
      {{Kind::WorkloadEndpoint, "default", "node1-k8s-web--0-eth0"},
       R"j("spec":{"orchestrator":"k8s","node":"node1","containerID":"9c0f1e","pod":"web-0","endpoint":"eth0","serviceAccountName":"default","ipNetworks":["192.168.11.4/32"],"profiles":["kns.default","ksa.default.default"],"interfaceName":"cali0d7763386da","mac":"7a:5b:1c:22:33:44","ports":[{"name":"http","protocol":"TCP","port":80,"hostPort":0,"hostIP":""}]})j",
       R"j(,"generateName":"web-","labels":{"app":"web","projectcalico.org/namespace":"default","projectcalico.org/orchestrator":"k8s","projectcalico.org/serviceaccount":"default"})j"},
      {{Kind::Profile, "", "kns.default"},
       R"j("spec":{"ingress":[{"action":"Allow"}],"egress":[{"action":"Allow"}],"labelsToApply":{"pcns.kubernetes.io/metadata.name":"default","pcns.projectcalico.org/name":"default"}})j",
       ""},
      {{Kind::NetworkPolicy, "default", "allow-web"},
       R"j("spec":{"tier":"default","order":100,"ingress":[{"action":"Allow","protocol":"TCP","source":{"selector":"role == 'fe'"},"destination":{"ports":[80,"8000:8010","metrics"]}}],"selector":"app == 'web'","types":["Ingress"]})j",
       kTiered + R"j(allow-web\"}"})j"},
      {{Kind::GlobalNetworkPolicy, "", "deny-all"},
       R"j("spec":{"tier":"default","order":10000,"types":["Ingress","Egress"]})j",
       kTiered + R"j(deny-all\"}"})j"},
      {{Kind::StagedNetworkPolicy, "default", "s1"},
       R"j("spec":{"stagedAction":"Set","tier":"default","selector":"all()","types":["Ingress"]})j",
       kTiered + R"j(s1\"}"})j"},
      {{Kind::StagedGlobalNetworkPolicy, "", "s1"},
       R"j("spec":{"stagedAction":"Set","tier":"default","selector":"all()","types":["Ingress"]})j",
       kTiered + R"j(s1\"}"
})j"},
      {{Kind::StagedKubernetesNetworkPolicy, "default", "s1"},
       R"j("spec":{"stagedAction":"Set","podSelector":{"matchLabels":{"app":"web"}},"policyTypes":["Ingress"]})j",
       ""},
      {{Kind::NetworkSet, "default", "ns1"}, R"j("spec":{"nets":["198.51.100.0/28"]})j", R"j(,"labels":{"role":"db"})j"},
      {{Kind::GlobalNetworkSet, "", "gns1"}, R"j("spec":{"nets":["203.0.113.0/24"]})j", ""},
      {{Kind::HostEndpoint, "", "node1-eth0"},
       R"j("spec":{"node":"node1","interfaceName":"eth0","expectedIPs":["10.0.0.11"],"ports":[{"name":"ssh","protocol":"TCP","port":22}]})j",
       ""},
      {{Kind::BGPConfiguration, "", "default"},
       R"j("spec":{"logSeverityScreen":"Info","nodeToNodeMeshEnabled":true,"asNumber":64512,"serviceClusterIPs":[{"cidr":"10.96.0.0/12"}],"serviceLoadBalancerAggregation":"Enabled"})j",
       ""},
      {{Kind::BGPPeer, "", "tor1"},
       R"j("spec":{"nodeSelector":"rack == 'a'","peerIP":"10.0.0.1","asNumber":65001,"filters":["f1"]})j",
       ""},
      {{Kind::BGPFilter, "", "f1"},
       R"j("spec":{"exportV4":[{"cidr":"10.0.0.0/8","matchOperator":"In","action":"Accept"},{"action":"Reject"}]})j",
       ""},
      {{Kind::FelixConfiguration, "", "default"},
       R"j("spec":{"logSeverityScreen":"Info","reportingInterval":"0s","floatingIPs":"Disabled","bpfConnectTimeLoadBalancing":"TCP","bpfHostNetworkedNATWithoutCTLB":"Enabled","nftablesMode":"Auto","nftablesFlowTableOffload":"Disabled"})j",
       ""},
      {{Kind::FelixConfiguration, "", "node.node1"},
       R"j("spec":{"defaultEndpointToHostAction":"Return","floatingIPs":"Disabled","bpfConnectTimeLoadBalancing":"TCP","bpfHostNetworkedNATWithoutCTLB":"Enabled","nftablesMode":"Auto","nftablesFlowTableOffload":"Disabled"})j",
       ""},
      {{Kind::KubeControllersConfiguration, "", "default"},
       R"j("spec":{"logSeverityScreen":"Info","healthChecks":"Enabled","prometheusMetricsPort":9094,"controllers":{"node":{"reconcilerPeriod":"5m0s","syncLabels":"Enabled","hostEndpoint":{"autoCreate":"Disabled"},"leakGracePeriod":"15m0s"},"policy":{"reconcilerPeriod":"5m0s"},"loadBalancer":{"assignIPs":"AllServices"}}},"status":{})j",
       ""},
      {{Kind::CalicoNodeStatus, "", "n1"},
       R"j("spec":{"node":"node1","classes":["Agent","BGP","Routes"],"updatePeriodSeconds":10},"status":{"lastUpdated":"2026-08-01T10:00:10Z","agent":{"birdV4":{"state":"Ready","version":"v0.3.3+birdv1.6.8","routerID":"10.0.0.11"},"birdV6":{"state":"NotReady"}},"bgp":{"numberEstablishedV4":1,"numberNotEstablishedV4":0,"numberEstablishedV6":0,"numberNotEstablishedV6":0,"peersV4":[{"peerIP":"10.0.0.12","type":"NodeMesh","state":"Established","since":"09:19:28"}]},"routes":{}})j",
       ""},
  };
}

json parsed(std::string_view text) { return json::parse(text); }

json manifest(const ObjectId& address, std::string_view value, std::int64_t revision = 7) {
  auto out = manifest_of(address, value, revision);
  INFO(value);
  if (!out) FAIL(out.error().text);
  return *out;
}

const ObjectId kPolicy{Kind::NetworkPolicy, "default", "default.allow-web"};

std::string policy_value(const std::string& name, const std::string& tier, const std::string& annotation = {}) {
  json out{{"kind", "NetworkPolicy"},
           {"apiVersion", "projectcalico.org/v3"},
           {"metadata", {{"name", name}, {"namespace", "default"}}},
           {"spec", {{"selector", "all()"}}}};
  if (!tier.empty()) out["spec"]["tier"] = tier;
  if (!annotation.empty()) out["metadata"]["annotations"]["projectcalico.org/metadata"] = annotation;
  return out.dump();
}

std::string name_of(const ObjectId& address, const std::string& value) { return manifest(address, value)["metadata"]["name"]; }

}  // namespace

TEST_CASE("what Calico writes is read, decodes, and is written back as it was") {
  for (const Example& example : examples()) {
    INFO(example.text());
    const json read = manifest(example.address, example.text());
    CHECK(read["metadata"]["resourceVersion"] == "7");
    CHECK_FALSE(read["metadata"].contains("annotations"));
    const auto id = identify(read);
    REQUIRE(id);
    CHECK(*id == example.address);
    for (const FieldError& error : decode(*id, read, {}).errors) FAIL_CHECK(error.field << ": " << error.reason);
    CHECK(parsed(value_of(example.address, read, &read, {})) == parsed(example.text()));
  }
}

TEST_CASE("a manifest without birth becomes what Calico's own client would have created") {
  for (const Example& example : examples()) {
    json bare = parsed(example.text());
    bare["metadata"].erase("uid");
    bare["metadata"].erase("creationTimestamp");
    bare["metadata"].erase("annotations");
    if (bare.contains("status") && bare["status"].empty()) bare.erase("status");
    bare["metadata"]["resourceVersion"] = "12";
    bare["metadata"]["selfLink"] = "/x";
    bare["metadata"]["managedFields"] = json::array();
    CHECK(parsed(value_of(example.address, bare, nullptr, kBirth)) == parsed(example.text()));
  }
}

TEST_CASE("birth is given once and kept") {
  const ObjectId id{Kind::GlobalNetworkSet, "", "a"};
  const auto birth_of = [&](const std::string& value) {
    const json metadata = parsed(value)["metadata"];
    return std::pair{metadata.value("uid", ""), metadata.value("creationTimestamp", "")};
  };
  using Pair = std::pair<std::string, std::string>;
  const json bare{{"metadata", {{"name", "a"}, {"creationTimestamp", nullptr}}}};
  const json born{{"metadata", {{"name", "a"}, {"uid", "u1"}, {"creationTimestamp", "t1"}}}};
  const json other{{"metadata", {{"name", "a"}, {"uid", "u2"}, {"creationTimestamp", "t2"}}}};
  CHECK(birth_of(value_of(id, bare, nullptr, {"u", "t"})) == Pair{"u", "t"});
  CHECK(birth_of(value_of(id, born, nullptr, {"u", "t"})) == Pair{"u1", "t1"});
  CHECK(birth_of(value_of(id, bare, &born, {"u", "t"})) == Pair{"u1", "t1"});
  CHECK(birth_of(value_of(id, other, &born, {"u", "t"})) == Pair{"u1", "t1"});
  CHECK(birth_of(value_of(id, bare, &bare, {"u", "t"})) == Pair{"u", "t"});  // a foreign writer's: mended
}

TEST_CASE("a policy's name is the annotation's, else the key's without the old prefix") {
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "default")) == "allow-web");
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "")) == "allow-web");
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "default", R"j({"name":"allow-web"})j")) == "allow-web");
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "default", R"j({"name":"default.allow-web"})j")) ==
        "default.allow-web");
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "sec")) == "default.allow-web");
  CHECK(name_of({Kind::NetworkPolicy, "default", "sec.x"}, policy_value("sec.x", "sec")) == "sec.x");
  CHECK(name_of(kPolicy, policy_value("default.", "default")) == "default.");
  // An annotation that names nothing: Calico shows no name at all; we show what there would be without it.
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "default", "{}")) == "allow-web");
  CHECK(name_of(kPolicy, policy_value("default.allow-web", "default", "no json")) == "allow-web");
  // Others have no such names.
  const ObjectId set{Kind::NetworkSet, "default", "default.x"};
  CHECK(name_of(set, R"j({"metadata":{"name":"default.x","namespace":"default"}})j") == "default.x");
}

TEST_CASE("a policy under its old key stays there and keeps both names") {
  json now = manifest(kPolicy, policy_value("default.allow-web", "default"));
  now["spec"]["order"] = 5;
  const json written = parsed(value_of(kPolicy, now, &now, kBirth));
  CHECK(written["metadata"]["name"] == "default.allow-web");
  CHECK(written["metadata"]["annotations"]["projectcalico.org/metadata"] == R"j({"name":"allow-web"})j");
  CHECK(name_of(kPolicy, written.dump()) == "allow-web");
}

TEST_CASE("values that are none are refused, saying why") {
  const ObjectId id{Kind::Tier, "", "a"};
  const auto reason = [&](std::string_view value) {
    const auto out = manifest_of(id, value, 1);
    return out ? std::string{"read"} : out.error().text;
  };
  CHECK(reason("") == "is no JSON");
  CHECK(reason("{") == "is no JSON");
  CHECK(reason("[]") == "is no JSON object");
  CHECK(reason(R"j({"kind":"IPPool"})j") == "is a IPPool where the key says Tier");
  CHECK(reason(R"j({"metadata":[]})j") == "metadata: is no object");
  CHECK(reason(std::string(100'000, '[')).find("levels deep") != std::string::npos);
  CHECK(reason(R"j({"x":"[[[[\"[[[[","y":)j" + std::string(150, '[') + std::string(150, ']') + "}") == "read");
  CHECK(reason(R"j({"kind":"","metadata":null})j") == "read");
}

TEST_CASE("what nobody knows is kept") {
  const std::uint64_t seed = test::from_environment("MARGAY_SEED", std::random_device{}());
  const std::uint64_t rounds = test::from_environment("MARGAY_ITERATIONS", 2000);
  INFO("MARGAY_SEED=" << seed);
  std::mt19937_64 random{seed};
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const char* const words[] = {"name", "status",      "spec",      "tier",    "x.y/z",
                               "",     "annotations", "default.a", "\"<&>\\", "\u00e9\u4e16"};
  const std::function<json(int)> any = [&](int depth) -> json {
    switch (below(depth > 3 ? 6 : 8)) {
      case 0: return nullptr;
      case 1: return below(2) == 0;
      case 2: return random();  // beyond 2^53, exactly
      case 3: return -static_cast<std::int64_t>(below(1ULL << 62));
      case 4: return static_cast<double>(below(1000)) / 8;
      case 5: return words[below(std::size(words))];
      case 6: {
        json out = json::array();
        for (auto n = below(4); n > 0; --n) out.push_back(any(depth + 1));
        return out;
      }
      default: {
        json out = json::object();
        for (auto n = below(4); n > 0; --n) out[words[below(std::size(words))]] = any(depth + 1);
        return out;
      }
    }
  };
  const std::vector<Example> all = examples();
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Example& example = all[below(all.size())];
    json object = manifest(example.address, example.text());
    for (auto n = below(3); n > 0; --n) object["unknown" + std::to_string(n)] = any(0);
    for (auto n = below(3); n > 0; --n) object["spec"]["unknown" + std::to_string(n)] = any(0);
    for (auto n = below(3); n > 0; --n) object["metadata"]["unknown" + std::to_string(n)] = any(0);
    if (below(2) == 0) object["metadata"]["annotations"] = {{words[below(std::size(words))], "v"}};
    if (datastore::is_tiered(example.address.kind) && below(3) == 0) object["metadata"]["name"] = "other";
    const bool fresh = below(2) == 0;
    const std::string value = value_of(example.address, object, fresh ? nullptr : &object, kBirth);
    REQUIRE(manifest(example.address, value) == object);
    REQUIRE(value_of(example.address, manifest(example.address, value), &object, {}) == value);
  }
}

TEST_CASE("the profile that is always there decodes") {
  const json object = datastore::virtual_profile();
  const auto id = identify(object);
  REQUIRE(id);
  CHECK(datastore::is_virtual(*id));
  CHECK_FALSE(datastore::is_virtual({Kind::Profile, "", "kns.default"}));
  CHECK(object["metadata"]["resourceVersion"] == "1");
}
