#include "oracle.hpp"

#include <algorithm>

namespace margay::rules::semantics {
namespace {

enum class Decision { Allow, Deny, Pass, NoMatch };

bool in_any(const std::vector<Cidr>& nets, const Addr& address) {
  return std::any_of(nets.begin(), nets.end(), [&](const Cidr& net) { return net.contains(address); });
}
bool in_any(const std::vector<PortRange>& ranges, std::uint16_t port) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const PortRange& r) { return r.min <= port && port <= r.max; });
}

bool in_set(const World& world, const calc::SetId& id, const Packet& packet, bool source) {
  const Set& set = world.sets.at(id);
  const Addr& address = source ? packet.source : packet.destination;
  for (const kernel::SetMember& member : set.members) {
    if (!member.net.contains(address)) continue;
    if (set.type != kernel::SetType::HashIpPort) return true;
    if (packet.has_ports() && member.protocol == packet.protocol &&
        member.port == (source ? packet.source_port : packet.destination_port))
      return true;
  }
  return false;
}

bool nets_match(const std::vector<Cidr>& nets, const std::vector<Cidr>& not_nets, const Packet& packet, const Addr& address) {
  const auto concerns = [&](const std::vector<Cidr>& list) {
    return list.empty() || std::any_of(list.begin(), list.end(), [&](const Cidr& c) { return c.family() == packet.family; });
  };
  if (!concerns(nets) || !concerns(not_nets)) return false;  // the rule is about the other family
  return (nets.empty() || in_any(nets, address)) && !in_any(not_nets, address);
}

// Ports by number need a protocol in the rule; without one, a Deny is taken as if they were not there and nothing else matches.
bool ports_match(const World& world, const calc::ActiveRule& rule, const Packet& packet, bool source) {
  const auto& ports = source ? rule.src_ports : rule.dst_ports;
  const auto& not_ports = source ? rule.not_src_ports : rule.not_dst_ports;
  const auto& sets = source ? rule.src_port_sets : rule.dst_port_sets;
  const std::uint16_t port = source ? packet.source_port : packet.destination_port;
  const bool protocol_known = rule.protocol.has_value() || rule.icmp.has_value();
  const bool vague = !protocol_known && rule.action == Action::Deny;

  bool positive = ports.empty() && sets.empty();
  for (const calc::SetId& id : sets) positive = positive || in_set(world, id, packet, source);
  if (!ports.empty()) positive = positive || vague || (protocol_known && packet.has_ports() && in_any(ports, port));
  if (!positive) return false;
  if (not_ports.empty()) return true;
  if (!protocol_known) return vague;
  return !(packet.has_ports() && in_any(not_ports, port));
}

bool icmp_is(const IcmpMatch& match, const Packet& packet) {
  return packet.is_icmp() &&
         (!match.type || (*match.type == packet.icmp_type && (!match.code || *match.code == packet.icmp_code)));
}

Decision decide_rules(const World& world, const std::vector<calc::ActiveRule>& rules, const Packet& packet, int& logged) {
  for (const calc::ActiveRule& rule : rules) {
    if (!matches(world, rule, packet)) continue;
    switch (rule.action) {
      case Action::Log:
        if (world.config.log_rate.empty() || packet.within_limit) ++logged;
        break;
      case Action::Allow: return Decision::Allow;
      case Action::Deny: return Decision::Deny;
      case Action::Pass: return Decision::Pass;
    }
  }
  return Decision::NoMatch;
}

Decision decide_tier(const World& world, const calc::TierPolicies& tier, bool ingress, const Packet& packet, int& logged) {
  bool enforced = false;
  for (const calc::PolicyId& id : ingress ? tier.ingress : tier.egress) {
    const auto it = world.policies.find(id);
    if (it == world.policies.end()) return Decision::Deny;
    const calc::ActivePolicy& policy = it->second;
    if (policy.staged) continue;
    enforced = true;
    if (policy.closed) return Decision::Deny;
    const Decision d = decide_rules(world, ingress ? policy.ingress : policy.egress, packet, logged);
    if (d != Decision::NoMatch) return d;
  }
  return enforced && !tier.default_pass ? Decision::Deny : Decision::Pass;
}

bool allowed(const World& world, const Workload& workload, bool ingress, const Packet& packet, int& logged) {
  for (const calc::TierPolicies& tier : workload.policies.normal) {
    const Decision d = decide_tier(world, tier, ingress, packet, logged);
    if (d == Decision::Allow) return true;
    if (d == Decision::Deny) return false;
  }
  for (const calc::ProfileId& id : workload.policies.profiles) {
    const auto& profile = world.profiles.at(id);
    if (!profile) return false;
    const Decision d = decide_rules(world, ingress ? profile->ingress : profile->egress, packet, logged);
    if (d == Decision::Allow) return true;
    if (d == Decision::Deny) return false;
  }
  return false;
}

Fate denied(const World& world) { return world.config.filter_deny == Verdict::Reject ? Fate::Rejected : Fate::Dropped; }

