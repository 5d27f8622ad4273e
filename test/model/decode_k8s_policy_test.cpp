#include "policy_support.hpp"

using namespace margay;
using namespace margay::test;

namespace {

Policy knp(const std::string& spec) { return policy_of(kubernetes(spec)); }

const std::string kPods = "projectcalico.org/orchestrator == \"k8s\"";
const std::string kOwn = "projectcalico.org/namespace == \"ns1\"";

}  // namespace

TEST_CASE("an empty policy isolates every pod of its namespace") {
  const auto policy = knp(R"({"podSelector":{}})");
  CHECK(decode_text(kubernetes("{}")).key == Key{Kind::KubernetesNetworkPolicy, "ns1", "p1"});
  CHECK(policy.tier == "default");
  CHECK(policy.order == 1000.0);
  CHECK(policy.selector.canonical() == "(" + kPods + " && " + kOwn + ")");
  CHECK(policy.governs_ingress);
  CHECK_FALSE(policy.governs_egress);
  CHECK(policy.ingress.empty());
  CHECK(knp("{}") == policy);
  CHECK(knp(R"({"policyTypes":[]})") == policy);
}

TEST_CASE("pod selectors") {
  const auto selector = [](const std::string& pods) { return knp(R"({"podSelector":)" + pods + "}").selector.canonical(); };
  CHECK(selector(R"({"matchLabels":{"b":"y","a":"x"}})") == "((" + kPods + " && a == \"x\" && b == \"y\") && " + kOwn + ")");
  CHECK(selector(
            R"({"matchExpressions":[{"key":"e","operator":"In","values":["z","y"]},{"key":"d","operator":"NotIn","values":["x"]},
                     {"key":"x.y/Z","operator":"Exists"},{"key":"a","operator":"DoesNotExist","values":[]}]})") ==
        "((" + kPods + " && e in {\"y\", \"z\"} && d not in {\"x\"} && has(x.y/Z) && !has(a)) && " + kOwn + ")");
  CHECK(selector(R"({"matchLabels":{"a":""},"matchExpressions":[{"key":"a","operator":"Exists"}]})") ==
        "((" + kPods + " && a == \"\" && has(a)) && " + kOwn + ")");
}

TEST_CASE("policy types are filled in as the API server does") {
  struct Row {
    const char* spec;
    bool ingress, egress;
  };
  const Row rows[] = {
      {R"({"egress":[{}]})", true, true},
      {R"({"egress":[]})", true, false},
      {R"({"ingress":[{}]})", true, false},
      {R"({"policyTypes":["Ingress"],"egress":[{}]})", true, false},
      {R"({"policyTypes":["Egress"]})", false, true},
      {R"({"policyTypes":["Egress","Ingress"]})", true, true},
      {R"({"policyTypes":["Ingress","Ingress"]})", true, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.spec);
    const auto policy = knp(row.spec);
    CHECK(policy.governs_ingress == row.ingress);
    CHECK(policy.governs_egress == row.egress);
    if (!row.egress) CHECK(policy.egress.empty());
  }
}

TEST_CASE("ports are grouped by protocol and simplified") {
  const auto rules = knp(R"({"ingress":[{"ports":[
      {"port":80},{"port":82},{"port":81},{"protocol":"UDP","port":53},{"port":"web"},{"port":"api"},{"port":"web"},
      {"port":90,"endPort":100},{"port":95,"endPort":120},{"port":65535},{"port":65534,"endPort":65535},
      {"protocol":"SCTP","port":1},{"protocol":"SCTP"}]}]})")
                         .ingress;
  REQUIRE(rules.size() == 3);
  CHECK(rules[0] == Rule{.protocol = protocol::kSctp});  // an entry without port lifts the restriction
  CHECK(rules[1].protocol == protocol::kTcp);
  CHECK(rules[1].destination.ports == std::vector<PortRange>{{80, 82}, {90, 120}, {65534, 65535}});
  CHECK(rules[1].destination.named_ports == std::vector<Symbol>{"api", "web"});
  CHECK(rules[2].protocol == protocol::kUdp);
  CHECK(rules[2].destination.ports == std::vector<PortRange>{{53, 53}});
  CHECK(knp(R"({"ingress":[{"ports":[]}]})").ingress == std::vector<Rule>{Rule{}});
  CHECK(knp(R"({"ingress":[{}]})").ingress == std::vector<Rule>{Rule{}});
}

