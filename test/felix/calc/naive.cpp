#include "naive.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "margay/base/hash.hpp"

namespace margay::calc::test {
namespace {

template <class T>
const T* as(const Resource& resource) {
  const auto* ref = std::get_if<Ref<T>>(&resource);
  return ref ? ref->get() : nullptr;
}

// Something that sets can contain.
struct Thing {
  Labels labels;  // with inheritance
  std::vector<Cidr> nets;
  std::vector<EndpointPort> ports;
};

class Calculation {
 public:
  Calculation(const Resources& resources, const Symbol& node) : resources_{resources}, node_{node} {}

  State run() {
    collect_things();
    for (const auto& [key, resource] : resources_) {
      if (const auto* w = as<WorkloadEndpoint>(resource); w && w->node == node_ && !w->nets.empty()) {
        state_.workloads[key] = {*w, policies_of(inherited(w->labels, w->profiles), w->profiles, false)};
        if (const std::string peer = peer_of(inherited(w->labels, w->profiles)); !peer.empty()) state_.peers[key] = peer;
      } else if (const auto* h = as<HostEndpoint>(resource); h && h->node == node_) {
        state_.host_endpoints[key] = {*h, policies_of(inherited(h->labels, h->profiles), h->profiles, true)};
      } else if (const auto* n = as<Node>(resource)) {
        state_.nodes[key.name.str()] = {n->ipv4, n->ipv6};
      } else if (const auto* pool = as<IpPool>(resource)) {
        bool first = true;  // the map is ordered by name
        for (const auto& [other, taken] : state_.pools) first = first && !(taken.cidr == pool->cidr);
        if (first) state_.pools[key.name.str()] = *pool;
      } else if (const auto* bgp = as<BgpConfiguration>(resource); bgp && key.name == "default") {
        std::set<Cidr> all(bgp->service_cluster_ips.begin(), bgp->service_cluster_ips.end());
        all.insert(bgp->service_external_ips.begin(), bgp->service_external_ips.end());
        all.insert(bgp->service_load_balancer_ips.begin(), bgp->service_load_balancer_ips.end());
        state_.service_cidrs.assign(all.begin(), all.end());
        state_.peering = {bgp->local_workload_peering_v4, bgp->local_workload_peering_v6};
      } else if (const auto* affinity = as<BlockAffinity>(resource)) {
        if (affinity->node == node_ && affinity->of_host && !affinity->cidr.is_host() &&
            affinity->state != BlockAffinity::State::Pending)
          blocks_.insert(affinity->cidr);
      } else if (const auto* policy = as<Policy>(resource)) {
        if (policy->needed_everywhere || selects_local(*policy)) add_policy(key, *policy);
      }
    }
    state_.blocks.assign(blocks_.begin(), blocks_.end());
    for (const auto& [key, w] : state_.workloads) add_profiles(w.first.profiles);
    for (const auto& [key, h] : state_.host_endpoints) add_profiles(h.first.profiles);
    return state_;
  }

 private:
  std::string peer_of(const Labels& labels) const {
    Labels here;
    if (const auto found = resources_.find(Key{Kind::Node, "", node_}); found != resources_.end())
      here = as<Node>(found->second)->labels;
    for (const auto& [key, resource] : resources_) {  // the map is ordered by name
      const auto* peer = as<BgpPeer>(resource);
      if (!peer || !peer->local_workload_selector) continue;
      if (!peer->node.empty() && !(node_ == std::string_view{peer->node})) continue;
      if (peer->node.empty() && peer->node_selector && !peer->node_selector->matches(here)) continue;
      if (peer->local_workload_selector->matches(labels)) return key.name.str();
    }
    return {};
  }

  Labels inherited(const Labels& own, const std::vector<Symbol>& profiles) const {
    std::map<Symbol, Symbol> all;
    for (auto it = profiles.rbegin(); it != profiles.rend(); ++it) {
      const auto found = resources_.find(Key{Kind::Profile, "", *it});
      if (found == resources_.end()) continue;
      for (const auto& [key, value] : as<Profile>(found->second)->labels_to_apply.pairs()) all.insert_or_assign(key, value);
    }
    for (const auto& [key, value] : own.pairs()) all.insert_or_assign(key, value);
    return Labels{std::vector<Labels::Pair>(all.begin(), all.end())};
  }