// Nothing: on to what comes next.
std::optional<Fate> cross(const World& world, const std::string& interface, bool ingress, const Packet& packet, int& logged) {
  const auto it = std::find_if(world.workloads.begin(), world.workloads.end(),
                               [&](const Workload& w) { return w.endpoint.interface_name.view() == interface; });
  if (it == world.workloads.end() || !it->endpoint.active) return denied(world);
  const QosControls qos = it->endpoint.qos.value_or(QosControls{});
  if ((ingress ? qos.ingress_packet_rate : qos.egress_packet_rate) && !packet.within_limit) return Fate::Dropped;
  if (packet.state == Packet::State::Established || packet.state == Packet::State::Related) {
    if (world.config.filter_allow == Verdict::Accept) return Fate::Accepted;
    return {};
  }
  if (packet.state == Packet::State::Invalid && !world.config.disable_conntrack_invalid_check) return denied(world);
  if (const auto most = ingress ? qos.ingress_max_connections : qos.egress_max_connections;
      most && packet.protocol == protocol::kTcp && packet.connections > *most)
    return Fate::Rejected;
  if (!ingress) {
    if (!world.config.allow_vxlan_from_workloads && packet.protocol == protocol::kUdp &&
        packet.destination_port == world.config.vxlan_port)
      return denied(world);
    if (!world.config.allow_ipip_from_workloads && packet.protocol == 4) return denied(world);
  }
  if (!allowed(world, *it, ingress, packet, logged)) return denied(world);
  return {};
}

// Its source is not its own, and it may not pretend.
bool spoofs(const World& world, const Packet& packet) {
  if (!packet.spoofed) return false;
  return !world.config.spoofing_allowed || std::none_of(world.workloads.begin(), world.workloads.end(), [&](const Workload& w) {
    return w.endpoint.interface_name.view() == packet.in && in_any(w.endpoint.allowed_source_prefixes, packet.source);
  });
}

bool is_workload(const World& world, const std::string& interface) {
  return std::any_of(world.config.interface_prefixes.begin(), world.config.interface_prefixes.end(),
                     [&](const std::string& prefix) { return interface.starts_with(prefix); });
}

Fate decide_to_host(const World& world, const Packet& packet, int& logged) {
  const Fate accept = world.config.filter_allow == Verdict::Accept ? Fate::Accepted : Fate::Undecided;
  if (!is_workload(world, packet.in)) return Fate::Undecided;
  if (spoofs(world, packet)) return Fate::Dropped;
  if (packet.family == Family::V6 && packet.is_icmp())
    for (const int type : {130, 131, 132, 133, 135, 136})
      if (packet.icmp_type == type) return accept;
  if (const auto fate = cross(world, packet.in, false, packet, logged)) return *fate;
  if (packet.state == Packet::State::Established || packet.state == Packet::State::Related) return accept;
  switch (world.config.endpoint_to_host) {
    case Verdict::Accept: return Fate::Accepted;
    case Verdict::Return: return Fate::Undecided;
    default: return Fate::Dropped;
  }
}

Fate decide_forwarded(const World& world, const Packet& packet, int& logged) {
  const bool from = is_workload(world, packet.in), to = is_workload(world, packet.out);
  if (from && spoofs(world, packet)) return Fate::Dropped;
  for (const bool ingress : {false, true}) {
    if (ingress ? !to : !from) continue;
    if (const auto fate = cross(world, ingress ? packet.out : packet.in, ingress, packet, logged)) return *fate;
  }
  if (world.config.loop_prevention != Config::LoopPrevention::Disabled && in_any(world.service_cidrs, packet.destination))
    return world.config.loop_prevention == Config::LoopPrevention::Reject ? Fate::Rejected : Fate::Dropped;
  return (from || to) && world.config.filter_allow == Verdict::Accept ? Fate::Accepted : Fate::Undecided;
}

}  // namespace

bool matches(const World& world, const calc::ActiveRule& rule, const Packet& packet) {
  if (rule.family && *rule.family != packet.family) return false;
  if (rule.protocol == protocol::kIcmp && packet.family != Family::V4) return false;
  if (rule.protocol == protocol::kIcmpV6 && packet.family != Family::V6) return false;
  if (rule.protocol && *rule.protocol != packet.protocol) return false;
  if (rule.not_protocol && *rule.not_protocol == packet.protocol) return false;
  if (rule.icmp && !icmp_is(*rule.icmp, packet)) return false;
  if (rule.not_icmp && rule.not_icmp->type && icmp_is(*rule.not_icmp, packet)) return false;
  if (!nets_match(rule.src_nets, rule.not_src_nets, packet, packet.source)) return false;
  if (!nets_match(rule.dst_nets, rule.not_dst_nets, packet, packet.destination)) return false;
  if (!ports_match(world, rule, packet, true) || !ports_match(world, rule, packet, false)) return false;
  const auto all_hold = [&](const std::vector<calc::SetId>& ids, bool source, bool wanted) {
    return std::all_of(ids.begin(), ids.end(),
                       [&](const calc::SetId& id) { return in_set(world, id, packet, source) == wanted; });
  };
  return all_hold(rule.src_sets, true, true) && all_hold(rule.dst_sets, false, true) &&
         all_hold(rule.dst_service_sets, false, true) && all_hold(rule.not_src_sets, true, false) &&
         all_hold(rule.not_dst_sets, false, false) && all_hold(rule.not_src_port_sets, true, false) &&
         all_hold(rule.not_dst_port_sets, false, false);
}

Outcome decide(const World& world, const Packet& packet) {
  Outcome outcome;
  outcome.fate =
      packet.out.empty() ? decide_to_host(world, packet, outcome.logged) : decide_forwarded(world, packet, outcome.logged);
  return outcome;
}

}  // namespace margay::rules::semantics
