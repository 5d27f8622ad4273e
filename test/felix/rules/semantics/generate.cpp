#include "generate.hpp"

#include <iterator>
#include <string>
#include <utility>

namespace margay::rules::semantics {
namespace {

constexpr std::uint16_t kPorts[] = {0, 22, 53, 80, 81, 82, 443, 1024, 4789, 8080, 65535};
constexpr Protocol kProtocols[] = {
    protocol::kTcp, protocol::kUdp, protocol::kSctp, protocol::kIcmp, protocol::kIcmpV6, protocol::kUdpLite, 4, 47};
constexpr const char* kInterfaces[] = {"cali1", "cali1a", "cali2", "calix", "tap0", "eth0"};
constexpr const char* kNetSets[] = {"s:one", "s:two", "s:three", "svcnoport:x"};
constexpr const char* kPortSets[] = {"n:web", "n:dns", "svc:a"};

template <class T, std::size_t N>
const T& pick(const T (&values)[N], unsigned at) {
  return values[at % N];
}

}  // namespace

// 10.0.{0-3}.{0-3} and fd00::{0-3}:{0-3}.
Addr Generator::address(Family family) {
  const std::string a = std::to_string(below(4)), b = std::to_string(below(4));
  return *Addr::parse(family == Family::V4 ? "10.0." + a + "." + b : "fd00::" + a + ":" + b);
}

Cidr Generator::net(Family family) {
  static constexpr unsigned kLengths[2][6] = {{0, 8, 23, 24, 31, 32}, {0, 8, 111, 112, 127, 128}};
  return {address(family), kLengths[index(family)][below(20) == 0 ? 0 : 1 + below(5)]};
}

std::vector<Cidr> Generator::nets() {
  std::vector<Cidr> out;
  const unsigned count = chance(70) ? 1 + below(3) : 1 + below(9);
  const bool v4 = !chance(30), v6 = !v4 || chance(30);
  for (unsigned i = 0; i < count; ++i) out.push_back(net(v4 && (!v6 || chance(50)) ? Family::V4 : Family::V6));
  return out;
}

std::uint16_t Generator::port() { return pick(kPorts, below(32)); }

std::vector<PortRange> Generator::ports(bool many) {
  std::vector<PortRange> out;
  const unsigned count = many ? 8 + below(40) : chance(70) ? 1 + below(3) : 1 + below(30);
  for (unsigned i = 0; i < count; ++i) {
    const auto low = chance(50) ? port() : static_cast<std::uint16_t>(below(65536));
    const unsigned high = low + (chance(50) ? 0u : below(60));
    out.push_back({low, static_cast<std::uint16_t>(high > 65535 ? 65535 : high)});
  }
  return out;
}

calc::SetId Generator::set(bool with_ports) { return with_ports ? pick(kPortSets, below(16)) : pick(kNetSets, below(16)); }

// Several criteria, each with more alternatives than one kernel rule holds: what needs match blocks.
calc::ActiveRule Generator::wide_rule() {
  calc::ActiveRule r;
  static constexpr Action kActions[] = {Action::Allow, Action::Deny, Action::Pass, Action::Log};
  r.action = pick(kActions, below(4));
  r.protocol = pick(kProtocols, below(3));
  const Family family = chance(50) ? Family::V4 : Family::V6;
  const auto some = [&](unsigned percent, std::vector<Cidr>& to) {
    if (!chance(percent)) return;
    for (unsigned i = 2 + below(5); i > 0; --i) to.push_back(net(chance(90) ? family : Family::V4));
  };
  some(70, r.src_nets);
  some(70, r.dst_nets);
  some(25, r.not_src_nets);
  some(25, r.not_dst_nets);
  if (chance(75)) r.src_ports = ports(true);
  if (chance(75)) r.dst_ports = ports(true);
  if (chance(15)) r.not_src_ports = ports(chance(50));
  if (chance(15)) r.not_dst_ports = ports(chance(50));
  if (chance(15)) r.src_port_sets.push_back(set(true));
  if (chance(15)) r.dst_port_sets.push_back(set(true));
  if (chance(10)) r.src_sets.push_back(set(false));
  if (chance(10)) r.not_dst_sets.push_back(set(false));
  return r;
}

calc::ActiveRule Generator::rule() {
  if (chance(15)) return wide_rule();
  calc::ActiveRule r;
  static constexpr Action kActions[] = {Action::Allow, Action::Allow, Action::Deny, Action::Pass, Action::Log};
  r.action = pick(kActions, below(5));
  if (chance(10)) r.family = chance(50) ? Family::V4 : Family::V6;
  if (chance(60)) r.protocol = chance(70) ? pick(kProtocols, below(3)) : pick(kProtocols, below(8));
  if (chance(8)) r.not_protocol = pick(kProtocols, below(8));
  if (chance(10)) {
    r.icmp = IcmpMatch{.type = static_cast<std::uint8_t>(chance(50) ? 8 : 128), .code = {}};
    if (chance(30)) r.icmp->code = static_cast<std::uint8_t>(below(2));
    if (chance(70)) r.protocol = chance(50) ? protocol::kIcmp : protocol::kIcmpV6;
  }
  // Two negated protocols in one criterion are tested by hand: the rule gets narrower.
  if (chance(8) && (r.protocol || !r.not_protocol)) {
    r.not_icmp = IcmpMatch{.type = static_cast<std::uint8_t>(chance(50) ? 8 : 128), .code = {}};
    if (chance(30)) r.not_icmp->code = static_cast<std::uint8_t>(below(2));
  }
  if (chance(30)) r.src_nets = nets();
  if (chance(15)) r.not_src_nets = nets();
  if (chance(30)) r.dst_nets = nets();
  if (chance(15)) r.not_dst_nets = nets();
  if (chance(15)) r.src_ports = ports();
  if (chance(10)) r.not_src_ports = ports();
  if (chance(30)) r.dst_ports = ports();
  if (chance(10)) r.not_dst_ports = ports();
  const auto some = [&](unsigned percent, std::vector<calc::SetId>& to, bool with_ports) {
    while (chance(percent)) to.push_back(set(with_ports));
  };
  some(20, r.src_sets, false);
  some(10, r.not_src_sets, false);
  some(20, r.dst_sets, false);
  some(10, r.not_dst_sets, false);
  some(6, r.src_port_sets, true);
  some(6, r.not_src_port_sets, true);
  some(12, r.dst_port_sets, true);
  some(6, r.not_dst_port_sets, true);
  some(5, r.dst_service_sets, true);
  return r;
}

std::vector<calc::ActiveRule> Generator::rules(unsigned most) {
  std::vector<calc::ActiveRule> out;
  for (unsigned i = below(most + 1); i > 0; --i) out.push_back(rule());
  if (chance(25)) {
    out.emplace_back();
    out.back().action = chance(80) ? Action::Allow : Action::Pass;
  }
  return out;
}

World Generator::world() {
  World w;
  Config& c = w.config;
  const bool narrow = chance(40);  // few rules: what each says is seen
  if (chance(20)) c.interface_prefixes = {"cali", "tap"};
  if (chance(20)) c.filter_allow = Verdict::Return;
  if (chance(20)) c.filter_deny = Verdict::Reject;
  if (chance(40)) c.endpoint_to_host = chance(50) ? Verdict::Accept : Verdict::Return;
  c.disable_conntrack_invalid_check = chance(10);
  c.allow_vxlan_from_workloads = chance(10);
  c.allow_ipip_from_workloads = chance(10);
  if (chance(30)) c.loop_prevention = chance(60) ? Config::LoopPrevention::Disabled : Config::LoopPrevention::Reject;
  c.flow_logs = chance(15);
  if (chance(10)) c.log_rate = "10/minute";
  c.spoofing_allowed = chance(10);
  if (chance(20)) c.mark_mask = 0x0f0f0f00;
  if (chance(50)) w.service_cidrs = nets();

  for (const char* id : kNetSets) {
    Set& set = w.sets[id];
    for (const Family family : kFamilies)
      for (unsigned i = below(4); i > 0; --i) {
        const Cidr member = net(family);
        if (member.prefix > 0) set.members.push_back({.net = member});
      }
  }
  for (const char* id : kPortSets) {
    Set& set = w.sets[id];
    set.type = kernel::SetType::HashIpPort;
    for (const Family family : kFamilies)
      for (unsigned i = below(6); i > 0; --i)
        set.members.push_back({.net = Cidr{address(family)}, .protocol = pick(kProtocols, below(3)), .port = port()});
  }

  std::vector<calc::PolicyId> ids;
  static constexpr const char* kNames[] = {"a", "b", "c", "d", "e", "a-name-so-long-that-it-is-a-digest", "g"};
  for (unsigned i = 0; i < 7; ++i) {
    const bool staged = chance(10);
    const calc::PolicyId id = staged       ? calc::PolicyId{Kind::StagedNetworkPolicy, "ns", kNames[i]}
                              : chance(50) ? calc::PolicyId{Kind::GlobalNetworkPolicy, {}, kNames[i]}
                                           : calc::PolicyId{Kind::KubernetesNetworkPolicy, "ns", kNames[i]};
    ids.push_back(id);
    if (chance(2)) continue;  // never announced
    calc::ActivePolicy& policy = w.policies[id];
    policy.tier = "t";
    policy.selector = chance(60) ? "A" : "B";
    policy.staged = staged;
    policy.closed = chance(3);
    policy.ingress = rules(narrow ? 1 : 5);
    policy.egress = rules(narrow ? 1 : 5);
  }
  for (const char* id : {"kns.ns", "ksa.ns.default", "a-profile-with-a-name-of-some-length"}) {
    auto& profile = w.profiles[id];
    if (chance(5)) continue;
    profile.emplace();
    profile->ingress = rules(2);
    profile->egress = rules(2);
  }

  for (const char* interface : kInterfaces) {
    if (interface[0] == 'e' || chance(30)) continue;
    Workload& workload = w.workloads.emplace_back();
    workload.endpoint.interface_name = interface;
    workload.endpoint.active = !chance(4);
    if (chance(30)) workload.endpoint.allowed_source_prefixes = nets();
    if (chance(15)) {
      QosControls qos;
      if (chance(40)) qos.ingress_packet_rate = 10;
      if (chance(40)) qos.egress_packet_rate = 10, qos.egress_packet_burst = 20;
      if (chance(40)) qos.ingress_max_connections = 3;
      if (chance(40)) qos.egress_max_connections = 3;
      workload.endpoint.qos = qos;
    }
    for (const char* tier : {"first", "second", "third", "default"}) {
      if (chance(narrow ? 65 : 40)) continue;
      calc::TierPolicies& t = workload.policies.normal.emplace_back();
      t.tier = tier;
      t.default_pass = chance(50);
      for (const calc::PolicyId& id : ids) {
        if (chance(narrow ? 20 : 35)) t.ingress.push_back(id);
        if (chance(narrow ? 20 : 35)) t.egress.push_back(id);
      }
    }
    for (const auto& [id, profile] : w.profiles)
      if (chance(50)) workload.policies.profiles.push_back(id);
  }
  return w;
}

// Makes a packet meet most of a rule's criteria: random ones rarely hit, and what a rule fails to ask shows only in packets that
// meet all the others.
void Generator::aim(Packet& p, const World& world, const calc::ActiveRule& rule) {
  const auto at = [&](const auto& list) -> const auto& { return list[below(static_cast<unsigned>(list.size()))]; };
  const auto inside = [&](const Cidr& cidr, Addr& address) {
    if (cidr.family() != p.family) return;
    Addr out = address;
    for (unsigned bit = 0; bit < cidr.prefix; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
      std::uint8_t& byte = out.bytes[bit / 8];
      byte = static_cast<std::uint8_t>(cidr.addr.bit(bit) ? byte | mask : byte & ~mask);
    }
    address = out;
  };
  const unsigned hit = chance(60) ? 95 : 75;
  if (rule.protocol && chance(hit)) p.protocol = *rule.protocol;
  for (const auto* icmp : {&rule.icmp, &rule.not_icmp})
    if (*icmp && (*icmp)->type && chance(70)) {
      p.protocol = p.family == Family::V4 ? protocol::kIcmp : protocol::kIcmpV6;
      p.icmp_type = *(*icmp)->type;
      if ((*icmp)->code && chance(60)) p.icmp_code = *(*icmp)->code;
    }
  struct Side {
    Addr& address;
    std::uint16_t& port;
    const std::vector<Cidr>&nets, &not_nets;
    const std::vector<PortRange>&ports, &not_ports;
    const std::vector<calc::SetId>&sets, &port_sets, &not_port_sets;
  };
  const Side sides[] = {
      {p.source, p.source_port, rule.src_nets, rule.not_src_nets, rule.src_ports, rule.not_src_ports, rule.src_sets,
       rule.src_port_sets, rule.not_src_port_sets},
      {p.destination, p.destination_port, rule.dst_nets, rule.not_dst_nets, rule.dst_ports, rule.not_dst_ports, rule.dst_sets,
       rule.dst_service_sets.empty() ? rule.dst_port_sets : rule.dst_service_sets, rule.not_dst_port_sets}};
  for (const Side& side : sides) {
    const auto from_set = [&](const calc::SetId& id, bool with_port) {
      const Set& set = world.sets.at(id);
      if (set.members.empty()) return;
      const kernel::SetMember& member = at(set.members);
      if (member.net.family() != p.family) return;
      inside(member.net, side.address);
      if (!with_port) return;
      if (!rule.protocol) p.protocol = member.protocol;
      side.port = member.port;
    };
    if (!side.sets.empty() && chance(hit)) from_set(at(side.sets), false);
    if (!side.nets.empty() && chance(hit)) inside(at(side.nets), side.address);
    if (!side.not_nets.empty() && chance(25)) inside(at(side.not_nets), side.address);
    if (!side.ports.empty() && chance(hit)) {
      const PortRange& range = at(side.ports);
      side.port = chance(50) ? range.max : range.min;
    }
    if (!side.port_sets.empty() && (side.ports.empty() || chance(50)) && chance(hit)) from_set(at(side.port_sets), true);
    if (!side.not_ports.empty() && chance(25)) side.port = at(side.not_ports).max;
    if (!side.not_port_sets.empty() && chance(25)) from_set(at(side.not_port_sets), true);
  }
}

Packet Generator::packet(const World& world, Family family) {
  Packet p;
  p.family = family;
  const auto interface = [&] {
    if (world.workloads.empty() || chance(40)) return std::string{pick(kInterfaces, below(24))};
    return world.workloads[below(static_cast<unsigned>(world.workloads.size()))].endpoint.interface_name.str();
  };
  p.in = interface();
  if (chance(85)) p.out = interface();
  p.source = address(family);
  p.destination = address(family);
  p.protocol = chance(70) ? pick(kProtocols, below(3)) : pick(kProtocols, below(8));
  p.source_port = chance(60) ? port() : static_cast<std::uint16_t>(below(65536));
  p.destination_port = chance(80) ? port() : static_cast<std::uint16_t>(below(65536));
  static constexpr std::uint8_t kTypes[] = {8, 128, 0, 135, 134};
  p.icmp_type = pick(kTypes, below(5));
  p.icmp_code = static_cast<std::uint8_t>(below(2));
  if (chance(60)) {
    std::vector<const calc::ActiveRule*> rules;
    for (const auto& [id, policy] : world.policies)
      for (const auto* list : {&policy.ingress, &policy.egress})
        for (const auto& rule : *list) rules.push_back(&rule);
    if (!rules.empty()) aim(p, world, *rules[below(static_cast<unsigned>(rules.size()))]);
  }
  if (!p.has_ports()) p.source_port = p.destination_port = 0;
  if (!p.is_icmp()) p.icmp_type = p.icmp_code = 0;
  static constexpr Packet::State kStates[] = {Packet::State::New, Packet::State::Established, Packet::State::Related,
                                              Packet::State::Invalid};
  p.state = chance(85) ? Packet::State::New : pick(kStates, below(4));
  p.spoofed = chance(4);
  p.within_limit = !chance(10);
  p.connections = below(6);
  p.mark = chance(50) ? 0 : static_cast<std::uint32_t>(random_());
  return p;
}

// ---- shrinking -------------------------------------------------------------------------------------------------------

namespace {

// Every list in a world that can lose an element. A visitor is given the size and a function that erases one.
using Visitor = std::function<void(std::size_t size, const std::function<void(std::size_t)>& erase)>;

template <class List>
void visit_list(List& list, const Visitor& visitor) {
  visitor(list.size(), [&](std::size_t i) { list.erase(std::next(list.begin(), static_cast<std::ptrdiff_t>(i))); });
}
template <class T>
void visit_optional(std::optional<T>& value, const Visitor& visitor) {
  visitor(value ? 1 : 0, [&](std::size_t) { value.reset(); });
}

void visit_rule(calc::ActiveRule& r, const Visitor& visitor) {
  visit_optional(r.family, visitor);
  visit_optional(r.protocol, visitor);
  visit_optional(r.not_protocol, visitor);
  visit_optional(r.icmp, visitor);
  visit_optional(r.not_icmp, visitor);
  for (auto* list : {&r.src_nets, &r.not_src_nets, &r.dst_nets, &r.not_dst_nets}) visit_list(*list, visitor);
  for (auto* list : {&r.src_ports, &r.not_src_ports, &r.dst_ports, &r.not_dst_ports}) visit_list(*list, visitor);
  for (auto* list : {&r.src_sets, &r.not_src_sets, &r.dst_sets, &r.not_dst_sets, &r.src_port_sets, &r.not_src_port_sets,
                     &r.dst_port_sets, &r.not_dst_port_sets, &r.dst_service_sets})
    visit_list(*list, visitor);
}

void visit(World& w, const Visitor& visitor) {
  visit_list(w.workloads, visitor);
  visit_list(w.service_cidrs, visitor);
  for (Workload& workload : w.workloads) {
    visit_list(workload.endpoint.allowed_source_prefixes, visitor);
    visit_optional(workload.endpoint.qos, visitor);
    visit_list(workload.policies.normal, visitor);
    visit_list(workload.policies.profiles, visitor);
    for (calc::TierPolicies& tier : workload.policies.normal) {
      visit_list(tier.ingress, visitor);
      visit_list(tier.egress, visitor);
    }
  }
  const auto rules = [&](std::vector<calc::ActiveRule>& list) {
    visit_list(list, visitor);
    for (calc::ActiveRule& rule : list) visit_rule(rule, visitor);
  };
  for (auto& [id, policy] : w.policies) {
    rules(policy.ingress);
    rules(policy.egress);
  }
  for (auto& [id, profile] : w.profiles) {
    if (!profile) continue;
    rules(profile->ingress);
    rules(profile->egress);
  }
  for (auto& [id, set] : w.sets) visit_list(set.members, visitor);
}

// The world without its n-th element, counted over all lists; false if there are fewer.
bool without(World& w, std::size_t n) {
  bool done = false;
  std::size_t seen = 0;
  // The erased list must not be walked again: the visit below it ends by `done`, and nothing else is touched.
  visit(w, [&](std::size_t size, const std::function<void(std::size_t)>& erase) {
    if (done) return;
    if (n < seen + size) {
      erase(n - seen);
      done = true;
    }
    seen += size;
  });
  return done;
}

}  // namespace

World shrink(World world, const std::function<bool(const World&)>& still_fails) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t n = 0;;) {
      World candidate = world;
      if (!without(candidate, n)) break;
      if (still_fails(candidate)) {
        world = std::move(candidate);
        smaller = true;
      } else {
        ++n;
      }
    }
  }
  return world;
}

}  // namespace margay::rules::semantics