  void collect_things() {
    for (const auto& [key, resource] : resources_) {
      if (const auto* w = as<WorkloadEndpoint>(resource)) {
        things_.push_back({inherited(w->labels, w->profiles), w->nets, w->ports});
      } else if (const auto* h = as<HostEndpoint>(resource)) {
        Thing thing{inherited(h->labels, h->profiles), {}, h->ports};
        for (const Addr& address : h->expected_ips) thing.nets.emplace_back(address);
        things_.push_back(thing);
      } else if (const auto* s = as<NetworkSet>(resource)) {
        Thing thing{inherited(s->labels, s->profiles), {}, {}};
        for (const Cidr& net : s->nets) {
          if (net == *Cidr::parse("0.0.0.0/0")) {
            thing.nets.push_back(*Cidr::parse("0.0.0.0/1"));
            thing.nets.push_back(*Cidr::parse("128.0.0.0/1"));
          } else if (net == *Cidr::parse("::/0")) {
            thing.nets.push_back(*Cidr::parse("::/1"));
            thing.nets.push_back(*Cidr::parse("8000::/1"));
          } else {
            thing.nets.push_back(net);
          }
        }
        things_.push_back(thing);
      }
    }
  }

  bool selects_local(const Policy& policy) const {
    for (const auto& [key, resource] : resources_) {
      if (const auto* w = as<WorkloadEndpoint>(resource); w && w->node == node_ && !w->nets.empty()) {
        if (policy.selector.matches(inherited(w->labels, w->profiles))) return true;
      }
      if (const auto* h = as<HostEndpoint>(resource); h && h->node == node_) {
        if (policy.selector.matches(inherited(h->labels, h->profiles))) return true;
      }
    }
    return false;
  }

  // ---- rules ----
  SetId selector_set(const Selector& selector) {
    std::set<kernel::SetMember> members;
    for (const Thing& thing : things_) {
      if (!selector.matches(thing.labels)) continue;
      for (const Cidr& net : thing.nets) members.insert({.net = net});
    }
    const std::string id = make_unique_id("s", selector.canonical());
    state_.sets[id] = {kernel::SetType::HashNet, members};
    return id;
  }
  SetId port_set(const Selector& selector, std::optional<Protocol> proto, const Symbol& name) {
    std::string text = "tcp";
    if (!proto) text = "any";
    if (proto == protocol::kUdp) text = "udp";
    if (proto == protocol::kSctp) text = "sctp";
    std::set<kernel::SetMember> members;
    for (const Thing& thing : things_) {
      if (!selector.matches(thing.labels)) continue;
      for (const EndpointPort& port : thing.ports) {
        if (!(port.name == name)) continue;
        const bool right = text == "any" ? port.protocol_by_name : protocol::to_string(*port.protocol) == text;
        if (!right) continue;
        for (const Cidr& net : thing.nets) members.insert({.net = net, .protocol = *port.protocol, .port = port.port});
      }
    }
    const std::string id = make_unique_id("n", make_unique_id("s", selector.canonical()) + "," + text + "," + name.str());
    state_.sets[id] = {kernel::SetType::HashIpPort, members};
    return id;
  }
  SetId service_set(const ServiceRef& ref, bool ports) {
    std::set<kernel::SetMember> members;
    for (const auto& [key, resource] : resources_) {
      const auto* slice = as<EndpointSlice>(resource);
      if (!slice || !(key.ns == ref.ns) || !(slice->service == ref.name)) continue;
      for (const auto& endpoint : slice->endpoints) {
        for (const Addr& address : endpoint.addresses) {
          if (!ports) members.insert({.net = Cidr{address}});
          for (const ServicePort& port : slice->ports) {
            if (ports) members.insert({.net = Cidr{address}, .protocol = port.protocol, .port = port.port});
          }
        }
      }
    }
    const std::string id = make_unique_id(ports ? "svc" : "svcnoport", ref.ns.str() + "/" + ref.name.str());
    state_.sets[id] = {ports ? kernel::SetType::HashIpPort : kernel::SetType::HashNet, members};
    return id;
  }

