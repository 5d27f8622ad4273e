#include <nlohmann/json.hpp>

#include "cluster.hpp"
#include "margay/model/decode.hpp"

namespace margay::pipeline {
namespace {

using nlohmann::json;

json object(const char* api, const char* kind, const std::string& ns, const std::string& name, const Labels& labels = {}) {
  json out{{"apiVersion", api}, {"kind", kind}, {"metadata", {{"name", name}}}};
  if (!ns.empty()) out["metadata"]["namespace"] = ns;
  if (!labels.empty()) out["metadata"]["labels"] = labels;
  return out;
}
constexpr const char* kCalico = "projectcalico.org/v3";

json texts(const std::vector<Cidr>& nets) {
  json out = json::array();
  for (const Cidr& net : nets)
    out.push_back(net.is_host() && net.addr.bytes[3] % 2 == 0 ? net.addr.to_string() : net.to_string());
  return out;
}

json protocol_of(int number, bool by_name) {
  if (by_name) {
    switch (number) {
      case 1: return "ICMP";
      case 6: return "TCP";
      case 17: return "UDP";
      case 58: return "ICMPv6";
      case 132: return "SCTP";
      case 136: return "UDPLite";
      default: break;
    }
  }
  return number;
}

json ports_of(const std::vector<Port>& ports) {
  json out = json::array();
  for (const Port& port : ports) {
    if (!port.name.empty()) out.push_back(port.name);
    else if (port.min == port.max) out.push_back(port.min);
    else out.push_back(std::to_string(port.min) + ":" + std::to_string(port.max));
  }
  return out;
}

json entity_of(const Entity& e) {
  json out = json::object();
  if (!e.nets.empty()) out["nets"] = texts(e.nets);
  if (!e.not_nets.empty()) out["notNets"] = texts(e.not_nets);
  if (!e.ports.empty()) out["ports"] = ports_of(e.ports);
  if (!e.not_ports.empty()) out["notPorts"] = ports_of(e.not_ports);
  if (e.selector) out["selector"] = text_of(*e.selector);
  if (e.not_selector) out["notSelector"] = text_of(*e.not_selector);
  if (e.namespaces) out["namespaceSelector"] = text_of(*e.namespaces);
  if (e.accounts) out["serviceAccounts"]["selector"] = text_of(*e.accounts);
  if (!e.account_names.empty()) out["serviceAccounts"]["names"] = e.account_names;
  if (e.service) {
    out["services"]["name"] = e.service->second;
    if (!e.service->first.empty()) out["services"]["namespace"] = e.service->first;
  }
  return out;
}

json icmp_of(const Icmp& icmp) {
  json out{{"type", icmp.type}};
  if (icmp.code) out["code"] = *icmp.code;
  return out;
}

json rules_of(const std::vector<Rule>& rules) {
  static constexpr const char* kActions[] = {"Allow", "Deny", "Pass", "Log"};
  json out = json::array();
  for (const Rule& rule : rules) {
    json& r = out.emplace_back(json::object());
    r["action"] = kActions[static_cast<int>(rule.action)];
    if (rule.ip_version) r["ipVersion"] = *rule.ip_version;
    if (rule.protocol) r["protocol"] = protocol_of(*rule.protocol, rule.protocol_by_name);
    if (rule.not_protocol) r["notProtocol"] = protocol_of(*rule.not_protocol, rule.protocol_by_name);
    if (rule.icmp) r["icmp"] = icmp_of(*rule.icmp);
    if (rule.not_icmp) r["notICMP"] = icmp_of(*rule.not_icmp);
    if (json e = entity_of(rule.source); !e.empty()) r["source"] = std::move(e);
    if (json e = entity_of(rule.destination); !e.empty()) r["destination"] = std::move(e);
  }
  return out;
}

json label_selector(const Requirements& r) {
  json out = json::object();
  if (!r.equal.empty()) out["matchLabels"] = r.equal;
  for (const auto& e : r.expressions) {
    json x{{"key", e.key}, {"operator", e.op}};
    if (!e.values.empty()) x["values"] = e.values;
    out["matchExpressions"].push_back(std::move(x));
  }
  return out;
}

json k8s_rules(const std::vector<K8sRule>& rules, const char* side) {
  json out = json::array();
  for (const K8sRule& rule : rules) {
    json& r = out.emplace_back(json::object());
    for (const Peer& peer : rule.peers) {
      json p = json::object();
      if (peer.block) {
        p["ipBlock"]["cidr"] = peer.block->to_string();
        for (const Cidr& except : peer.except) p["ipBlock"]["except"].push_back(except.to_string());
      }
      if (peer.pods) p["podSelector"] = label_selector(*peer.pods);
      if (peer.namespaces) p["namespaceSelector"] = label_selector(*peer.namespaces);
      r[side].push_back(std::move(p));
    }
    for (const K8sPort& port : rule.ports) {
      json p{{"protocol", protocol_of(port.protocol, true)}};
      if (port.port && !port.port->name.empty()) p["port"] = port.port->name;
      else if (port.port) {
        p["port"] = port.port->min;
        if (port.port->max != port.port->min) p["endPort"] = port.port->max;
      }
      r["ports"].push_back(std::move(p));
    }
  }
  return out;
}

json types_of(std::pair<bool, bool> types) {
  json out = json::array();
  if (types.first) out.push_back("Ingress");
  if (types.second) out.push_back("Egress");
  return out;
}

json policy_of(const Policy& policy) {
  static constexpr const char* kKinds[] = {"NetworkPolicy", "GlobalNetworkPolicy", "NetworkPolicy", "StagedNetworkPolicy",
                                           "StagedGlobalNetworkPolicy"};
  const char* kind = kKinds[static_cast<int>(policy.kind)];
  if (policy.kind == Policy::Kind::Kubernetes) {
    json out = object("networking.k8s.io/v1", kind, policy.ns, policy.name);
    json& spec = out["spec"];
    spec["podSelector"] = label_selector(policy.pods);
    if (policy.types) spec["policyTypes"] = types_of(*policy.types);
    if (!policy.k8s_ingress.empty()) spec["ingress"] = k8s_rules(policy.k8s_ingress, "from");
    if (!policy.k8s_egress.empty()) spec["egress"] = k8s_rules(policy.k8s_egress, "to");
    if (policy.broken) {
      json rule;
      rule["ports"][0]["port"] = 70000;
      spec["ingress"].push_back(std::move(rule));
    }
    return out;
  }
  json out = object(kCalico, kind, policy.ns, policy.name);
  json& spec = out["spec"] = json::object();
  if (policy.tier != "default") spec["tier"] = policy.tier;
  if (policy.order) spec["order"] = *policy.order;
  if (policy.selector) spec["selector"] = text_of(*policy.selector);
  if (policy.namespaces) spec["namespaceSelector"] = text_of(*policy.namespaces);
  if (policy.accounts) spec["serviceAccountSelector"] = text_of(*policy.accounts);
  if (policy.types) spec["types"] = types_of(*policy.types);
  if (!policy.ingress.empty()) spec["ingress"] = rules_of(policy.ingress);
  if (!policy.egress.empty()) spec["egress"] = rules_of(policy.egress);
  if (policy.broken) spec["performanceHints"] = json::array({"Nonsense"});
  return out;
}

json ports_of(const std::vector<NamedPort>& ports) {
  json out = json::array();
  for (const NamedPort& port : ports)
    out.push_back({{"name", port.name}, {"protocol", protocol_of(port.protocol, !port.by_number)}, {"port", port.port}});
  return out;
}

json endpoint_of(const Endpoint& e) {
  switch (e.kind) {
    case Endpoint::Kind::Pod: {
      json out = object("v1", "Pod", e.ns, e.name, e.labels);
      out["spec"]["nodeName"] = e.node;
      if (!e.account.empty()) out["spec"]["serviceAccountName"] = e.account;
      json& container = out["spec"]["containers"].emplace_back(json{{"name", "c"}, {"image", "i"}});
      for (const NamedPort& port : e.ports)
        container["ports"].push_back(
            {{"name", port.name}, {"protocol", protocol_of(port.protocol, true)}, {"containerPort", port.port}});
      out["status"]["phase"] = e.finished ? "Succeeded" : "Running";
      for (const Cidr& net : e.nets) out["status"]["podIPs"].push_back({{"ip", net.addr.to_string()}});
      return out;
    }
    case Endpoint::Kind::Workload: {
      json out = object(kCalico, "WorkloadEndpoint", e.ns, workload_endpoint_name(e.node, "cni", e.name, "eth0"), e.labels);
      out["spec"] = {{"node", e.node},        {"orchestrator", "cni"},        {"containerID", e.name},
                     {"endpoint", "eth0"},    {"interfaceName", e.interface}, {"ipNetworks", texts(e.nets)},
                     {"profiles", e.profiles}};
      if (!e.account.empty()) out["spec"]["serviceAccountName"] = e.account;
      if (!e.ports.empty()) out["spec"]["ports"] = ports_of(e.ports);
      return out;
    }
    case Endpoint::Kind::Host: {
      json out = object(kCalico, "HostEndpoint", {}, e.name, e.labels);
      out["spec"] = {{"node", e.node}, {"interfaceName", "eth9"}, {"profiles", e.profiles}};
      for (const Cidr& net : e.nets) out["spec"]["expectedIPs"].push_back(net.addr.to_string());
      if (!e.ports.empty()) out["spec"]["ports"] = ports_of(e.ports);
      return out;
    }
    case Endpoint::Kind::NetworkSet:
    case Endpoint::Kind::GlobalNetworkSet: break;
  }
  json out = object(kCalico, e.kind == Endpoint::Kind::NetworkSet ? "NetworkSet" : "GlobalNetworkSet", e.ns, e.name, e.labels);
  out["spec"]["nets"] = texts(e.nets);
  return out;
}

}  // namespace

std::string text_of(const Select& s) {
  const auto set = [&] {
    std::string out = "{";
    for (const std::string& value : s.values) out += (out.size() > 1 ? ", '" : "'") + value + "'";
    return out + "}";
  };
  const auto joined = [&](const char* with) {
    std::string out;
    for (const Select& part : s.parts) out += (out.empty() ? "(" : with) + text_of(part);
    return out + ")";
  };
  using Op = Select::Op;
  switch (s.op) {
    case Op::All: return "all()";
    case Op::Global: return "global()";
    case Op::Has: return "has(" + s.key + ")";
    case Op::Equal: return s.key + " == '" + s.values.front() + "'";
    case Op::NotEqual: return s.key + " != \"" + s.values.front() + "\"";
    case Op::In: return s.key + " in " + set();
    case Op::NotIn: return s.key + " not in " + set();
    case Op::StartsWith: return s.key + " starts with '" + s.values.front() + "'";
    case Op::EndsWith: return s.key + " ends with '" + s.values.front() + "'";
    case Op::Contains: return s.key + " contains '" + s.values.front() + "'";
    case Op::And: return joined(" && ");
    case Op::Or: return joined(" || ");
    case Op::Not: return "!" + ("(" + text_of(s.parts.front()) + ")");
  }
  return {};
}

std::string interface_of(const Endpoint& endpoint) {
  return endpoint.kind == Endpoint::Kind::Pod ? workload_interface_name("cali", endpoint.ns, endpoint.name) : endpoint.interface;
}

std::vector<json> manifests(const Cluster& cluster) {
  std::vector<json> out;
  for (const Namespace& n : cluster.namespaces) out.push_back(object("v1", "Namespace", {}, n.name, n.labels));
  for (const Account& a : cluster.accounts) out.push_back(object("v1", "ServiceAccount", a.ns, a.name, a.labels));
  for (const Endpoint& e : cluster.endpoints) out.push_back(endpoint_of(e));
  for (const Profile& p : cluster.profiles) {
    json& o = out.emplace_back(object(kCalico, "Profile", {}, p.name));
    o["spec"] = {{"labelsToApply", p.labels}, {"ingress", rules_of(p.ingress)}, {"egress", rules_of(p.egress)}};
  }
  for (const Tier& t : cluster.tiers) {
    json& o = out.emplace_back(object(kCalico, "Tier", {}, t.name));
    o["spec"] = json::object();
    if (t.order) o["spec"]["order"] = *t.order;
    if (t.pass) o["spec"]["defaultAction"] = "Pass";
  }
  for (const Policy& p : cluster.policies) out.push_back(policy_of(p));
  for (const Slice& s : cluster.slices) {
    json& o = out.emplace_back(
        object("discovery.k8s.io/v1", "EndpointSlice", s.ns, s.name, {{"kubernetes.io/service-name", s.service}}));
    o["addressType"] = !s.addresses.empty() && s.addresses.front().family == Family::V6 ? "IPv6" : "IPv4";
    o["endpoints"] = json::array();
    for (const Addr& address : s.addresses)
      o["endpoints"].push_back({{"addresses", {address.to_string()}}, {"conditions", {{"ready", address.bytes[3] % 2 == 0}}}});
    o["ports"] = ports_of(s.ports);
  }
  for (const Pool& p : cluster.pools) {
    json& o = out.emplace_back(object(kCalico, "IPPool", {}, p.name));
    o["spec"] = {{"cidr", p.cidr.to_string()}, {"natOutgoing", p.nat}};
  }
  if (!cluster.service_cidrs.empty()) {
    json& o = out.emplace_back(object(kCalico, "BGPConfiguration", {}, "default"));
    for (const Cidr& cidr : cluster.service_cidrs) o["spec"]["serviceClusterIPs"].push_back({{"cidr", cidr.to_string()}});
  }
  return out;
}

}  // namespace margay::pipeline
