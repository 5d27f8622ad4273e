#include "draw.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace margay::pipeline {
namespace {

const std::vector<std::string> kNamespaces{"n1", "n2", "n3"};
const std::vector<std::string> kAccounts{"sa1", "sa2"};
const std::vector<std::string> kKeys{"a", "b", "c"};
const std::vector<std::string> kValues{"x", "y", "xy"};
const std::vector<std::string> kPortNames{"web", "dns", "none"};
const std::vector<std::string> kTiers{"default", "default", "default", "t1", "t2", "kube-admin", "ghost"};
const std::vector<std::string> kProfiles{"kns.n1", "kns.n2", "ksa.n1.sa1", "p1", "p2", "projectcalico-default-allow", "absent"};
const std::vector<std::uint16_t> kPorts{53, 80, 81, 82, 443, 4789, 8080, 65535};
const std::vector<int> kProtocols{6, 6, 17, 132, 1, 58, 4, 47, 136};

}  // namespace

// Pods are 10.0.{0-2}.{1-6} and fd00::{0-2}:{1-6}; x.x.9.x is outside every pool.
Addr Draw::address(Family family) {
  const std::string a = chance(12) ? "9" : std::to_string(below(3)), b = std::to_string(1 + below(6));
  return *Addr::parse(family == Family::V4 ? "10.0." + a + "." + b : "fd00::" + a + ":" + b);
}
Cidr Draw::net(Family family) {
  static const std::vector<unsigned> kLengths[2] = {{8, 24, 24, 30, 32, 32}, {16, 112, 112, 126, 128, 128}};
  return {address(family), pick(kLengths[index(family)])};
}
std::vector<Cidr> Draw::nets(Family family, unsigned most) {
  std::vector<Cidr> out;
  for (unsigned n = 1 + below(most); n > 0; --n) out.push_back(net(family));
  return out;
}
std::string Draw::ns() { return pick(kNamespaces); }

Labels Draw::labels() {
  Labels out;
  for (const auto& key : kKeys)
    if (chance(55)) out[key] = pick(kValues);
  return out;
}

Requirements Draw::requirements() {
  Requirements out;
  if (chance(50)) out.equal[pick(kKeys)] = pick(kValues);
  static const std::vector<std::string> kOps{"In", "NotIn", "Exists", "DoesNotExist"};
  if (chance(30)) {
    auto& e = out.expressions.emplace_back();
    e.key = pick(kKeys);
    e.op = pick(kOps);
    if (e.op == "In" || e.op == "NotIn")
      for (unsigned n = 1 + below(2); n > 0; --n) e.values.push_back(pick(kValues));
  }
  return out;
}

Select Draw::select(int depth) {
  using Op = Select::Op;
  if (depth > 0 && chance(35)) {
    Select out{chance(60) ? Op::And : Op::Or, {}, {}, {select(depth - 1), select(depth - 1)}};
    if (chance(20)) out = {Op::Not, {}, {}, {out}};
    return out;
  }
  const std::string key = chance(8) ? "projectcalico.org/namespace" : pick(kKeys);
  const std::string value = key.size() > 1 ? pick(kNamespaces) : pick(kValues);
  switch (below(12)) {
    case 0:
    case 1: return {};
    case 2: return {Op::Has, key, {}, {}};
    case 3: return {Op::Not, {}, {}, {{Op::Has, key, {}, {}}}};
    case 4: return {Op::NotEqual, key, {value}, {}};
    case 5: return {Op::In, key, {value, pick(kValues)}, {}};
    case 6: return {Op::NotIn, key, {value}, {}};
    case 7: return {chance(50) ? Op::StartsWith : Op::EndsWith, key, {value.substr(0, 1)}, {}};
    case 8: return {Op::Contains, key, {value}, {}};
    default: return {Op::Equal, key, {value}, {}};
  }
}

std::vector<NamedPort> Draw::named_ports(bool numbers) {
  std::vector<NamedPort> out;
  for (unsigned n = below(4); n > 0; --n)
    out.push_back({pick(kPortNames), kProtocols[below(4)], pick(kPorts), numbers && chance(30)});
  return out;
}