  std::vector<ActiveRule> convert(const std::vector<Rule>& rules) {
    std::vector<ActiveRule> out;
    for (const Rule& r : rules) {
      ActiveRule a;
      a.action = r.action;
      a.family = r.family;
      a.protocol = r.protocol;
      a.not_protocol = r.not_protocol;
      a.icmp = r.icmp;
      a.not_icmp = r.not_icmp;
      a.annotations = r.annotations;
      a.src_nets = r.source.nets, a.not_src_nets = r.source.not_nets;
      a.dst_nets = r.destination.nets, a.not_dst_nets = r.destination.not_nets;
      a.src_ports = r.source.ports, a.not_src_ports = r.source.not_ports;
      a.dst_ports = r.destination.ports, a.not_dst_ports = r.destination.not_ports;
      for (const bool source : {true, false}) {
        const Entity& e = source ? r.source : r.destination;
        Selector all_or_positive;
        std::optional<Selector> positive = e.selector;
        if (positive && e.not_selector) {
          positive = *Selector::parse("(" + positive->canonical() + ") && (!(" + e.not_selector->canonical() + "))");
        }
        if (positive) all_or_positive = *positive;
        if (positive && (e.named_ports.empty() || !e.ports.empty())) {
          (source ? a.src_sets : a.dst_sets).push_back(selector_set(*positive));
        }
        if (!e.selector && e.not_selector) (source ? a.not_src_sets : a.not_dst_sets).push_back(selector_set(*e.not_selector));
        for (const Symbol& name : e.named_ports) {
          (source ? a.src_port_sets : a.dst_port_sets).push_back(port_set(all_or_positive, r.protocol, name));
        }
        for (const Symbol& name : e.not_named_ports) {
          (source ? a.not_src_port_sets : a.not_dst_port_sets).push_back(port_set(all_or_positive, r.protocol, name));
        }
      }
      if (r.source.service) a.src_sets.push_back(service_set(*r.source.service, false));
      if (r.destination.service) a.dst_service_sets.push_back(service_set(*r.destination.service, true));
      out.push_back(a);
    }
    return out;
  }
  static std::vector<ActiveRule> deny() {
    ActiveRule rule;
    rule.action = Action::Deny;
    return {rule};
  }

  void add_policy(const Key& key, const Policy& policy) {
    ActivePolicy& out = state_.policies[key];
    out.tier = policy.tier.empty() ? Symbol{"default"} : policy.tier;
    out.selector = policy.selector.canonical();
    out.staged = policy.staged;
    out.do_not_track = policy.do_not_track;
    out.pre_dnat = policy.pre_dnat;
    out.apply_on_forward = policy.apply_on_forward;
    out.needed_everywhere = policy.needed_everywhere;
    out.closed = policy.closed;
    if (policy.staged) return;
    if (policy.governs_ingress) out.ingress = policy.closed ? deny() : convert(policy.ingress);
    if (policy.governs_egress) out.egress = policy.closed ? deny() : convert(policy.egress);
  }
  void add_profiles(const std::vector<Symbol>& names) {
    for (const Symbol& name : names) {
      const auto found = resources_.find(Key{Kind::Profile, "", name});
      const Profile* profile = found == resources_.end() ? nullptr : as<Profile>(found->second);
      state_.profiles[name.str()] = {profile ? convert(profile->ingress) : deny(), profile ? convert(profile->egress) : deny()};
    }
  }

