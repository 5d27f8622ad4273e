#include "policy_support.hpp"

using namespace margay;
using namespace margay::test;

namespace {

// A policy of the kind with one rule in this direction.
std::string with_rule(const std::string& kind, const std::string& direction, const std::string& rule) {
  return calico(kind, "{\"" + direction + "\":[" + rule + "]}");
}

Rule rule_of(const std::string& kind, const std::string& direction, const std::string& rule) {
  const auto policy = policy_of(with_rule(kind, direction, rule));
  const auto& rules = direction == "ingress" ? policy.ingress : policy.egress;
  REQUIRE(rules.size() == 1);
  return rules.front();
}
Rule ingress(const std::string& rule) { return rule_of("NetworkPolicy", "ingress", rule); }
Rule global_ingress(const std::string& rule) { return rule_of("GlobalNetworkPolicy", "ingress", rule); }

std::string canonical(const std::optional<Selector>& selector) { return selector ? selector->canonical() : "-"; }

}  // namespace

TEST_CASE("a rule's every field is decoded") {
  const auto rule = ingress(
      R"x({"action":"Pass","ipVersion":4,"protocol":"TCP","notProtocol":"UDPLite", "notICMP":{"type":8,"code":0}, "source":{"nets":["10.0.0.1","10.1.2.3/8"],"notNets":["10.9.0.0/16"],"ports":[80,"90:100","8080","web"], "notPorts":["1:2","x"],"selector":"has(a)","notSelector":"has(b)"}, "destination":{"ports":["0web"]}, "metadata":{ "annotations" : { "b" : "2", "a" : "1", "x.y/z" : "" } } })x");
  CHECK(rule.action == Action::Pass);
  CHECK(rule.family == Family::V4);
  CHECK(rule.protocol == protocol::kTcp);
  CHECK(rule.not_protocol == protocol::kUdpLite);
  CHECK_FALSE(rule.icmp);
  CHECK(rule.not_icmp == IcmpMatch{8, 0});
  CHECK(rule.source.nets == std::vector<Cidr>{*Cidr::parse("10.0.0.1/32"), *Cidr::parse("10.0.0.0/8")});
  CHECK(rule.source.not_nets == std::vector<Cidr>{*Cidr::parse("10.9.0.0/16")});
  CHECK(rule.source.ports == std::vector<PortRange>{{80, 80}, {90, 100}, {8080, 8080}});
  CHECK(rule.source.named_ports == std::vector<Symbol>{"web"});
  CHECK(rule.source.not_ports == std::vector<PortRange>{{1, 2}});
  CHECK(rule.source.not_named_ports == std::vector<Symbol>{"x"});
  CHECK(rule.destination.named_ports == std::vector<Symbol>{"0web"});
  CHECK(rule.annotations == std::vector<std::pair<std::string, std::string>>{{"a", "1"}, {"b", "2"}, {"x.y/z", ""}});
}

TEST_CASE("actions") {
  CHECK(ingress(R"({"action":"Allow"})") == Rule{});
  CHECK(ingress(R"({"action":"Deny"})").action == Action::Deny);
  CHECK(ingress(R"({"action":"Log"})").action == Action::Log);
}

TEST_CASE("protocols and ICMP") {
  CHECK(ingress(R"({"action":"Allow","protocol":"udp"})").protocol == protocol::kUdp);
  CHECK(ingress(R"({"action":"Allow","protocol":132})").protocol == protocol::kSctp);
  CHECK(ingress(R"({"action":"Allow","protocol":132,"source":{"ports":[1]}})").source.ports.size() == 1);
  CHECK(ingress(R"({"action":"Allow","protocol":"ICMP","icmp":{"type":8}})").icmp == IcmpMatch{8, std::nullopt});
  CHECK(ingress(R"({"action":"Allow","protocol":58,"icmp":{"type":254,"code":255}})").icmp == IcmpMatch{254, 255});
  CHECK(ingress(R"({"action":"Allow","notICMP":{"type":0}})").not_icmp == IcmpMatch{0, std::nullopt});
  // Neither type nor code: no restriction.
  CHECK_FALSE(ingress(R"({"action":"Allow","protocol":"ICMP","icmp":{}})").icmp);
  CHECK_FALSE(ingress(R"({"action":"Allow","notICMP":{}})").not_icmp);
  CHECK(ingress(R"({"action":"Allow","protocol":"ICMP","ipVersion":4})").protocol == protocol::kIcmp);
  CHECK(ingress(R"({"action":"Allow","protocol":"ICMPv6","ipVersion":6})").protocol == protocol::kIcmpV6);
}