std::vector<Port> Draw::ports(bool numeric) {
  std::vector<Port> out;
  if (numeric && chance(75)) {
    for (unsigned n = chance(75) ? 1 + below(3) : 10 + below(20); n > 0; --n) {
      const std::uint16_t port = chance(50) ? pick(kPorts) : static_cast<std::uint16_t>(1 + below(9000));
      out.push_back({port, static_cast<std::uint16_t>(chance(60) ? port : std::min(65535u, port + below(60))), {}});
    }
  }
  if (out.empty() || chance(25)) out.push_back({0, 0, pick(kPortNames)});
  if (chance(10)) out.push_back({0, 0, pick(kPortNames)});
  return out;
}

Entity Draw::entity(const Rule& rule, Family family, bool source, bool ingress, bool global, bool may_namespace) {
  Entity out;
  const bool has_ports = rule.protocol == 6 || rule.protocol == 17 || rule.protocol == 132;
  if (source == ingress && chance(8)) {  // services: sources of ingress, destinations of egress
    out.service = std::pair{global || chance(50) ? ns() : std::string{}, std::string{chance(50) ? "s1" : "s2"}};
    return out;
  }
  if (chance(20)) out.nets = nets(family, 4);
  if (chance(10)) out.not_nets = nets(family, 3);
  if ((has_ports || !rule.protocol) && chance(source ? 10 : 35)) out.ports = ports(has_ports);
  if ((has_ports || !rule.protocol) && chance(8)) out.not_ports = ports(has_ports);
  if (chance(40)) out.selector = select(1);
  if (chance(12)) out.not_selector = select(1);
  if (may_namespace && chance(25)) {
    out.namespaces = select(1);
    if (chance(15)) out.namespaces = Select{Select::Op::Global, {}, {}, {}};
  }
  if (chance(8)) out.accounts = select(0);
  if (chance(8)) out.account_names.push_back(pick(kAccounts));
  return out;
}

Rule Draw::rule(bool ingress, bool global, bool may_namespace) {
  Rule out;
  static const std::vector<Rule::Action> kActions{Rule::Action::Allow, Rule::Action::Allow, Rule::Action::Deny,
                                                  Rule::Action::Pass, Rule::Action::Log};
  out.action = pick(kActions);
  const Family family = chance(60) ? Family::V4 : Family::V6;
  if (chance(65)) out.protocol = pick(kProtocols);
  out.protocol_by_name = chance(80);
  // CIDRs of one family and ICMP of the other are refused, as is a family by number with them.
  const int other_icmp = family == Family::V4 ? 58 : 1;
  if (out.protocol == other_icmp) out.protocol = 59 - other_icmp;
  if (chance(10)) out.ip_version = family == Family::V4 ? 4 : 6;
  if (!out.protocol && chance(10)) out.not_protocol = pick(kProtocols);
  if (out.not_protocol == other_icmp) out.not_protocol.reset();
  if ((out.protocol == 1 || out.protocol == 58) && chance(60)) {
    out.icmp = Icmp{chance(50) ? 8 : 128, {}};
    if (chance(40)) out.icmp->code = static_cast<int>(below(2));
  }
  if (!out.not_protocol && chance(6)) out.not_icmp = Icmp{chance(50) ? 8 : 128, {}};
  out.source = entity(out, family, true, ingress, global, may_namespace);
  out.destination = entity(out, family, false, ingress, global, may_namespace);
  return out;
}

std::vector<Rule> Draw::rules(bool ingress, bool global, bool may_namespace, unsigned most) {
  std::vector<Rule> out;
  for (unsigned n = below(most + 1); n > 0; --n) out.push_back(rule(ingress, global, may_namespace));
  if (chance(20)) out.emplace_back();
  return out;
}