  // ---- order ----
  EndpointPolicies policies_of(const Labels& labels, const std::vector<Symbol>& profiles, bool host) const {
    std::set<std::string> tier_names;
    for (const auto& [key, resource] : resources_) {
      if (const auto* p = as<Policy>(resource)) tier_names.insert(p->tier.empty() ? "default" : p->tier.str());
    }
    const auto tier = [&](const std::string& name) -> const Tier* {
      const auto found = resources_.find(Key{Kind::Tier, "", name});
      return found == resources_.end() ? nullptr : as<Tier>(found->second);
    };
    const double infinity = std::numeric_limits<double>::infinity();
    std::vector<std::string> tiers(tier_names.begin(), tier_names.end());
    std::stable_sort(tiers.begin(), tiers.end(), [&](const std::string& a, const std::string& b) {
      const Tier* ta = tier(a);
      const Tier* tb = tier(b);
      if ((ta == nullptr) != (tb == nullptr)) return ta != nullptr;
      if (ta == nullptr) return false;
      return ta->order.value_or(infinity) < tb->order.value_or(infinity);
    });

    EndpointPolicies out;
    out.profiles = profiles;
    for (const std::string& name : tiers) {
      std::vector<std::pair<Key, const Policy*>> policies;
      for (const auto& [key, resource] : resources_) {
        const auto* p = as<Policy>(resource);
        if (p && (p->tier.empty() ? "default" : p->tier.str()) == name && p->selector.matches(labels))
          policies.emplace_back(key, p);
      }
      const auto text = [](const Key& key) {
        std::string kind =
            key.kind == Kind::KubernetesNetworkPolicy ? "KubernetesNetworkPolicy" : std::string{info(key.kind).name};
        return key.name.str() + "/" + key.ns.str() + "/" + kind;
      };
      std::sort(policies.begin(), policies.end(), [&](const auto& a, const auto& b) {
        const double oa = a.second->order.value_or(infinity), ob = b.second->order.value_or(infinity);
        return oa != ob ? oa < ob : text(a.first) < text(b.first);
      });
      const bool pass = tier(name) != nullptr && tier(name)->default_pass;
      const auto lists = [&](std::vector<TierPolicies>& to, bool default_pass, auto&& wanted, bool egress) {
        TierPolicies list{.tier = name, .default_pass = default_pass, .ingress = {}, .egress = {}};
        for (const auto& [key, p] : policies) {
          if (!wanted(*p)) continue;
          if (p->governs_ingress) list.ingress.push_back(key);
          if (p->governs_egress && egress) list.egress.push_back(key);
        }
        if (!list.ingress.empty() || !list.egress.empty()) to.push_back(list);
      };
      const auto normal = [](const Policy& p) { return !p.do_not_track && !p.pre_dnat; };
      lists(out.normal, pass, normal, true);
      if (!host) continue;
      lists(
          out.untracked, true, [](const Policy& p) { return p.do_not_track; }, true);
      lists(
          out.pre_dnat, true, [](const Policy& p) { return p.pre_dnat && !p.do_not_track; }, false);
      lists(
          out.forward, pass, [&](const Policy& p) { return normal(p) && p.apply_on_forward; }, true);
    }
    return out;
  }

  const Resources& resources_;
  Symbol node_;
  std::vector<Thing> things_;
  std::set<Cidr> blocks_;
  State state_;
};

template <class Map, class F>
std::string map_difference(const char* what, const Map& expected, const Map& actual, F&& name) {
  for (const auto& [key, value] : expected) {
    const auto it = actual.find(key);
    if (it == actual.end()) return std::string{what} + " missing: " + name(key);
    if (!(it->second == value)) return std::string{what} + " differs: " + name(key);
  }
  for (const auto& [key, value] : actual) {
    if (!expected.contains(key)) return std::string{what} + " too many: " + name(key);
  }
  return {};
}

}  // namespace

State compute(const Resources& resources, const Symbol& node) { return Calculation{resources, node}.run(); }

std::string difference(const State& expected, const State& actual) {
  const auto text = [](const std::string& name) { return name; };
  const auto key = [](const Key& k) { return k.to_string(); };
  for (std::string found :
       {map_difference("set", expected.sets, actual.sets, text),
        map_difference("policy", expected.policies, actual.policies, key),
        map_difference("profile", expected.profiles, actual.profiles, text),
        map_difference("workload", expected.workloads, actual.workloads, key),
        map_difference("peer", expected.peers, actual.peers, key),
        map_difference("host endpoint", expected.host_endpoints, actual.host_endpoints, key),
        map_difference("node", expected.nodes, actual.nodes, text), map_difference("pool", expected.pools, actual.pools, text)}) {
    if (!found.empty()) return found;
  }
  if (expected.peering != actual.peering) return "peering differs";
  if (!(expected.blocks == actual.blocks)) return "blocks differ";
  return expected.service_cidrs == actual.service_cidrs ? std::string{} : std::string{"service CIDRs differ"};
}

}  // namespace margay::calc::test