TEST_CASE("a side's selectors are put together as Calico nests them") {
  struct Row {
    const char* entity;
    const char* namespaced;  // in a policy of namespace ns1
    const char* global;
    const char* not_selector = "-";
  };
  const char* const kOwn = "projectcalico.org/namespace == \"ns1\"";
  const Row rows[] = {
      {R"({})", "-", "-"},
      {R"({"selector":"","namespaceSelector":"","notSelector":"","serviceAccounts":{}})", "-", "-"},
      {R"({"nets":["10.0.0.0/8"]})", "-", "-"},
      {R"x({"selector":"has(a)"})x", "(projectcalico.org/namespace == \"ns1\" && has(a))", "has(a)"},
      {R"x({"selector":"all()"})x", "(projectcalico.org/namespace == \"ns1\" && all())", "all()"},
      {R"x({"selector":"has(a)||has(b)"})x", "(projectcalico.org/namespace == \"ns1\" && (has(a) || has(b)))",
       "(has(a) || has(b))"},
      {R"x({"notSelector":"has(a)"})x", kOwn, "-", "has(a)"},
      {R"x({"notSelector":"has(a)","nets":["10.0.0.0/8"]})x", kOwn, "-", "has(a)"},
      {R"({"namespaceSelector":"a == 'b'"})", "pcns.a == \"b\"", "pcns.a == \"b\""},
      {R"x({"namespaceSelector":"all()"})x", "has(projectcalico.org/namespace)", "has(projectcalico.org/namespace)"},
      {R"x({"namespaceSelector":"global()"})x", "!has(projectcalico.org/namespace)", "!has(projectcalico.org/namespace)"},
      {R"({"namespaceSelector":"a == 'all()'"})", "pcns.a == \"all()\"", "pcns.a == \"all()\""},
      {R"x({"namespaceSelector":"has(n)","selector":"has(a)"})x", "(has(pcns.n) && has(a))", "(has(pcns.n) && has(a))"},
      {R"x({"namespaceSelector":"all()","selector":"all()"})x", "(has(projectcalico.org/namespace) && all())",
       "(has(projectcalico.org/namespace) && all())"},
      {R"x({"namespaceSelector":"has(n)","notSelector":"has(a)"})x", "has(pcns.n)", "has(pcns.n)", "has(a)"},
      {R"({"serviceAccounts":{"names":["b","a"]}})",
       "(projectcalico.org/namespace == \"ns1\" && projectcalico.org/serviceaccount in {\"a\", \"b\"})",
       "projectcalico.org/serviceaccount in {\"a\", \"b\"}"},
      {R"x({"serviceAccounts":{"selector":"has(r)" } })x", "(projectcalico.org/namespace == \"ns1\" && has(pcsa.r))",
       "has(pcsa.r)"},
      {R"x({"serviceAccounts":{"names":["a"],"selector":"has(r)" } })x",
       "(projectcalico.org/namespace == \"ns1\" && (has(pcsa.r) && projectcalico.org/serviceaccount in {\"a\"}))",
       "(has(pcsa.r) && projectcalico.org/serviceaccount in {\"a\"})"},
      {R"x({"serviceAccounts":{"names":["a"]},"selector":"has(l)","namespaceSelector":"has(n)"})x",
       "(has(pcns.n) && (projectcalico.org/serviceaccount in {\"a\"} && has(l)))",
       "(has(pcns.n) && (projectcalico.org/serviceaccount in {\"a\"} && has(l)))"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.entity);
    const auto text = std::string{R"({"action":"Allow","source":)"} + row.entity + "}";
    CHECK(canonical(ingress(text).source.selector) == row.namespaced);
    CHECK(canonical(global_ingress(text).source.selector) == row.global);
    CHECK(canonical(ingress(text).source.not_selector) == row.not_selector);
    const auto other_side = std::string{R"({"action":"Allow","destination":)"} + row.entity + "}";
    CHECK(canonical(ingress(other_side).destination.selector) == row.namespaced);
  }
}
TEST_CASE("services") {
  const auto source = ingress(R"({"action":"Allow","source":{"services":{"name":"db"}}})").source;
  CHECK(source.service == ServiceRef{"ns1", "db"});
  CHECK_FALSE(source.selector);
  CHECK(ingress(R"({"action":"Allow","source":{"services":{"name":"db","namespace":"n"}}})").source.service ==
        ServiceRef{"n", "db"});
  CHECK(rule_of("GlobalNetworkPolicy", "egress", R"({"action":"Allow","destination":{"services":{"name":"db","namespace":"n"}}})")
            .destination.service == ServiceRef{"n", "db"});
  CHECK(ingress(R"({"action":"Allow","protocol":"TCP","source":{"services":{"name":"db"},"ports":[1]}})").source.ports.size() ==
        1);
}