std::vector<K8sRule> Draw::k8s_rules() {
  std::vector<K8sRule> out;
  for (unsigned n = below(3); n > 0; --n) {
    K8sRule& rule = out.emplace_back();
    for (unsigned peers = below(3); peers > 0; --peers) {
      Peer& peer = rule.peers.emplace_back();
      if (chance(25)) {
        const Family family = chance(60) ? Family::V4 : Family::V6;
        peer.block = Cidr{address(family), family == Family::V4 ? 24u : 112u};
        if (chance(50)) {
          Cidr inner{peer.block->addr, family == Family::V4 ? 31u : 127u};
          inner.addr.bytes[family == Family::V4 ? 3 : 15] = static_cast<std::uint8_t>(2 * below(4));
          peer.except.push_back(inner);
        }
        continue;
      }
      if (chance(60)) peer.pods = requirements();
      if (!peer.pods || chance(40)) peer.namespaces = requirements();
    }
    for (unsigned count = below(3); count > 0; --count) {
      K8sPort& port = rule.ports.emplace_back();
      port.protocol = kProtocols[below(4)];
      if (chance(15)) continue;
      port.port.emplace();
      if (chance(25)) port.port->name = pick(kPortNames);
      else {
        port.port->min = pick(kPorts);
        port.port->max = static_cast<std::uint16_t>(chance(70) ? port.port->min : std::min(65535u, port.port->min + below(30)));
      }
    }
  }
  return out;
}

Endpoint Draw::endpoint(unsigned number) {
  Endpoint out;
  out.name = "e" + std::to_string(number);
  const unsigned kind = below(20);
  using Kind = Endpoint::Kind;
  out.kind = kind < 12   ? Kind::Pod
             : kind < 15 ? Kind::Workload
             : kind < 16 ? Kind::Host
             : kind < 18 ? Kind::NetworkSet
                         : Kind::GlobalNetworkSet;
  out.labels = labels();
  if (out.kind != Kind::Host && out.kind != Kind::GlobalNetworkSet) out.ns = ns();
  if (out.kind == Kind::NetworkSet || out.kind == Kind::GlobalNetworkSet) {
    out.nets = nets(chance(60) ? Family::V4 : Family::V6, 3);
    if (chance(15)) out.nets.push_back(*Cidr::parse(chance(50) ? "0.0.0.0/0" : "::/0"));
    return out;
  }
  out.node = out.kind != Kind::Host && chance(75) ? kThisNode : "there";
  for (const Family family : kFamilies)
    if (chance(85)) {
      // Addresses are the endpoints' own, by number: two local pods with one address are another test's business.
      const std::string a = std::to_string(number % 3), b = std::to_string(1 + number / 3);
      out.nets.emplace_back(*Addr::parse(family == Family::V4 ? "10.0." + a + "." + b : "fd00::" + a + ":" + b));
    }
  out.ports = named_ports(out.kind != Kind::Pod);
  if (out.kind != Kind::Host && chance(60)) out.account = pick(kAccounts);
  out.finished = out.kind == Kind::Pod && chance(5);
  if (out.kind == Kind::Workload) out.interface = "cali" + out.name;
  if (out.kind == Kind::Host && out.nets.empty()) out.nets.emplace_back(address(Family::V4));
  if (out.kind != Kind::Pod)
    for (unsigned n = below(3); n > 0; --n) {
      const std::string& name = pick(kProfiles);
      if (std::find(out.profiles.begin(), out.profiles.end(), name) == out.profiles.end()) out.profiles.push_back(name);
    }
  return out;
}

Policy Draw::policy(unsigned number) {
  Policy out;
  static const std::vector<Policy::Kind> kKinds{Policy::Kind::Namespaced, Policy::Kind::Namespaced,   Policy::Kind::Global,
                                                Policy::Kind::Global,     Policy::Kind::Kubernetes,   Policy::Kind::Staged,
                                                Policy::Kind::Kubernetes, Policy::Kind::StagedGlobal, Policy::Kind::Global};
  out.kind = pick(kKinds);
  const bool global = out.kind == Policy::Kind::Global || out.kind == Policy::Kind::StagedGlobal;
  // Names sort differently from numbers, and collide over kinds and namespaces.
  out.name = "q" + std::to_string(number % 4) + (number % 2 == 0 ? "-" : "") + std::to_string(number / 4);
  if (!global) out.ns = ns();
  out.broken = chance(4);
  if (chance(40)) {
    out.types = std::pair{chance(60), chance(60)};
    if (!out.types->first && !out.types->second) out.types->first = true;
  }
  if (out.kind == Policy::Kind::Kubernetes) {
    out.pods = requirements();
    out.k8s_ingress = k8s_rules();
    out.k8s_egress = k8s_rules();
    return out;
  }
  out.tier = pick(kTiers);
  if (chance(70)) out.order = static_cast<double>(below(3)) * 700;
  if (chance(75)) out.selector = select(1);
  if (global && chance(30)) out.namespaces = select(1);
  if (chance(15)) out.accounts = select(1);
  out.ingress = rules(true, global, true, 3);
  out.egress = rules(false, global, true, 3);
  return out;
}