TEST_CASE("peers") {
  const auto peer = [](const std::string& text) {
    const auto policy = knp(R"({"ingress":[{"from":[)" + text + R"(]}],"egress":[{"to":[)" + text + "]}]}");
    REQUIRE(policy.ingress.size() == 1);
    REQUIRE(policy.egress.size() == 1);
    CHECK(policy.ingress[0].source == policy.egress[0].destination);
    CHECK(policy.ingress[0].destination == Entity{});
    return policy.ingress[0].source;
  };
  const auto selector = [&](const std::string& text) {
    const auto entity = peer(text);
    REQUIRE(entity.selector);
    CHECK(entity.nets.empty());
    return entity.selector->canonical();
  };
  CHECK(selector(R"({"podSelector":{}})") == "(" + kOwn + " && " + kPods + ")");
  CHECK(selector(R"({"podSelector":{"matchLabels":{"a":"b"}}})") == "(" + kOwn + " && (" + kPods + " && a == \"b\"))");
  CHECK(selector(R"({"namespaceSelector":{}})") == "(has(projectcalico.org/namespace) && " + kPods + ")");
  CHECK(selector(R"({"namespaceSelector":{"matchLabels":{"n":"x"}}})") == "(pcns.n == \"x\" && " + kPods + ")");
  CHECK(selector(R"({"namespaceSelector":{"matchLabels":{"n":"x","m":"y"}},"podSelector":{"matchLabels":{"a":"b"}}})") ==
        "((pcns.m == \"y\" && pcns.n == \"x\") && (" + kPods + " && a == \"b\"))");
  const auto block = peer(R"({"ipBlock":{"cidr":"10.1.2.3/8","except":["10.1.0.0/16","10.2.0.0/16"]}})");
  CHECK(block.nets == std::vector<Cidr>{*Cidr::parse("10.0.0.0/8")});
  CHECK(block.not_nets == std::vector<Cidr>{*Cidr::parse("10.1.0.0/16"), *Cidr::parse("10.2.0.0/16")});
  CHECK_FALSE(block.selector);
  CHECK(peer(R"({"ipBlock":{"cidr":"0.0.0.0/0","except":["10.0.0.0/8"]}})").nets.size() == 1);
}

TEST_CASE("a rule is the product of its peers and protocols, all Allow") {
  const auto policy = knp(R"({"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}},{"ipBlock":{"cidr":"fd00::/8"}}],
      "ports":[{"port":1},{"protocol":"UDP","port":2}]},{"to":[]}]})");
  REQUIRE(policy.egress.size() == 5);
  for (const auto& rule : policy.egress) CHECK(rule.action == Action::Allow);
  CHECK(policy.egress[0].protocol == protocol::kTcp);
  CHECK(policy.egress[0].destination.nets[0].to_string() == "10.0.0.0/8");
  CHECK(policy.egress[0].destination.ports == std::vector<PortRange>{{1, 1}});
  CHECK(policy.egress[1].destination.nets[0].to_string() == "fd00::/8");
  CHECK(policy.egress[2].protocol == protocol::kUdp);
  CHECK(policy.egress[4] == Rule{});
}