TEST_CASE("an HTTP match is checked, and enforced on addresses and ports alone") {
  CHECK(ingress(
            R"({"action":"Allow","protocol":"TCP","http":{"methods":["GET","PUT"],"paths":[{"exact":"/a"},{"prefix":"/b"}]}})") ==
        Rule{.protocol = protocol::kTcp});
  CHECK(ingress(R"({"action":"Allow","http":{}})") == Rule{});
}

TEST_CASE("every wrong rule is refused with the field and the reason, and closes its policy") {
  struct Row {
    const char* rule;
    const char* field;  // below spec.<direction>[0]
    const char* reason;
    const char* direction = "ingress";
    const char* kind = "NetworkPolicy";
  };
  const std::string many_nets = [] {
    std::string out = R"({"action":"Allow","source":{"nets":[)";
    for (int i = 0; i < 257; ++i) out += std::string(i ? "," : "") + "\"10.0.0.1\"";
    return out + "]}}";
  }();
  const std::string many_ports = [] {
    std::string out = R"({"action":"Allow","protocol":"TCP","source":{"ports":[)";
    for (int i = 0; i < 51; ++i) out += std::string(i ? "," : "") + "1";
    return out + "]}}";
  }();
  const std::string long_selector = R"({"action":"Allow","source":{"selector":"a == ')" + std::string(1024, 'x') + "'\"}}";
  const std::string long_path = R"({"action":"Allow","http":{"paths":[{"exact":"/)" + std::string(1024, 'x') + "\"}]}}";
  const std::string many_methods = [] {
    std::string out = R"({"action":"Allow","http":{"methods":[)";
    for (int i = 0; i < 21; ++i) out += std::string(i ? "," : "") + "\"M" + std::to_string(i) + "\"";
    return out + "]}}";
  }();
  const Row rows[] = {
      {R"(null)", "", "object"},
      {R"([])", "", "object"},
      {R"({})", ".action", "required"},
      {R"({"action":""})", ".action", "required"},
      {R"({"action":"allow"})", ".action", "Allow, Deny, Log, Pass"},
      {R"({"action":"Accept"})", ".action", "is not one of"},
      {R"({"action":1})", ".action", "text"},
      {R"({"action":"Allow","ipVersion":5})", ".ipVersion", "5 is not 4 or 6"},
      {R"({"action":"Allow","ipVersion":"4"})", ".ipVersion", "integer"},
      {R"({"action":"Allow","protocol":"HTTP"})", ".protocol", "not a protocol"},
      {R"({"action":"Allow","protocol":0})", ".protocol", "not between"},
      {R"({"action":"Allow","protocol":256})", ".protocol", "not between"},
      {R"({"action":"Allow","protocol":true})", ".protocol", "must be"},
      {R"({"action":"Allow","notProtocol":"x"})", ".notProtocol", "not a protocol"},
      // ICMP
      {R"({"action":"Allow","icmp":{"type":8}})", ".icmp", "needs protocol ICMP"},
      {R"({"action":"Allow","protocol":"TCP","icmp":{"type":8}})", ".icmp", "needs protocol ICMP"},
      {R"({"action":"Allow","protocol":"ICMP","icmp":{"code":0}})", ".icmp.code", "needs a type"},
      {R"({"action":"Allow","notICMP":{"code":0}})", ".notICMP.code", "needs a type"},
      {R"({"action":"Allow","protocol":"ICMP","icmp":{"type":255}})", ".icmp.type", "255 is not between 0 and 254"},
      {R"({"action":"Allow","protocol":"ICMP","icmp":{"type":-1}})", ".icmp.type", "not between"},
      {R"({"action":"Allow","protocol":"ICMP","icmp":{"type":1,"code":256}})", ".icmp.code", "256 is not between 0 and 255"},
      {R"({"action":"Allow","protocol":"ICMP","ipVersion":6})", ".protocol", "ipVersion 6"},
      {R"({"action":"Allow","protocol":"ICMPv6","ipVersion":4})", ".protocol", "ipVersion 4"},
      {R"({"action":"Allow","notProtocol":"ICMP","ipVersion":6})", ".notProtocol", "ipVersion 6"},
      {R"({"action":"Allow","notProtocol":"ICMPv6","ipVersion":4})", ".notProtocol", "ipVersion 4"},
      // networks
      {R"({"action":"Allow","source":{"nets":["10.0.0.0/33"]}})", ".source.nets[0]", "not an IP network"},
      {R"({"action":"Allow","source":{"nets":["10.0.0.0/8",7]}})", ".source.nets[1]", "text"},
      {R"({"action":"Allow","source":{"nets":"10.0.0.0/8"}})", ".source.nets", "list"},
      {R"({"action":"Allow","source":{"nets":["10.0.0.0/8","fd00::/8"]}})", ".source.nets[1]", "IPv6"},
      {R"({"action":"Allow","source":{"nets":["10.0.0.0/8"],"notNets":["fd00::/8"]}})", ".source.notNets[0]", "IPv6"},
      {R"({"action":"Allow","source":{"nets":["10.0.0.0/8"]},"destination":{"nets":["fd00::/8"]}})", ".destination.nets[0]",
       "IPv6"},
      {R"({"action":"Allow","ipVersion":6,"destination":{"nets":["10.0.0.0/8"]}})", ".destination.nets[0]", "IPv4"},
      {R"({"action":"Allow","ipVersion":4,"destination":{"notNets":["fd00::/8"]}})", ".destination.notNets[0]", "IPv6"},
      {R"({"action":"Allow","source":{"notNets":["0.0.0.0/0"]}})", ".source.notNets[0]", "never match"},
      {R"({"action":"Allow","source":{"notNets":["::/0"]}})", ".source.notNets[0]", "never match"},
      {R"({"action":"Allow","source":{"notNets":["1.2.3.4/0"]}})", ".source.notNets[0]", "never match"},
      {many_nets.c_str(), ".source.nets", "257 elements"},
      // ports
      {R"({"action":"Allow","source":{"ports":[80]}})", ".source.ports[0]", "needs the rule's protocol"},
      {R"({"action":"Allow","destination":{"ports":["web","80:90"]}})", ".destination.ports[1]", "needs the rule's protocol"},
      {R"({"action":"Allow","destination":{"notPorts":["80"]}})", ".destination.notPorts[0]", "needs the rule's protocol"},
      {R"({"action":"Allow","notProtocol":"UDP","destination":{"ports":[80]}})", ".destination.ports[0]",
       "needs the rule's protocol"},
      {R"({"action":"Allow","protocol":"ICMP","source":{"ports":[80]}})", ".source.ports", "protocol icmp has no ports"},
      {R"({"action":"Allow","protocol":"UDPLite","source":{"notPorts":["web"]}})", ".source.notPorts", "has no ports"},
      {R"({"action":"Allow","protocol":89,"source":{"ports":[80]}})", ".source.ports", "protocol 89 has no ports"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":[0]}})", ".source.ports[0]", "port 0 is not between 1 and 65535"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":[65536]}})", ".source.ports[0]", "65536"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":[-1]}})", ".source.ports[0]", "-1"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["0"]}})", ".source.ports[0]", "port 0"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["99999999999999999999"]}})", ".source.ports[0]", "not between"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["0:80"]}})", ".source.ports[0]", "port 0"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["1:65536"]}})", ".source.ports[0]", "65536"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["2:1"]}})", ".source.ports[0]", "ends before"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["1:2:3"]}})", ".source.ports[0]", "not a port"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":["1-2"]},"destination":{"ports":["a b"]}})",
       ".destination.ports[0]", "not a port"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":[""]}})", ".source.ports[0]", "not a port"},
      {R"({"action":"Allow","protocol":"TCP","source":{"ports":[1.5]}})", ".source.ports[0]", "must be"},
      {many_ports.c_str(), ".source.ports", "51 elements"},
      // selectors
      {R"({"action":"Allow","source":{"selector":"a = 'b'"}})", ".source.selector", "position 2"},
      {R"({"action":"Allow","source":{"notSelector":"a"}})", ".source.notSelector", "position 1"},
      {R"x({"action":"Allow","source":{"namespaceSelector":")"}})x", ".source.namespaceSelector", "position 0"},
      {R"({"action":"Allow","source":{"selector":7}})", ".source.selector", "text"},
      {R"x({"action":"Allow","source":{"selector":"global()" } })x", ".source.selector", "global()"},
      {R"x({"action":"Allow","source":{"notSelector":"!global()" } })x", ".source.notSelector", "global()"},
      {R"x({"action":"Allow","source":{"serviceAccounts":{"selector":"global()" } } })x", ".source.serviceAccounts.selector",
       "global()"},
      {R"x({"action":"Allow","source":{"namespaceSelector":"global() || has(a)" } })x", ".source.namespaceSelector",
       "stand alone"},
      {R"x({"action":"Allow","source":{"namespaceSelector":"!global()" } })x", ".source.namespaceSelector", "stand alone"},
      {R"({"action":"Allow","source":{"serviceAccounts":{"names":["A_b"]}}})", ".source.serviceAccounts.names[0]",
       "service account"},
      {R"({"action":"Allow","source":{"serviceAccounts":"a"}})", ".source.serviceAccounts", "object"},
      {long_selector.c_str(), ".source.selector", "1024 characters"},
      {R"({"action":"Allow","source":7})", ".source", "object"},
      // services
      {R"({"action":"Allow","source":{"services":{}}})", ".source.services.name", "required"},
      {R"({"action":"Allow","source":{"services":{"name":""}}})", ".source.services.name", "required"},
      {R"({"action":"Allow","source":{"services":{"name":"A"}}})", ".source.services.name", "service's name"},
      {R"({"action":"Allow","source":{"services":{"name":"a","namespace":"B"}}})", ".source.services.namespace", "namespace's"},
      {R"({"action":"Allow","destination":{"services":{"name":"a"}}})", ".destination.services", "source of ingress"},
      {R"({"action":"Allow","source":{"services":{"name":"a"}}})", ".source.services", "source of ingress", "egress"},
      {R"({"action":"Allow","source":{"services":{"name":"a"}}})", ".source.services.namespace", "required", "ingress",
       "GlobalNetworkPolicy"},
      {R"x({"action":"Allow","destination":{"services":{"name":"a"},"selector":"has(a)" } })x", ".destination.selector",
       "combined", "egress"},
      {R"x({"action":"Allow","destination":{"services":{"name":"a"},"notSelector":"has(a)" } })x", ".destination.notSelector",
       "combined", "egress"},
      {R"x({"action":"Allow","destination":{"services":{"name":"a"},"namespaceSelector":"has(a)" } })x",
       ".destination.namespaceSelector", "combined", "egress"},
      {R"({"action":"Allow","destination":{"services":{"name":"a"},"serviceAccounts":{"names":["a"]}}})",
       ".destination.serviceAccounts", "combined", "egress"},
      {R"({"action":"Allow","destination":{"services":{"name":"a"},"nets":["10.0.0.1"]}})", ".destination.nets", "combined",
       "egress"},
      {R"({"action":"Allow","destination":{"services":{"name":"a"},"notNets":["10.0.0.1"]}})", ".destination.notNets", "combined",
       "egress"},
      {R"({"action":"Allow","protocol":"TCP","destination":{"services":{"name":"a"},"ports":[1]}})", ".destination.ports",
       "combined", "egress"},
      {R"({"action":"Allow","protocol":"TCP","destination":{"services":{"name":"a"},"notPorts":[1]}})", ".destination.notPorts",
       "combined", "egress"},
      // HTTP
      {R"({"action":"Allow","http":{}})", ".http", "ingress", "egress"},
      {R"({"action":"Deny","http":{}})", ".http", "only Allow"},
      {R"({"action":"Allow","protocol":"UDP","http":{}})", ".http", "TCP"},
      {R"({"action":"Allow","http":{"methods":["GET","GET"]}})", ".http.methods[1]", "twice"},
      {R"({"action":"Allow","http":{"paths":[{}]}})", ".http.paths[0]", "either exact or prefix"},
      {R"({"action":"Allow","http":{"paths":[{"exact":"/a","prefix":"/a"}]}})", ".http.paths[0]", "either exact or prefix"},
      {R"({"action":"Allow","http":{"paths":[{"exact":"a"}]}})", ".http.paths[0].exact", "begin with"},
      {R"({"action":"Allow","http":{"paths":[{"prefix":"/a?b"}]}})", ".http.paths[0].prefix", "may not hold"},
      {R"({"action":"Allow","http":{"paths":[{"prefix":"/a#b"}]}})", ".http.paths[0].prefix", "may not hold"},
      {R"({"action":"Allow","http":{"paths":[{"prefix":"/a b"}]}})", ".http.paths[0].prefix", "may not hold"},
      {long_path.c_str(), ".http.paths[0].exact", "1024"},
      {many_methods.c_str(), ".http.methods", "21 elements"},
      // annotations
      {R"({"action":"Allow","metadata":{"annotations":{"a b":"c"}}})", ".metadata.annotations", "not an annotation's name"},
      {R"({"action":"Allow","metadata":{"annotations":{"a":1}}})", ".metadata.annotations.a", "text"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.rule);
    const auto text = with_rule(row.kind, row.direction, row.rule);
    const auto decoded = decode_text(text);
    INFO(shown(decoded));
    CHECK(has_error(decoded, std::string{"spec."} + row.direction + "[0]" + row.field, row.reason));
    CHECK(closed_of(text));
  }
}

TEST_CASE("a rule's wrong protocol is not told of a second time") {
  const auto decoded =
      decode_text(with_rule("NetworkPolicy", "ingress", R"({"action":"Allow","protocol":"x","source":{"ports":[1]}})"));
  INFO(shown(decoded));
  CHECK(decoded.errors.size() == 1);
}

TEST_CASE("strict decoding knows every field of a rule, and no others") {
  const auto decoded = decode_text(with_rule("NetworkPolicy", "ingress", R"({"action":"Allow","protocl":"TCP","source":{"net":[],
    "serviceAccounts":{"name":"x"}},"http":{"path":[]},"metadata":{"annotation":{}}})"),
                                   true);
  INFO(shown(decoded));
  for (const char* field : {"protocl", "source.net", "source.serviceAccounts.name", "http.path", "metadata.annotation"}) {
    CAPTURE(field);
    CHECK(has_error(decoded, std::string{"spec.ingress[0]."} + field, "unknown field"));
  }
  CHECK(decoded.errors.size() == 5);
}