Tier Draw::tier(const std::string& name) {
  Tier out{name, {}, chance(50)};
  if (chance(70)) out.order = static_cast<double>(below(4)) * 500'000;
  return out;
}
Profile Draw::profile(const std::string& name) {
  return {name, labels(), rules(true, true, true, 2), rules(false, true, true, 2)};
}
Slice Draw::slice(unsigned number) {
  Slice out{ns(), "slice" + std::to_string(number), chance(50) ? "s1" : "s2", {}, {}};
  const Family family = chance(60) ? Family::V4 : Family::V6;
  for (unsigned n = below(4); n > 0; --n) {
    const Addr a = address(family);
    if (std::find(out.addresses.begin(), out.addresses.end(), a) == out.addresses.end()) out.addresses.push_back(a);
  }
  for (unsigned n = below(3); n > 0; --n)
    out.ports.push_back({"p" + std::to_string(n), kProtocols[below(4)], pick(kPorts), false});
  return out;
}

Cluster Draw::cluster() {
  Cluster c;
  for (const auto& name : kNamespaces)
    if (chance(90)) c.namespaces.push_back({name, labels()});
  for (const auto& name : kNamespaces)
    for (const auto& account : kAccounts)
      if (chance(85)) c.accounts.push_back({name, account, labels()});
  for (const unsigned count = 5 + below(10), start = below(4); c.endpoints.size() < count;)
    c.endpoints.push_back(endpoint(start + static_cast<unsigned>(c.endpoints.size())));
  for (const char* name : {"p1", "p2"})
    if (chance(80)) c.profiles.push_back(profile(name));
  for (const char* name : {"t1", "t2"})
    if (chance(80)) c.tiers.push_back(tier(name));
  for (unsigned n = 0, count = 1 + below(9); n < count; ++n) c.policies.push_back(policy(n));
  for (unsigned n = 0, count = below(4); n < count; ++n) c.slices.push_back(slice(n));
  c.pools.push_back({"v4", *Cidr::parse("10.0.0.0/22"), chance(60)});
  if (chance(60)) c.pools.push_back({"v6", *Cidr::parse("fd00::/110"), chance(60)});
  if (chance(30)) c.service_cidrs = {Cidr{address(Family::V4)}, Cidr{address(Family::V6)}};
  return c;
}

Cluster Draw::edited(Cluster c) {
  const auto some = [&](auto& list, auto&& again) {
    for (auto it = list.begin(); it != list.end();) {
      if (chance(8)) {
        it = list.erase(it);
        continue;
      }
      if (chance(15)) again(*it);
      ++it;
    }
  };
  some(c.namespaces, [&](auto& n) { n.labels = labels(); });
  some(c.accounts, [&](auto& a) { a.labels = labels(); });
  some(c.endpoints, [&](auto& e) {
    if (chance(50)) e.labels = labels();
    else e = endpoint(static_cast<unsigned>(std::stoul(e.name.substr(1))));
  });
  some(c.profiles, [&](auto& p) { p = profile(p.name); });
  some(c.tiers, [&](auto& t) { t = tier(t.name); });
  some(c.policies, [&](auto& p) {
    if (chance(50)) p = policy(static_cast<unsigned>(&p - c.policies.data()) + 30);
    else p.order = chance(50) ? std::optional<double>{} : below(1500);
  });
  some(c.slices, [&](auto& s) { s.addresses = slice(0).addresses, s.ports = slice(0).ports; });
  for (Slice& s : c.slices)  // one family a slice
    std::erase_if(s.addresses, [&](const Addr& a) { return a.family != s.addresses.front().family; });
  if (chance(30)) c.policies.push_back(policy(20));
  if (chance(30)) c.endpoints.push_back(endpoint(30));
  return c;
}