TEST_CASE("every wrong policy is refused with field and reason, and closed if it says what it selects") {
  struct Row {
    const char* spec;
    const char* field;
    const char* reason;
    bool ingress = true, egress = false;
  };
  const Row rows[] = {
      // what it selects cannot be read
      {R"([])", "spec", "object", false},
      {R"({"podSelector":"a"})", "spec.podSelector", "object", false},
      {R"({"podSelector":{"matchLabels":[]}})", "spec.podSelector.matchLabels", "object", false},
      {R"({"podSelector":{"matchLabels":{"a":1}}})", "spec.podSelector.matchLabels.a", "text", false},
      {R"({"podSelector":{"matchLabels":{"a b":"c"}}})", "spec.podSelector.matchLabels[a b]", "label's name", false},
      {R"({"podSelector":{"matchLabels":{"a":"c'd"}}})", "spec.podSelector.matchLabels.a", "label's value", false},
      {R"({"podSelector":{"matchExpressions":{}}})", "spec.podSelector.matchExpressions", "list", false},
      {R"({"podSelector":{"matchExpressions":[7]}})", "spec.podSelector.matchExpressions[0]", "object", false},
      {R"({"podSelector":{"matchExpressions":[{"operator":"Exists"}]}})", "spec.podSelector.matchExpressions[0].key", "required",
       false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a"}]}})", "spec.podSelector.matchExpressions[0].operator", "required",
       false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"exists"}]}})",
       "spec.podSelector.matchExpressions[0].operator", "is not one of", false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}})", "spec.podSelector.matchExpressions[0].values",
       "at least one", false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"NotIn","values":[]}]}})",
       "spec.podSelector.matchExpressions[0].values", "at least one", false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]}})",
       "spec.podSelector.matchExpressions[0].values", "no values", false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["'"]}]}})",
       "spec.podSelector.matchExpressions[0].values[0]", "label's value", false},
      {R"({"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":[1]}]}})",
       "spec.podSelector.matchExpressions[0].values[0]", "text", false},
      // types
      {R"({"policyTypes":["ingress"]})", "spec.policyTypes[0]", "is not one of Ingress, Egress", true, true},
      {R"({"policyTypes":["Ingress","Egress","Egress"]})", "spec.policyTypes", "3 elements", true, true},
      {R"({"policyTypes":"Ingress"})", "spec.policyTypes", "list", true, true},
      {R"({"ingress":{}})", "spec.ingress", "list"},
      {R"({"egress":7})", "spec.egress", "list", true, true},
      {R"({"ingress":[7]})", "spec.ingress[0]", "object"},
      // ports
      {R"({"ingress":[{"ports":7}]})", "spec.ingress[0].ports", "list"},
      {R"({"ingress":[{"ports":[7]}]})", "spec.ingress[0].ports[0]", "object"},
      {R"({"ingress":[{"ports":[{"protocol":"tcp","port":1}]}]})", "spec.ingress[0].ports[0].protocol", "TCP, UDP, SCTP"},
      {R"({"ingress":[{"ports":[{"protocol":"ICMP"}]}]})", "spec.ingress[0].ports[0].protocol", "TCP, UDP, SCTP"},
      {R"({"ingress":[{"ports":[{"port":0}]}]})", "spec.ingress[0].ports[0].port", "port 0"},
      {R"({"ingress":[{"ports":[{"port":65536}]}]})", "spec.ingress[0].ports[0].port", "65536"},
      {R"({"ingress":[{"ports":[{"port":"80"}]}]})", "spec.ingress[0].ports[0].port", "port's name"},
      {R"({"ingress":[{"ports":[{"port":"Web"}]}]})", "spec.ingress[0].ports[0].port", "port's name"},
      {R"({"ingress":[{"ports":[{"endPort":80}]}]})", "spec.ingress[0].ports[0].endPort", "needs a port"},
      {R"({"ingress":[{"ports":[{"port":"web","endPort":80}]}]})", "spec.ingress[0].ports[0].endPort", "number"},
      {R"({"ingress":[{"ports":[{"port":80,"endPort":79}]}]})", "spec.ingress[0].ports[0].endPort", "less than"},
      {R"({"ingress":[{"ports":[{"port":80,"endPort":65536}]}]})", "spec.ingress[0].ports[0].endPort", "65536"},
      // peers
      {R"({"ingress":[{"from":7}]})", "spec.ingress[0].from", "list"},
      {R"({"ingress":[{"from":[null]}]})", "spec.ingress[0].from[0]", "object"},
      {R"({"ingress":[{"from":[{}]}]})", "spec.ingress[0].from[0]", "needs ipBlock"},
      {R"({"egress":[{"to":[{"ipBlock":{}}]}]})", "spec.egress[0].to[0].ipBlock.cidr", "required", true, true},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"},"podSelector":{}}]}]})", "spec.ingress[0].from[0].podSelector",
       "combined"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"},"namespaceSelector":{}}]}]})",
       "spec.ingress[0].from[0].namespaceSelector", "combined"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.1"}}]}]})", "spec.ingress[0].from[0].ipBlock.cidr", "prefix length"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/40"}}]}]})", "spec.ingress[0].from[0].ipBlock.cidr", "not an IP"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["11.0.0.0/8"]}}]}]})",
       "spec.ingress[0].from[0].ipBlock.except[0]", "not a part"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.0.0.0/8"]}}]}]})",
       "spec.ingress[0].from[0].ipBlock.except[0]", "not a part"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["fd00::/8"]}}]}]})",
       "spec.ingress[0].from[0].ipBlock.except[0]", "not a part"},
      {R"({"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["x"]}}]}]})",
       "spec.ingress[0].from[0].ipBlock.except[0]", "not an IP"},
      {R"({"ingress":[{"from":[{"podSelector":{"matchLabels":{"a":"/"}}}]}]})",
       "spec.ingress[0].from[0].podSelector.matchLabels.a", "label's value"},
      {R"({"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}}]}]})",
       "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values", "at least one"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.spec);
    const auto text = kubernetes(row.spec);
    const auto decoded = decode_text(text);
    INFO(shown(decoded));
    CHECK(has_error(decoded, row.field, row.reason));
    const auto closed = closed_of(text);
    REQUIRE(closed.has_value() == (row.ingress || row.egress));
    if (!closed) continue;
    CHECK(closed->governs_ingress == row.ingress);
    CHECK(closed->governs_egress == row.egress);
    CHECK(closed->order == 1000.0);
    CHECK(closed->selector.canonical() == "(" + kPods + " && " + kOwn + ")");
  }
}

TEST_CASE("strict decoding tells unknown fields of Kubernetes' policies") {
  const auto decoded = decode_text(
      kubernetes(
          R"({"podSelectors":{},"ingress":[{"to":[],"ports":[{"ports":1}],"from":[{"ipBlock":{"cidr":"10.0.0.0/8","not":[]}}]}]})"),
      true);
  INFO(shown(decoded));
  CHECK(decoded.errors.size() == 4);
  CHECK(has_error(decoded, "spec.podSelectors", "unknown field"));
  CHECK(has_error(decoded, "spec.ingress[0].to", "unknown field"));
  CHECK(has_error(decoded, "spec.ingress[0].ports[0].ports", "unknown field"));
  CHECK(has_error(decoded, "spec.ingress[0].from[0].ipBlock.not", "unknown field"));
}
