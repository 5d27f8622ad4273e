#include "calc/rule_scanner.hpp"

#include <unordered_set>

#include "margay/base/hash.hpp"

namespace margay::calc {
namespace {

// Calico: a rule without protocol names ports of "any"; one with a protocol that has no named ports counts as TCP.
Protocol named_port_protocol(const Rule& rule) noexcept {
  if (!rule.protocol) return 0;
  return *rule.protocol == protocol::kUdp || *rule.protocol == protocol::kSctp ? *rule.protocol : protocol::kTcp;
}

std::string protocol_text(Protocol p) {
  switch (p) {
    case 0: return "any";
    case protocol::kUdp: return "udp";
    case protocol::kSctp: return "sctp";
    default: return "tcp";
  }
}

ActiveRule deny() {
  ActiveRule rule;
  rule.action = Action::Deny;
  return rule;
}

class Scanner {
 public:
  void scan(const std::vector<Rule>& from, std::vector<ActiveRule>& to) {
    to.reserve(from.size());
    for (const Rule& rule : from) to.push_back(scan(rule));
  }
  std::vector<SetDef> take_sets() { return std::move(sets_); }

 private:
  SetId use(SetDef def) {
    SetId id = def.id;
    if (seen_.insert(id).second) sets_.push_back(std::move(def));
    return id;
  }
  SetId use_selector(const Selector& selector) {
    return use({.id = selector.set_id(), .source = SetDef::Source::Selector, .selector = selector});
  }
  SetId use_named_port(const Selector& selector, Protocol proto, const Symbol& port) {
    std::string content = selector.set_id() + "," + protocol_text(proto) + "," + port.str();
    return use({.id = make_unique_id("n", content),
                .source = SetDef::Source::NamedPort,
                .selector = selector,
                .protocol = proto,
                .port = port});
  }
  SetId use_service(const ServiceRef& service, bool ports) {
    std::string content = service.ns.str() + "/" + service.name.str();
    return use({.id = make_unique_id(ports ? "svc" : "svcnoport", content),
                .source = ports ? SetDef::Source::ServicePorts : SetDef::Source::ServiceAddresses,
                .service = service});
  }

  // False if the selectors cannot be joined into one (too long or too deep together): the caller closes the rule.
  [[nodiscard]] bool scan(const Entity& entity, Protocol port_protocol, std::vector<SetId>& sets, std::vector<SetId>& not_sets,
                          std::vector<SetId>& port_sets, std::vector<SetId>& not_port_sets) {
    std::optional<Selector> positive = entity.selector;
    if (entity.selector && entity.not_selector) {
      auto joined = Selector::parse("(" + entity.selector->canonical() + ") && (!(" + entity.not_selector->canonical() + "))");
      if (!joined) return false;
      positive = std::move(*joined);
    } else if (entity.not_selector) {
      not_sets.push_back(use_selector(*entity.not_selector));
    }
    const Selector ports_of = positive.value_or(Selector{});
    for (const Symbol& name : entity.named_ports) port_sets.push_back(use_named_port(ports_of, port_protocol, name));
    for (const Symbol& name : entity.not_named_ports) not_port_sets.push_back(use_named_port(ports_of, port_protocol, name));
    // With named ports only, the selector is part of their sets already.
    const bool folded = !entity.named_ports.empty() && entity.ports.empty();
    if (positive && !folded) sets.push_back(use_selector(*positive));
    return true;
  }

  ActiveRule scan(const Rule& rule) {
    ActiveRule out;
    out.action = rule.action;
    out.family = rule.family;
    out.protocol = rule.protocol;
    out.not_protocol = rule.not_protocol;
    out.icmp = rule.icmp;
    out.not_icmp = rule.not_icmp;
    out.src_nets = rule.source.nets;
    out.not_src_nets = rule.source.not_nets;
    out.dst_nets = rule.destination.nets;
    out.not_dst_nets = rule.destination.not_nets;
    out.src_ports = rule.source.ports;
    out.not_src_ports = rule.source.not_ports;
    out.dst_ports = rule.destination.ports;
    out.not_dst_ports = rule.destination.not_ports;
    out.annotations = rule.annotations;
    const Protocol ports = named_port_protocol(rule);
    if (!scan(rule.source, ports, out.src_sets, out.not_src_sets, out.src_port_sets, out.not_src_port_sets) ||
        !scan(rule.destination, ports, out.dst_sets, out.not_dst_sets, out.dst_port_sets, out.not_dst_port_sets)) {
      return deny();
    }
    if (rule.source.service) out.src_sets.push_back(use_service(*rule.source.service, false));
    if (rule.destination.service) out.dst_service_sets.push_back(use_service(*rule.destination.service, true));
    return out;
  }

  std::vector<SetDef> sets_;
  std::unordered_set<SetId> seen_;
};

}  // namespace

ScannedRules scan(const Policy& policy) {
  ScannedRules out;
  if (policy.closed) {
    if (policy.governs_ingress) out.ingress.push_back(deny());
    if (policy.governs_egress) out.egress.push_back(deny());
    return out;
  }
  Scanner scanner;
  if (policy.governs_ingress) scanner.scan(policy.ingress, out.ingress);
  if (policy.governs_egress) scanner.scan(policy.egress, out.egress);
  out.sets = scanner.take_sets();
  return out;
}

ScannedRules scan(const Profile* profile) {
  ScannedRules out;
  if (profile == nullptr) {
    out.ingress.push_back(deny());
    out.egress.push_back(deny());
    return out;
  }
  Scanner scanner;
  scanner.scan(profile->ingress, out.ingress);
  scanner.scan(profile->egress, out.egress);
  out.sets = scanner.take_sets();
  return out;
}

}  // namespace margay::calc