void Draw::aim(Packet& p, const Rule& rule, const Cluster& cluster) {
  if (rule.protocol && chance(90)) p.protocol = *rule.protocol;
  if (rule.icmp && chance(90)) p.icmp_type = rule.icmp->type;
  if (rule.not_icmp && chance(50)) p.protocol = p.source.family == Family::V4 ? 1 : 58, p.icmp_type = rule.not_icmp->type;
  for (const bool source : {true, false}) {
    const Entity& e = source ? rule.source : rule.destination;
    Addr& address = source ? p.source : p.destination;
    std::uint16_t& port = source ? p.source_port : p.destination_port;
    for (const auto* list : {&e.nets, &e.not_nets})
      if (!list->empty() && chance(list == &e.nets ? 80 : 20))
        if (const Cidr& net = pick(*list); net.family() == address.family && net.is_host()) address = net.addr;
    for (const auto* list : {&e.ports, &e.not_ports}) {
      if (list->empty() || !chance(list == &e.ports ? 85 : 30)) continue;
      const Port& wanted = pick(*list);
      port = chance(50) ? wanted.min : wanted.max;
      if (wanted.name.empty()) continue;
      std::vector<std::pair<Addr, NamedPort>> found;
      for (const Endpoint& endpoint : cluster.endpoints)
        for (const NamedPort& named : endpoint.ports)
          for (const Cidr& net : endpoint.nets)
            if (named.name == wanted.name && net.family() == address.family) found.emplace_back(net.addr, named);
      if (found.empty()) continue;
      const auto& [at, named] = pick(found);
      address = at;
      port = named.port;
      if (!rule.protocol) p.protocol = named.protocol;
    }
    if (e.service)
      for (const Slice& slice : cluster.slices)
        if (slice.service == e.service->second && !slice.addresses.empty() && chance(70)) {
          if (const Addr& at = pick(slice.addresses); at.family == address.family) address = at;
          if (!source && !slice.ports.empty()) {
            const NamedPort& served = pick(slice.ports);
            port = served.port;
            if (!rule.protocol) p.protocol = served.protocol;
          }
        }
  }
}

Packet Draw::packet(const Cluster& cluster, Family family) {
  Packet p;
  p.source = address(family);
  p.destination = address(family);
  p.protocol = chance(75) ? kProtocols[below(4)] : pick(kProtocols);
  p.source_port = chance(50) ? pick(kPorts) : static_cast<std::uint16_t>(1 + below(65535));
  p.destination_port = chance(80) ? pick(kPorts) : static_cast<std::uint16_t>(1 + below(65535));
  p.icmp_type = chance(50) ? 8 : 128;
  p.icmp_code = static_cast<int>(below(2));
  if (!cluster.policies.empty() && chance(60)) {
    const Policy& policy = pick(cluster.policies);
    const auto& rules = chance(50) ? policy.ingress : policy.egress;
    if (!rules.empty()) aim(p, pick(rules), cluster);
  }
  // Between local endpoints, mostly; an address need not be where it lives.
  std::vector<std::pair<Addr, std::string>> local;
  for (const Endpoint& e : cluster.endpoints)
    for (const Cidr& net : e.nets)
      if (e.node == kThisNode && net.family() == family) local.emplace_back(net.addr, interface_of(e));
  for (const bool source : {true, false}) {
    Addr& at = source ? p.source : p.destination;
    std::string& interface = source ? p.in : p.out;
    if (!local.empty() && chance(40)) at = pick(local).first;
    interface = "eth0";
    for (const auto& [address, name] : local)
      if (address == at) interface = name;
    if (!local.empty() && chance(30)) interface = pick(local).second;
    if (chance(5)) interface = chance(50) ? "caliunknown" : "eth0";
  }
  if (!p.has_ports() && p.protocol != 136) p.source_port = p.destination_port = 0;
  if (!p.is_icmp()) p.icmp_type = p.icmp_code = 0;
  return p;
}

