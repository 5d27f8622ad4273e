#include "decode_k8s_policy.hpp"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>

#include "decode_policy.hpp"
#include "label_selector.hpp"
#include "margay/base/assert.hpp"
#include "metadata.hpp"
#include "names.hpp"

namespace margay::model {
namespace {

constexpr double kOrder = 1000;
constexpr std::int64_t kMaxPort = 65535;

constexpr Choice<Protocol> kProtocols[] = {{"TCP", protocol::kTcp}, {"UDP", protocol::kUdp}, {"SCTP", protocol::kSctp}};

Selector parsed(const std::string& text) {
  auto selector = Selector::parse(text);
  MARGAY_ASSERT(selector);  // put together from checked parts
  return *std::move(selector);
}

// Pods only: a host endpoint or a network set never has the orchestrator's label.
std::optional<Selector> decode_pod_selector(Field selector) {
  const auto terms = decode_label_selector(selector);
  if (!terms) return std::nullopt;
  std::string text{kOrchestratorLabel};
  text.append(" == '").append("k8s").append("'");
  if (!terms->empty()) text.append(" && ").append(*terms);
  return parsed(text);
}

// ---- ports ----------------------------------------------------------------------------------------------------------

// What is allowed of one protocol.
struct Ports {
  bool any = false;
  std::vector<PortRange> ranges;
  std::vector<Symbol> names;
};

// Sorted, with overlapping and adjacent ranges made one.
void simplify(std::vector<PortRange>& ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].min <= static_cast<unsigned>(ranges[kept].max) + 1) {
      ranges[kept].max = std::max(ranges[kept].max, ranges[i].max);
    } else {
      ranges[++kept] = ranges[i];
    }
  }
  if (!ranges.empty()) ranges.resize(kept + 1);
}

void decode_port(Field item, std::map<std::string_view, Ports>& out) {
  const Field protocol_field = item["protocol"];
  const auto given = protocol_field.choice(kProtocols);
  const Field port_field = item["port"];
  const Field end_field = item["endPort"];
  const auto end = end_field.integer(1, kMaxPort);
  if (protocol_field.present() && !given) return;
  Ports& ports = out[given ? *protocol_field.text() : std::string_view{"TCP"}];
  if (!port_field.present()) {
    if (end_field.present()) end_field.error("needs a port");
    ports.any = true;
    return;
  }
  const auto port = port_field.int_or_text();
  if (!port) return;
  if (const auto* name = std::get_if<std::string_view>(&*port)) {
    if (!is_port_name(*name))
      port_field.error(shown(*name) + " is not a port's name: at most 15 lower-case letters, digits and '-'");
    if (end_field.present()) end_field.error("needs the port to be a number");
    ports.names.emplace_back(*name);
    return;
  }
  const auto number = std::get<std::int64_t>(*port);
  if (number < 1 || number > kMaxPort) {
    port_field.error(fmt::format("port {} is not between 1 and {}", number, kMaxPort));
    return;
  }
  if (end && *end < number) end_field.error(fmt::format("{} is less than the port, {}", *end, number));
  ports.ranges.push_back(
      {static_cast<std::uint16_t>(number), static_cast<std::uint16_t>(std::max(number, end.value_or(number)))});
}

// Rules without peers: one for each protocol, in the order of their names.
std::vector<Rule> decode_port_rules(Field list) {
  std::map<std::string_view, Ports> protocols;
  for (const Field item : list.items()) decode_port(item, protocols);
  std::vector<Rule> out;
  for (auto& [name, ports] : protocols) {
    Rule& rule = out.emplace_back();
    rule.protocol = protocol::parse(name);
    if (ports.any) continue;
    simplify(ports.ranges);
    std::sort(ports.names.begin(), ports.names.end());
    ports.names.erase(std::unique(ports.names.begin(), ports.names.end()), ports.names.end());
    rule.destination.ports = std::move(ports.ranges);
    rule.destination.named_ports = std::move(ports.names);
  }
  if (out.empty()) out.emplace_back();
  return out;
}

// ---- peers ----------------------------------------------------------------------------------------------------------

