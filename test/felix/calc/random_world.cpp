#include "random_world.hpp"

namespace margay::calc::test {
namespace {

template <class T>
Resource resource(T value) {
  return std::make_shared<const T>(std::move(value));
}

const std::vector<std::string> kKeys{"a", "b", "c", "ns"};
const std::vector<std::string> kValues{"x", "y", "z"};
const std::vector<std::string> kProfiles{"kns.n1", "kns.n2", "ksa.n1.s", "p"};
const std::vector<std::string> kTiers{"default", "t1", "t2", "t3", ""};
const std::vector<std::string> kNodes{"here", "there", "far"};
const std::vector<std::string> kPortNames{"http", "dns"};

}  // namespace

Labels RandomWorld::labels() {
  std::vector<Labels::Pair> pairs;
  for (const auto& key : kKeys) {
    if (chance(0.5)) pairs.emplace_back(key, pick(kValues));
  }
  return Labels{std::move(pairs)};
}

std::string RandomWorld::selector_text(int depth) {
  if (depth > 0 && chance(0.5)) {
    const std::string joint = chance(0.7) ? " && " : " || ";
    std::string text = selector_text(depth - 1) + joint + selector_text(depth - 1);
    return chance(0.2) ? "!(" + text + ")" : "(" + text + ")";
  }
  const std::string& key = pick(kKeys);
  const std::string& value = pick(kValues);
  switch (below(9)) {
    case 0: return "all()";
    case 1: return "has(" + key + ")";
    case 2: return "!has(" + key + ")";
    case 3: return key + " != '" + value + "'";
    case 4: return key + " in {'" + value + "', '" + pick(kValues) + "'}";
    case 5: return key + " not in {'" + value + "'}";
    case 6: return key + " starts with '" + value + "'";
    default: return key + " == '" + value + "'";
  }
}

std::vector<Symbol> RandomWorld::profiles() {
  std::vector<Symbol> names;
  for (std::size_t n = below(4); n > 0; --n) names.emplace_back(pick(kProfiles));
  return names;
}

std::vector<Cidr> RandomWorld::hosts() {
  std::vector<Cidr> nets;
  for (std::size_t n = below(4); n > 0; --n) {
    const std::string host = std::to_string(below(6) + 1);
    nets.push_back(*Cidr::parse(chance(0.7) ? "10.0.0." + host : "fd00::" + host));
  }
  return nets;
}

std::vector<EndpointPort> RandomWorld::ports() {
  std::vector<EndpointPort> out;
  for (std::size_t n = below(4); n > 0; --n) {
    const std::vector<Protocol> protocols{protocol::kTcp, protocol::kUdp, protocol::kSctp};
    out.push_back({.name = pick(kPortNames),
                   .protocol = pick(protocols),
                   .protocol_by_name = chance(0.8),
                   .port = static_cast<std::uint16_t>(80 + below(2))});
  }
  return out;
}

Entity RandomWorld::entity(bool source) {
  Entity out;
  if (chance(0.1)) {
    out.service = ServiceRef{"n1", chance(0.5) ? "s1" : "s2"};
    return out;
  }
  if (chance(0.5)) out.selector = selector();
  if (chance(0.2)) out.not_selector = selector();
  if (chance(0.2)) out.nets.push_back(*Cidr::parse("10.0.0.0/24"));
  if (chance(source ? 0.1 : 0.3)) out.named_ports.emplace_back(pick(kPortNames));
  if (chance(0.1)) out.not_named_ports.emplace_back(pick(kPortNames));
  if (chance(0.2)) out.ports.push_back({80, 90});
  return out;
}

std::vector<Rule> RandomWorld::rules() {
  std::vector<Rule> out(below(3));
  for (Rule& rule : out) {
    const std::vector<Action> actions{Action::Allow, Action::Deny, Action::Pass, Action::Log};
    rule.action = pick(actions);
    const std::vector<Protocol> protocols{protocol::kTcp, protocol::kUdp, protocol::kSctp, protocol::kIcmp};
    if (chance(0.6)) rule.protocol = pick(protocols);
    rule.source = entity(true);
    rule.destination = entity(false);
  }
  return out;
}

std::optional<double> RandomWorld::order() {
  if (chance(0.3)) return std::nullopt;
  return static_cast<double>(below(3)) * 10.5;
}

Resource RandomWorld::policy(Kind kind) {
  Policy out;
  out.tier = pick(kTiers);
  out.order = order();
  out.selector = selector();
  out.governs_ingress = chance(0.7);
  out.governs_egress = chance(0.5);
  out.ingress = rules();
  out.egress = rules();
  out.staged = kind == Kind::StagedNetworkPolicy;
  out.closed = chance(0.05);
  out.needed_everywhere = chance(0.1);
  if (kind == Kind::GlobalNetworkPolicy) {
    out.do_not_track = chance(0.2);
    out.pre_dnat = !out.do_not_track && chance(0.2);
    out.apply_on_forward = out.do_not_track || out.pre_dnat || chance(0.3);
  }
  return resource(std::move(out));
}

Update RandomWorld::draw() {
  const auto numbered = [&](const char* prefix, std::size_t n) { return Symbol{prefix + std::to_string(below(n))}; };
  const Symbol ns = chance(0.5) ? "n1" : "n2";
  const bool gone = chance(0.25);
  Update update;
  const auto say = [&](Key key, auto&& make) {
    update.key = key;
    if (!gone) update.value = make();
  };
  switch (below(18)) {
    case 0:
    case 1:
    case 2:
    case 3:
      say({Kind::WorkloadEndpoint, ns, numbered("w", 5)}, [&] {
        WorkloadEndpoint w;
        w.node = pick(kNodes);
        w.labels = labels();
        w.profiles = profiles();
        w.nets = hosts();
        w.ports = ports();
        return resource(std::move(w));
      });
      break;
    case 4:
      say({Kind::HostEndpoint, "", numbered("h", 3)}, [&] {
        HostEndpoint h;
        h.node = pick(kNodes);
        h.labels = labels();
        h.profiles = profiles();
        for (const Cidr& net : hosts()) h.expected_ips.push_back(net.addr);
        h.ports = ports();
        return resource(std::move(h));
      });
      break;
    case 5:
    case 6:
      say({Kind::Profile, "", pick(kProfiles)}, [&] {
        Profile p;
        p.labels_to_apply = labels();
        p.ingress = rules();
        p.egress = rules();
        return resource(std::move(p));
      });
      break;
    case 7:
    case 8:
    case 9:
    case 10: {
      const std::vector<Kind> kinds{Kind::NetworkPolicy, Kind::GlobalNetworkPolicy, Kind::StagedNetworkPolicy,
                                    Kind::KubernetesNetworkPolicy};
      const Kind kind = pick(kinds);
      say({kind, kind == Kind::GlobalNetworkPolicy ? Symbol{} : ns, numbered(chance(0.5) ? "q" : "q-", 2)},
          [&] { return policy(kind); });
      break;
    }
    case 11:
      say({Kind::Tier, "", pick(kTiers)}, [&] { return resource(Tier{.order = order(), .default_pass = chance(0.4)}); });
      if (update.key.name.empty()) update.key.name = "default";
      break;
    case 12:
      say({chance(0.5) ? Kind::NetworkSet : Kind::GlobalNetworkSet, "", numbered("s", 3)}, [&] {
        NetworkSet s;
        s.labels = labels();
        s.profiles = profiles();
        s.nets = hosts();
        if (chance(0.3)) s.nets.push_back(*Cidr::parse("10.0.0.0/24"));
        if (chance(0.2)) s.nets.push_back(*Cidr::parse("0.0.0.0/0"));
        if (chance(0.2)) s.nets.push_back(*Cidr::parse("::/0"));
        if (chance(0.2)) s.nets.push_back(*Cidr::parse("128.0.0.0/1"));
        return resource(std::move(s));
      });
      break;
    case 13:
    case 14:
      say({Kind::EndpointSlice, "n1", numbered("e", 3)}, [&] {
        EndpointSlice s;
        s.service = chance(0.1) ? "" : chance(0.5) ? "s1" : "s2";
        for (const Cidr& net : hosts()) s.endpoints.push_back({.addresses = {net.addr}, .node = "x", .ready = chance(0.5)});
        for (std::size_t n = below(3); n > 0; --n) {
          s.ports.push_back({.name = "p", .protocol = protocol::kTcp, .port = static_cast<std::uint16_t>(80 + below(2))});
        }
        return resource(std::move(s));
      });
      break;
    case 15:
    case 16:
      say({Kind::BGPPeer, "", numbered("peer", 4)}, [&] {
        BgpPeer p;
        if (chance(0.8)) p.local_workload_selector = selector();
        if (chance(0.2)) p.node = pick(kNodes);
        else if (chance(0.5)) p.node_selector = selector();
        return resource(std::move(p));
      });
      break;
    default:
      if (chance(0.4)) {
        say({Kind::Node, "", pick(kNodes)}, [&] {
          Node n;
          if (chance(0.7)) n.ipv4 = Addr::parse("192.0.2." + std::to_string(below(3)));
          n.labels = labels();
          return resource(std::move(n));
        });
      } else if (chance(0.5)) {
        say({Kind::IPPool, "", numbered("pool", 4)}, [&] {
          IpPool p;
          p.cidr = *Cidr::parse(chance(0.5) ? "10.0.0.0/16" : "10.1.0.0/16");
          p.nat_outgoing = chance(0.5);
          return resource(std::move(p));
        });
      } else if (chance(0.5)) {
        say({Kind::BlockAffinity, "", numbered("block", 4)}, [&] {
          BlockAffinity a;
          a.node = pick(kNodes);
          a.cidr = *Cidr::parse("10.0." + std::to_string(below(3)) + (chance(0.8) ? ".0/26" : ".7/32"));
          a.state = chance(0.6)   ? BlockAffinity::State::Confirmed
                    : chance(0.5) ? BlockAffinity::State::Pending
                                  : BlockAffinity::State::PendingDeletion;
          a.of_host = chance(0.9);
          return resource(a);
        });
      } else {
        say({Kind::BGPConfiguration, "", chance(0.8) ? "default" : "other"}, [&] {
          BgpConfiguration b;
          if (chance(0.5)) b.local_workload_peering_v4 = Addr::parse("169.254.1." + std::to_string(below(2)));
          if (chance(0.3)) b.local_workload_peering_v6 = Addr::parse("fd00::1");
          if (chance(0.7)) b.service_cluster_ips.push_back(*Cidr::parse("10.96.0.0/12"));
          if (chance(0.5)) b.service_external_ips.push_back(*Cidr::parse(chance(0.5) ? "10.96.0.0/12" : "198.51.100.0/24"));
          return resource(std::move(b));
        });
      }
  }
  return update;
}

}  // namespace margay::calc::test