// ---- shrinking -------------------------------------------------------------------------------------------------------

namespace {

using Visitor = std::function<void(std::size_t size, const std::function<void(std::size_t)>& erase)>;

template <class List>
void list(List& l, const Visitor& v) {
  v(l.size(), [&](std::size_t i) { l.erase(std::next(l.begin(), static_cast<std::ptrdiff_t>(i))); });
}
template <class T>
void optional(std::optional<T>& o, const Visitor& v) {
  v(o ? 1 : 0, [&](std::size_t) { o.reset(); });
}
void flag(bool& b, const Visitor& v) {
  v(b ? 1 : 0, [&](std::size_t) { b = false; });
}
void tree(std::optional<Select>& s, const Visitor& v) {
  optional(s, v);
  if (!s) return;
  v(s->parts.size(), [&](std::size_t i) { s = Select{s->parts[i]}; });
}

void visit(Entity& e, const Visitor& v) {
  for (auto* l : {&e.nets, &e.not_nets}) list(*l, v);
  for (auto* l : {&e.ports, &e.not_ports}) list(*l, v);
  for (auto* s : {&e.selector, &e.not_selector, &e.namespaces, &e.accounts}) tree(*s, v);
  list(e.account_names, v);
  optional(e.service, v);
}
void visit(std::vector<Rule>& rules, const Visitor& v) {
  list(rules, v);
  for (Rule& r : rules) {
    optional(r.ip_version, v);
    optional(r.not_protocol, v);
    optional(r.icmp, v);
    optional(r.not_icmp, v);
    visit(r.source, v);
    visit(r.destination, v);
  }
}
void visit(std::vector<K8sRule>& rules, const Visitor& v) {
  list(rules, v);
  for (K8sRule& r : rules) {
    list(r.peers, v);
    list(r.ports, v);
  }
}
void visit(Cluster& c, const Visitor& v) {
  list(c.policies, v);
  list(c.endpoints, v);
  list(c.namespaces, v);
  list(c.accounts, v);
  list(c.profiles, v);
  list(c.tiers, v);
  list(c.slices, v);
  list(c.pools, v);
  list(c.service_cidrs, v);
  for (Policy& p : c.policies) {
    visit(p.ingress, v);
    visit(p.egress, v);
    visit(p.k8s_ingress, v);
    visit(p.k8s_egress, v);
    for (auto* s : {&p.selector, &p.namespaces, &p.accounts}) tree(*s, v);
    optional(p.order, v);
    optional(p.types, v);
    flag(p.broken, v);
    list(p.pods.equal, v);
    list(p.pods.expressions, v);
  }
  for (Profile& p : c.profiles) {
    visit(p.ingress, v);
    visit(p.egress, v);
  }
  for (Endpoint& e : c.endpoints) {
    list(e.labels, v);
    list(e.ports, v);
    list(e.profiles, v);
    if (e.kind != Endpoint::Kind::Host) list(e.nets, v);
  }
  for (Namespace& n : c.namespaces) list(n.labels, v);
  for (Account& a : c.accounts) list(a.labels, v);
}

bool without(Cluster& c, std::size_t n) {
  bool done = false;
  std::size_t seen = 0;
  visit(c, [&](std::size_t size, const std::function<void(std::size_t)>& erase) {
    if (!done && n < seen + size) {
      erase(n - seen);
      done = true;
    }
    seen += size;
  });
  return done;
}

}  // namespace

Cluster shrink(Cluster cluster, const std::function<bool(const Cluster&)>& still_fails) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (std::size_t n = 0;;) {
      Cluster candidate = cluster;
      if (!without(candidate, n)) break;
      if (still_fails(candidate)) {
        cluster = std::move(candidate);
        smaller = true;
      } else {
        ++n;
      }
    }
  }
  return cluster;
}

}  // namespace margay::pipeline
