// Whatever a manifest holds, decoding it ends with a value or with errors that name a field: it never throws and never crashes
// (run it under the sanitizers). MARGAY_SEED repeats a run, MARGAY_ITERATIONS makes it longer.
#include <cstdlib>
#include <iostream>
#include <random>

#include "decoding.hpp"
#include "support/environment.hpp"

using namespace margay;
using nlohmann::json;

namespace {

constexpr const char* kCorpus[] = {
    R"j({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-0","namespace":"shop","labels":{"app":"web"},"deletionTimestamp":"2026-01-01T00:00:00Z",
      "annotations":{"cni.projectcalico.org/podIP":"10.0.0.1/32","cni.projectcalico.org/floatingIPs":"[\"1.2.3.4\"]",
      "cni.projectcalico.org/allowedSourcePrefixes":"[\"8.8.8.0/24\"]","qos.projectcalico.org/ingressPacketRate":"1k","qos.projectcalico.org/dscp":"EF"}},
      "spec":{"nodeName":"node1","hostNetwork":false,"serviceAccountName":"robot","containers":[{"ports":[{"name":"http","containerPort":80,"protocol":"TCP"}]}],
      "initContainers":[{"ports":[{"name":"side","containerPort":9000}]}]},"status":{"phase":"Running","podIP":"10.0.0.4","podIPs":[{"ip":"10.0.0.4"},{"ip":"fd00::4"}]}})j",
    R"j({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop","labels":{"team":"a"}}})j",
    R"j({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"robot","namespace":"shop","labels":{"team":"a"}}})j",
    R"j({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.7","clusterIPs":["10.96.0.7"],
      "externalIPs":["192.0.2.7"],"externalTrafficPolicy":"Local","ports":[{"name":"http","port":80,"nodePort":30080}]},"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.7"}]}}})j",
    R"j({"apiVersion":"v1","kind":"Node","metadata":{"name":"node1","labels":{"a":"b"},"annotations":{"projectcalico.org/IPv4Address":"10.0.0.11/24",
      "projectcalico.org/ASNumber":"65001","projectcalico.org/labels":"{\"rack\":\"a\"}"}},"spec":{"podCIDRs":["10.244.1.0/24"]}})j",
    R"j({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-x7","namespace":"shop","labels":{"kubernetes.io/service-name":"web"}},
      "addressType":"IPv4","endpoints":[{"addresses":["10.0.0.4"],"nodeName":"node1","conditions":{"ready":false}}],"ports":[{"name":"http","port":80,"protocol":"TCP"}]})j",
    R"j({"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"np","namespace":"shop"},"spec":{"podSelector":{"matchLabels":{"app":"web"}},
      "policyTypes":["Ingress","Egress"],"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}},{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]}}],
      "ports":[{"port":80,"endPort":90},{"port":"http","protocol":"UDP"}]}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"shop"},"spec":{"tier":"default","order":100.5,"selector":"app == 'web'","types":["Ingress","Egress"],
      "serviceAccountSelector":"a == 'b'","ingress":[{"action":"Allow","protocol":"TCP","ipVersion":4,"source":{"selector":"role == 'fe'","namespaceSelector":"all()","notNets":["10.0.0.0/8"],
      "serviceAccounts":{"names":["x"],"selector":"y == 'z'"}},"destination":{"ports":[80,"8000:8010","metrics"],"notPorts":[5]},"metadata":{"annotations":{"a":"b"}},
      "http":{"methods":["GET"],"paths":[{"exact":"/a"}]}}],"egress":[{"action":"Deny","protocol":"ICMP","icmp":{"type":8,"code":0},"notICMP":{"type":1}},{"action":"Allow","destination":{"services":{"name":"s","namespace":"n"}}}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkPolicy","metadata":{"name":"g"},"spec":{"namespaceSelector":"a == 'b'","doNotTrack":true,"applyOnForward":true,"preDNAT":false,
      "performanceHints":["AssumeNeededOnEveryNode"],"ingress":[{"action":"Log"},{"action":"Pass","notProtocol":17}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"StagedKubernetesNetworkPolicy","metadata":{"name":"s","namespace":"shop"},"spec":{"stagedAction":"Set","podSelector":{"matchLabels":{"app":"web"}},"policyTypes":["Ingress"]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"StagedGlobalNetworkPolicy","metadata":{"name":"s"},"spec":{"stagedAction":"Delete","tier":"default"}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"t"},"spec":{"order":10,"defaultAction":"Pass"}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"Profile","metadata":{"name":"kns.a"},"spec":{"ingress":[{"action":"Allow"}],"egress":[{"action":"Allow"}],"labelsToApply":{"pcns.a":"b"}}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"NetworkSet","metadata":{"name":"n","namespace":"shop","labels":{"role":"db"}},"spec":{"nets":["198.51.100.0/28","10.0.0.1"]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"WorkloadEndpoint","metadata":{"name":"node1-k8s-web--0-eth0","namespace":"default","labels":{"app":"web"}},"spec":{"orchestrator":"k8s","node":"node1",
      "containerID":"9c0f","pod":"web-0","endpoint":"eth0","serviceAccountName":"default","ipNetworks":["192.168.11.4/32"],"ipNATs":[{"internalIP":"192.168.11.4","externalIP":"1.1.1.1"}],
      "profiles":["kns.default"],"interfaceName":"cali0d7763386da","mac":"7a:5b:1c:22:33:44","ports":[{"name":"http","protocol":"TCP","port":80,"hostPort":0,"hostIP":""}],
      "allowSpoofedSourcePrefixes":["8.8.8.8/32"],"qosControls":{"ingressPacketRate":5,"dscp":46}}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"HostEndpoint","metadata":{"name":"h"},"spec":{"node":"node1","interfaceName":"eth0","expectedIPs":["10.0.0.11"],"profiles":["a"],"ports":[{"name":"ssh","protocol":"TCP","port":22}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"Node","metadata":{"name":"node1"},"spec":{"bgp":{"asNumber":"1.10","ipv4Address":"10.0.0.11/24","routeReflectorClusterID":"1.2.3.4"},"ipv4VXLANTunnelAddr":"192.168.11.0"},"status":{"podCIDRs":["10.244.1.0/24"]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"p"},"spec":{"cidr":"192.168.0.0/16","ipipMode":"Always","natOutgoing":true,"blockSize":26,"nodeSelector":"all()","allowedUses":["Workload"],"namespaceSelector":"a == 'b'"}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"FelixConfiguration","metadata":{"name":"default","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"iptablesMarkMask":4294901760,"ipipEnabled":true,"iptablesRefreshInterval":"1m30s",
      "failsafeInboundHostPorts":[{"protocol":"TCP","port":22,"net":"10.0.0.0/8"}],"kubeNodePortRanges":["1:2",3],"routeTableRanges":[{"min":1,"max":9}],"healthTimeoutOverrides":[{"name":"a","timeout":"20s"}],
      "bpfConntrackTimeouts":{"tcpSynSent":"Auto"},"bpfLogFilters":{"all":"tcp"},"externalNodesList":["10.0.0.1"],"istioDSCPMark":"EF","natOutgoingAddress":"1.2.3.4","logActionRateLimit":"5/second"}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BGPConfiguration","metadata":{"name":"default"},"spec":{"serviceClusterIPs":[{"cidr":"10.96.0.0/12"}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"ClusterInformation","metadata":{"name":"default"},"spec":{"clusterGUID":"0f3f","datastoreReady":true}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BGPConfiguration","metadata":{"name":"default"},"spec":{"logSeverityScreen":"Info","asNumber":"1.10","listenPort":178,"bindMode":"NodeIP",
      "communities":[{"name":"std","value":"1:2"}],"prefixAdvertisements":[{"cidr":"10.0.0.0/8","communities":["std","1:2:3"]}],"nodeMeshPassword":{"secretKeyRef":{"name":"a","key":"b"}},
      "nodeMeshMaxRestartTime":"1m","ignoredInterfaces":["eth*"],"localWorkloadPeeringIPV4":"169.254.1.1","programClusterRoutes":"Enabled","ipv4NormalRoutePriority":1024}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BGPPeer","metadata":{"name":"tor1","annotations":{"bgp.margay.io/bfd":"true","bgp.margay.io/bfd-min-rx":"300","bgp.margay.io/hold-time":"30",
      "bgp.margay.io/max-prefixes":"9","bgp.margay.io/max-prefixes-action":"warn","bgp.margay.io/unnumbered":"eth0"}},"spec":{"node":"n1","peerIP":"[fe80::1%eth0]:179","asNumber":65000,
      "localASNumber":"65001","keepOriginalNextHop":true,"password":{"secretKeyRef":{"name":"a","key":"b"}},"maxRestartTime":"10s","keepaliveTime":"5s","ttlSecurity":2,"filters":["f"]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BGPPeer","metadata":{"name":"rr"},"spec":{"nodeSelector":"all()","peerSelector":"has(rr)","nextHopMode":"Self"}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BGPFilter","metadata":{"name":"f"},"spec":{"importV4":[{"cidr":"10.0.0.0/8","matchOperator":"In","prefixLength":{"min":8,"max":24},
      "source":"RemotePeers","interface":"eth*","peerType":"eBGP","communities":{"values":["1:2"]},"asPathPrefix":[1,"1.1"],"priority":5,"action":"Accept",
      "operations":[{"addCommunity":{"value":"1:2:3"}},{"prependASPath":{"prefix":[1]}},{"setPriority":{"value":1}}]}],"exportV6":[{"action":"Reject"}]}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"BlockAffinity","metadata":{"name":"b"},"spec":{"state":"pending","node":"n1","type":"host","cidr":"10.0.0.0/26","deleted":false}})j",
    R"j({"apiVersion":"projectcalico.org/v3","kind":"CalicoNodeStatus","metadata":{"name":"s"},"spec":{"node":"n1","classes":["Agent","BGP"],"updatePeriodSeconds":10}})j",
    R"j({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"kube-system"},"type":"Opaque","data":{"a":"aHVudGVyMg=="},"stringData":{"b":"x"}})j"};

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_{seed} {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random_); }

  // Any JSON, mostly small, and what has broken parsers before.
  json any(int depth = 0) {
    static const std::vector<json> scalars{nullptr,
                                           true,
                                           false,
                                           0,
                                           -1,
                                           1,
                                           255,
                                           256,
                                           65535,
                                           65536,
                                           4294967296,
                                           std::numeric_limits<std::int64_t>::min(),
                                           std::numeric_limits<std::uint64_t>::max(),
                                           0.5,
                                           -1e308,
                                           std::numeric_limits<double>::infinity(),
                                           std::numeric_limits<double>::quiet_NaN(),
                                           "",
                                           "a",
                                           "A",
                                           "-",
                                           ".",
                                           "/",
                                           ":",
                                           "0",
                                           "80",
                                           "99999999999999999999",
                                           "10.0.0.0/8",
                                           "::/0",
                                           "10.0.0.0/",
                                           "/8",
                                           "::ffff:1.2.3.4",
                                           "fe80::1%eth0",
                                           "all()",
                                           "((((",
                                           "!has(a)",
                                           "a in {'b'",
                                           "tcp",
                                           "TCP",
                                           "Allow",
                                           std::string("a\0b", 3),
                                           std::string(300, 'a'),
                                           std::string(5000, '('),
                                           std::string("\xff\xfe"),
                                           "\xc3\xa9",
                                           "[]",
                                           "[[[[",
                                           "{\"a\":1}",
                                           "[1]",
                                           "1e9999",
                                           "\xc2\xb5s",
                                           "1h",
                                           "node.",
                                           "kns.",
                                           "default",
                                           "Delete",
                                           "*"};
    switch (below(depth < 3 ? 8 : 6)) {
      case 6: {
        json list = json::array();
        for (std::size_t i = below(4); i > 0; --i) list.push_back(any(depth + 1));
        return list;
      }
      case 7: {
        json object = json::object();
        static const char* keys[] = {"", "name", "ip", "cidr", "ports", "a b", "protocol", "selector", "matchLabels", "min"};
        for (std::size_t i = below(4); i > 0; --i) object[keys[below(std::size(keys))]] = any(depth + 1);
        return object;
      }
      default: return scalars[below(scalars.size())];
    }
  }

  void mutate(json& document) {
    std::vector<json*> nodes;
    collect(document, nodes);
    json& node = *nodes[below(nodes.size())];
    switch (below(5)) {
      case 0:
        if (node.is_array() && !node.empty()) {
          const json copy = node[below(node.size())];
          node.push_back(copy);
          return;
        }
        break;
      case 1:
        if (node.is_object() && !node.empty()) {
          auto it = node.begin();
          std::advance(it, static_cast<long>(below(node.size())));
          node.erase(it);
          return;
        }
        break;
      case 2:
        if (node.is_string()) {  // a value that is almost right
          auto& text = node.get_ref<std::string&>();
          if (!text.empty()) text[below(text.size())] = static_cast<char>(below(256));
          return;
        }
        break;
      default: break;
    }
    node = any();
  }

 private:
  static void collect(json& node, std::vector<json*>& out) {
    out.push_back(&node);
    if (node.is_structured())
      for (auto& child : node) collect(child, out);
  }
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("decoding survives any JSON in any place") {
  const std::uint64_t seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const std::uint64_t iterations = margay::test::from_environment("MARGAY_ITERATIONS", 20000);
  std::cout << "seed " << seed << "\n";
  std::vector<json> corpus;
  for (const char* text : kCorpus) {
    corpus.push_back(json::parse(text));
    const std::string found = test::errors_of(corpus.back());
    INFO(text << "\n" << found);
    CHECK(found == "");  // else the mutations explore little
  }
  Mutator mutator{seed};
  std::uint64_t valid = 0, invalid = 0, unidentified = 0, closed = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    json manifest = corpus[mutator.below(corpus.size())];
    for (std::size_t n = 1 + mutator.below(3); n > 0; --n) mutator.mutate(manifest);
    const bool strict = mutator.below(4) == 0;
    const auto id = identify(manifest);
    if (!id) {
      ++unidentified;
      if (id.error().text.empty()) FAIL("an error without text at iteration " << i);
      continue;
    }
    const Decoded out = decode(*id, manifest, {}, strict);
    bool good = true;
    for (const FieldError& e : out.errors) good = good && e.field != "?" && !e.reason.empty();
    if (!out.errors.empty() && out.value) {
      const auto* policy = std::get_if<Ref<Policy>>(&*out.value);
      const auto* filter = std::get_if<Ref<BgpFilter>>(&*out.value);
      good = good && ((policy != nullptr && (*policy)->closed) || (filter != nullptr && (*filter)->closed));
      ++closed;
    }
    if (out.value && !out.key) good = false;
    ++(out.errors.empty() ? valid : invalid);
    if (!good) FAIL("iteration " << i << ": " << manifest.dump(-1, ' ', false, json::error_handler_t::replace));
    apply_defaults(*id, manifest);
  }
  std::cout << valid << " valid, " << invalid << " invalid (" << closed << " closed), " << unidentified << " unidentified\n";
  CHECK(valid > iterations / 50);
  CHECK(invalid > iterations / 10);
}

TEST_CASE("a manifest nested deeper than any stack is an error at the end of it, not the end of us") {
  json deep = "x";
  for (int i = 0; i < 200000; ++i) {
    json list = json::array();
    list.push_back(std::move(deep));
    deep = std::move(list);
  }
  json manifest = json::parse(kCorpus[1]);
  manifest["metadata"]["labels"]["team"] = std::move(deep);
  manifest["metadata"]["annotations"]["z"] = 5;
  const Decoded out = decode(*identify(manifest), manifest, {}, true);
  CHECK(out.errors.size() == 2);
}