// Kubernetes wants a prefix length, always.
std::optional<Cidr> decode_block(Field field) {
  const auto cidr = field.cidr();
  if (!cidr || field.text()->find('/') != std::string_view::npos) return cidr;
  field.error(shown(*field.text()) + " needs a prefix length");
  return std::nullopt;
}

void decode_ip_block(Field block, Entity& out) {
  const auto cidr = decode_block(block["cidr"].require());
  if (cidr) out.nets.push_back(*cidr);
  for (const Field item : block["except"].items()) {
    const auto except = decode_block(item);
    if (!except) continue;
    if (cidr && (!cidr->contains(*except) || *cidr == *except)) {
      item.error(fmt::format("{} is not a part of {}", except->to_string(), cidr->to_string()));
    }
    out.not_nets.push_back(*except);
  }
}

Entity decode_peer(Field peer, std::string_view ns) {
  Entity out;
  const Field block = peer["ipBlock"];
  const Field pods = peer["podSelector"];
  const Field namespaces = peer["namespaceSelector"];
  if (block.present()) {
    decode_ip_block(block, out);
    if (pods.present()) pods.error("cannot be combined with ipBlock");
    if (namespaces.present()) namespaces.error("cannot be combined with ipBlock");
    return out;
  }
  if (!pods.present() && !namespaces.present()) {
    if (peer.is_object()) peer.error("needs ipBlock, podSelector or namespaceSelector");
    return out;
  }
  const auto pod_selector = decode_pod_selector(pods);
  if (!namespaces.present()) {
    if (pod_selector) out.selector = Selector::both(Selector::equals(kNamespaceLabel, ns), *pod_selector);
    return out;
  }
  const auto terms = decode_label_selector(namespaces, kNamespacePrefix);
  if (!terms || !pod_selector) return out;
  // {} is any namespace, but a namespace: all() of a namespace selector.
  const auto scope = terms->empty() ? Selector::has(kNamespaceLabel) : parsed(*terms);
  out.selector = Selector::both(scope, *pod_selector);
  return out;
}

std::vector<Rule> decode_rules_of(Field list, Direction direction, std::string_view ns) {
  std::vector<Rule> out;
  for (const Field item : list.items()) {
    const auto by_protocol = decode_port_rules(item["ports"]);
    std::vector<Entity> peers;
    for (const Field peer : item[direction == Direction::Ingress ? "from" : "to"].items()) peers.push_back(decode_peer(peer, ns));
    if (peers.empty()) peers.emplace_back();
    for (const Rule& ports : by_protocol) {
      for (const Entity& peer : peers) {
        Rule& rule = out.emplace_back(ports);
        if (direction == Direction::Ingress) {
          rule.source = peer;
        } else {
          // A peer has no ports, the ports' rule has no peer.
          auto& to = rule.destination;
          to.nets = peer.nets;
          to.not_nets = peer.not_nets;
          to.selector = peer.selector;
        }
      }
    }
  }
  return out;
}

}  // namespace

void decode_k8s_policy(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  Policy policy;
  policy.order = kOrder;
  policy.staged = id.kind == Kind::StagedKubernetesNetworkPolicy;
  if (policy.staged && decode_staged_delete(spec, {})) {
    out.key = Key{id.kind, id.ns, id.name};
    return;
  }
  std::optional<Selector> selector;
  const bool readable = !spec.present() || spec.is_object();
  if (const auto pods = decode_pod_selector(spec["podSelector"]); pods && readable) {
    selector = Selector::both(*pods, Selector::equals(kNamespaceLabel, id.ns));
  }
  const Field ingress = spec["ingress"];
  const Field egress = spec["egress"];
  policy.ingress = decode_rules_of(ingress, Direction::Ingress, id.ns);
  policy.egress = decode_rules_of(egress, Direction::Egress, id.ns);
  // As the API server fills in policyTypes: Ingress always, Egress where there are such rules.
  auto governed = decode_types(spec["policyTypes"], ingress, egress, false);
  if (spec["policyTypes"].size() == 0) governed.ingress = true;
  finish_policy(id, root, selector, governed, std::move(policy), out);
}

}  // namespace margay::model
