#include <algorithm>
#include <tuple>

#include "cluster.hpp"

namespace margay::pipeline {
namespace {

constexpr const char* kNamespaceLabel = "projectcalico.org/namespace";
constexpr const char* kAccountLabel = "projectcalico.org/serviceaccount";
constexpr const char* kOrchestratorLabel = "projectcalico.org/orchestrator";
constexpr const char* kNameLabel = "projectcalico.org/name";

bool eval(const Select& s, const Labels& labels, bool all = true, bool global = false) {
  const auto it = labels.find(s.key);
  const bool has = it != labels.end();
  const auto equals = [&](const std::string& value) { return has && it->second == value; };
  using Op = Select::Op;
  switch (s.op) {
    case Op::All: return all;
    case Op::Global: return global;
    case Op::Has: return has;
    case Op::Equal: return equals(s.values.front());
    case Op::NotEqual: return !equals(s.values.front());
    case Op::In: return std::any_of(s.values.begin(), s.values.end(), equals);
    case Op::NotIn: return std::none_of(s.values.begin(), s.values.end(), equals);
    case Op::StartsWith: return has && it->second.starts_with(s.values.front());
    case Op::EndsWith: return has && it->second.ends_with(s.values.front());
    case Op::Contains: return has && it->second.find(s.values.front()) != std::string::npos;
    case Op::And: return std::all_of(s.parts.begin(), s.parts.end(), [&](const auto& p) { return eval(p, labels, all, global); });
    case Op::Or: return std::any_of(s.parts.begin(), s.parts.end(), [&](const auto& p) { return eval(p, labels, all, global); });
    case Op::Not: return !eval(s.parts.front(), labels, all, global);
  }
  return false;
}

bool meets(const Requirements& r, const Labels& labels) {
  for (const auto& [key, value] : r.equal)
    if (const auto it = labels.find(key); it == labels.end() || it->second != value) return false;
  for (const auto& e : r.expressions) {
    const auto it = labels.find(e.key);
    const bool has = it != labels.end();
    const bool in = has && std::find(e.values.begin(), e.values.end(), it->second) != e.values.end();
    if (!(e.op == "In" ? in : e.op == "NotIn" ? !in : e.op == "Exists" ? has : !has)) return false;
  }
  return true;
}

bool in_any(const std::vector<Cidr>& nets, const Addr& address) {
  return std::any_of(nets.begin(), nets.end(), [&](const Cidr& net) { return net.contains(address); });
}
bool concerns(const std::vector<Cidr>& nets, Family family) {
  return nets.empty() || std::any_of(nets.begin(), nets.end(), [&](const Cidr& net) { return net.family() == family; });
}

enum class Decision { Allow, Deny, Pass, NoMatch };

class Reader {
 public:
  Reader(const Cluster& cluster, const Packet& packet) : cluster_{cluster}, packet_{packet}, family_{packet.source.family} {
    for (const Endpoint& e : cluster.endpoints) items_.push_back(item(e));
  }

  Outcome decide() {
    Outcome out;
    out.fate = fate();
    out.logged = logged_;
    const auto in_pool = [&](const Addr& address, bool nat_only) {
      return std::any_of(cluster_.pools.begin(), cluster_.pools.end(),
                         [&](const Pool& p) { return (p.nat || !nat_only) && p.cidr.contains(address); });
    };
    out.masqueraded = out.fate != Fate::Dropped && in_pool(packet_.source, true) && !in_pool(packet_.destination, false);
    return out;
  }

 private:
  // What a selector sees of an endpoint or network set.
  struct Item {
    const Endpoint* endpoint;
    std::vector<std::string> profiles;
    Labels labels;  // its own, and what its profiles apply
    Labels of_namespace, of_account;
    std::vector<Cidr> nets;
    [[nodiscard]] bool namespaced() const { return labels.contains(kNamespaceLabel); }
  };

  Item item(const Endpoint& e) const {
    Item out{&e, {}, e.labels, {}, {}, e.finished ? std::vector<Cidr>{} : e.nets};
    using Kind = Endpoint::Kind;
    if (e.kind == Kind::Pod || e.kind == Kind::Workload) {
      out.labels[kOrchestratorLabel] = e.kind == Kind::Pod ? "k8s" : "cni";
      if (!e.account.empty()) out.labels[kAccountLabel] = e.account;
    }
    if (!e.ns.empty()) out.labels[kNamespaceLabel] = e.ns;
    out.profiles = e.profiles;
    if (e.kind == Kind::Pod || e.kind == Kind::NetworkSet) out.profiles = {"kns." + e.ns};
    if (e.kind == Kind::Pod && !e.account.empty()) out.profiles.push_back("ksa." + e.ns + "." + e.account);
    for (const std::string& profile : out.profiles) {
      for (const Namespace& n : cluster_.namespaces)
        if (profile == "kns." + n.name) {
          out.of_namespace.insert({kNameLabel, n.name});
          out.of_namespace.insert(n.labels.begin(), n.labels.end());
        }
      for (const Account& a : cluster_.accounts)
        if (profile == "ksa." + a.ns + "." + a.name) {
          out.of_account.insert({kNameLabel, a.name});
          out.of_account.insert(a.labels.begin(), a.labels.end());
        }
      for (const Profile& p : cluster_.profiles)
        if (profile == p.name) out.labels.insert(p.labels.begin(), p.labels.end());
    }
    return out;
  }

  // ---- one side of a rule
  static bool positive(const Entity& e, const std::string& ns, const Item& item) {
    if (e.namespaces) {
      if (!eval(*e.namespaces, item.of_namespace, item.namespaced(), !item.namespaced())) return false;
    } else if (!ns.empty()) {
      const auto it = item.labels.find(kNamespaceLabel);
      if (it == item.labels.end() || it->second != ns) return false;
    }
    if (!e.account_names.empty()) {
      const auto it = item.labels.find(kAccountLabel);
      if (it == item.labels.end() ||
          std::find(e.account_names.begin(), e.account_names.end(), it->second) == e.account_names.end())
        return false;
    }
    if (e.accounts && !eval(*e.accounts, item.of_account)) return false;
    if (e.selector && !eval(*e.selector, item.labels)) return false;
    return !e.not_selector || !eval(*e.not_selector, item.labels);
  }

  bool side(const Rule& rule, const Entity& e, const std::string& ns, bool source) const {
    const Addr& address = source ? packet_.source : packet_.destination;
    const std::uint16_t port = source ? packet_.source_port : packet_.destination_port;
    if (!concerns(e.nets, family_) || !concerns(e.not_nets, family_)) return false;
    if (!e.nets.empty() && !in_any(e.nets, address)) return false;
    if (in_any(e.not_nets, address)) return false;

    const bool any_selector = e.selector || e.namespaces || e.accounts || !e.account_names.empty();
    const bool restricted = any_selector || (e.not_selector && !ns.empty());
    const auto here = [&](const Item& i) { return in_any(i.nets, address); };
    const auto chosen = [&](const Item& i) { return !restricted || positive(e, ns, i); };
    if (restricted && std::none_of(items_.begin(), items_.end(), [&](const Item& i) { return here(i) && positive(e, ns, i); }))
      return false;
    if (!restricted && e.not_selector &&
        std::any_of(items_.begin(), items_.end(), [&](const Item& i) { return here(i) && eval(*e.not_selector, i.labels); }))
      return false;

    const int protocol = !rule.protocol ? 0 : *rule.protocol == 17 || *rule.protocol == 132 ? *rule.protocol : 6;
    const auto names = [&](const Item& i, const std::string& name) {
      if (i.endpoint->kind == Endpoint::Kind::NetworkSet || i.endpoint->kind == Endpoint::Kind::GlobalNetworkSet) return false;
      return std::any_of(i.endpoint->ports.begin(), i.endpoint->ports.end(), [&](const NamedPort& p) {
        if (p.name != name || p.port != port || p.protocol != packet_.protocol) return false;
        return protocol == 0 ? !p.by_number : p.protocol == protocol;
      });
    };
    const auto is = [&](const Port& p) {
      if (p.name.empty()) return packet_.has_ports() && p.min <= port && port <= p.max;
      return std::any_of(items_.begin(), items_.end(), [&](const Item& i) { return here(i) && chosen(i) && names(i, p.name); });
    };
    if (!e.ports.empty() && std::none_of(e.ports.begin(), e.ports.end(), is)) return false;
    if (std::any_of(e.not_ports.begin(), e.not_ports.end(), is)) return false;
    return !e.service || serves(*e.service, ns, source);
  }

  bool serves(const std::pair<std::string, std::string>& service, const std::string& ns, bool source) const {
    return std::any_of(cluster_.slices.begin(), cluster_.slices.end(), [&](const Slice& s) {
      if (s.service != service.second || s.ns != (service.first.empty() ? ns : service.first)) return false;
      if (std::find(s.addresses.begin(), s.addresses.end(), source ? packet_.source : packet_.destination) == s.addresses.end())
        return false;
      return source || std::any_of(s.ports.begin(), s.ports.end(), [&](const NamedPort& p) {
               return p.protocol == packet_.protocol && p.port == packet_.destination_port;
             });
    });
  }

  bool matches(const Rule& rule, const std::string& ns) const {
    if (rule.ip_version && (*rule.ip_version == 4) != (family_ == Family::V4)) return false;
    if (rule.protocol && *rule.protocol != packet_.protocol) return false;
    if (rule.protocol == 1 && family_ != Family::V4) return false;
    if (rule.protocol == 58 && family_ != Family::V6) return false;
    if (rule.not_protocol && *rule.not_protocol == packet_.protocol) return false;
    const auto icmp = [&](const Icmp& i) {
      return packet_.is_icmp() && i.type == packet_.icmp_type && (!i.code || *i.code == packet_.icmp_code);
    };
    if (rule.icmp && !icmp(*rule.icmp)) return false;
    if (rule.not_icmp && icmp(*rule.not_icmp)) return false;
    return side(rule, rule.source, ns, true) && side(rule, rule.destination, ns, false);
  }

  Decision rules(const std::vector<Rule>& list, const std::string& ns) {
    for (const Rule& rule : list) {
      if (!matches(rule, ns)) continue;
      switch (rule.action) {
        case Rule::Action::Log: ++logged_; break;
        case Rule::Action::Allow: return Decision::Allow;
        case Rule::Action::Deny: return Decision::Deny;
        case Rule::Action::Pass: return Decision::Pass;
      }
    }
    return Decision::NoMatch;
  }

  // ---- Kubernetes' policy, in Kubernetes' words
  bool k8s_allows(const std::vector<K8sRule>& list, const std::string& ns, bool ingress) const {
    const Addr& peer_address = ingress ? packet_.source : packet_.destination;
    const auto is_peer = [&](const Peer& peer) {
      if (peer.block) {
        return peer.block->contains(peer_address) && !in_any(peer.except, peer_address) && concerns(peer.except, family_);
      }
      return std::any_of(items_.begin(), items_.end(), [&](const Item& i) {
        if (i.endpoint->kind != Endpoint::Kind::Pod || !in_any(i.nets, peer_address)) return false;
        if (!peer.namespaces && i.endpoint->ns != ns) return false;
        if (peer.namespaces && !meets(*peer.namespaces, i.of_namespace)) return false;
        return !peer.pods || meets(*peer.pods, i.endpoint->labels);
      });
    };
    const auto is_port = [&](const K8sPort& p) {
      if (p.protocol != packet_.protocol) return false;
      if (!p.port) return true;
      if (p.port->name.empty()) return p.port->min <= packet_.destination_port && packet_.destination_port <= p.port->max;
      return std::any_of(items_.begin(), items_.end(), [&](const Item& i) {
        return in_any(i.nets, packet_.destination) &&
               (i.endpoint->kind == Endpoint::Kind::Pod || i.endpoint->kind == Endpoint::Kind::Workload ||
                i.endpoint->kind == Endpoint::Kind::Host) &&
               std::any_of(i.endpoint->ports.begin(), i.endpoint->ports.end(), [&](const NamedPort& n) {
                 return n.name == p.port->name && n.protocol == p.protocol && n.port == packet_.destination_port;
               });
      });
    };
    return std::any_of(list.begin(), list.end(), [&](const K8sRule& rule) {
      return (rule.peers.empty() || std::any_of(rule.peers.begin(), rule.peers.end(), is_peer)) &&
             (rule.ports.empty() || std::any_of(rule.ports.begin(), rule.ports.end(), is_port));
    });
  }

  // ---- policies and tiers
  static bool selects(const Policy& p, const Item& i) {
    switch (p.kind) {
      case Policy::Kind::Kubernetes:
        return i.endpoint->kind == Endpoint::Kind::Pod && i.endpoint->ns == p.ns && meets(p.pods, i.endpoint->labels);
      case Policy::Kind::Namespaced:
      case Policy::Kind::Staged:
        return i.endpoint->ns == p.ns && (!p.selector || eval(*p.selector, i.labels)) &&
               (!p.accounts || eval(*p.accounts, i.of_account));
      case Policy::Kind::Global:
      case Policy::Kind::StagedGlobal: break;
    }
    // Of a global policy with a namespace selector, all() is "in a namespace"; else with an account selector "has an account".
    const bool account = i.labels.contains(kAccountLabel);
    const bool all = p.namespaces ? i.namespaced() : p.accounts ? account : true;
    return (!p.selector || eval(*p.selector, i.labels, all)) && (!p.namespaces || eval(*p.namespaces, i.of_namespace, all)) &&
           (!p.accounts || eval(*p.accounts, i.of_account, account));
  }

  static std::pair<bool, bool> governs(const Policy& p) {
    if (p.types) return *p.types;
    if (p.kind == Policy::Kind::Kubernetes) return {true, !p.k8s_egress.empty()};
    return {!p.ingress.empty() || p.egress.empty(), !p.egress.empty()};
  }

  Decision policy(const Policy& p, bool ingress) {
    if (p.broken) return Decision::Deny;
    if (p.kind == Policy::Kind::Kubernetes)
      return k8s_allows(ingress ? p.k8s_ingress : p.k8s_egress, p.ns, ingress) ? Decision::Allow : Decision::NoMatch;
    return rules(ingress ? p.ingress : p.egress, p.ns);
  }

  bool allowed(const Item& item, bool ingress) {
    struct Place {
      bool phantom, unordered;
      double order;
      std::string name;
      bool pass;
      [[nodiscard]] auto rank() const { return std::tie(phantom, unordered, order, name); }
    };
    std::vector<Place> tiers{{false, false, 1'000'000, "default", false}, {false, false, 1'000, "kube-admin", true}};
    for (const Tier& t : cluster_.tiers) tiers.push_back({false, !t.order, t.order.value_or(0), t.name, t.pass});
    for (const Policy& p : cluster_.policies)
      if (std::none_of(tiers.begin(), tiers.end(), [&](const Place& t) { return t.name == p.tier; }))
        tiers.push_back({true, true, 0, p.tier, false});
    std::sort(tiers.begin(), tiers.end(), [](const Place& a, const Place& b) { return a.rank() < b.rank(); });

    for (const Place& tier : tiers) {
      std::vector<const Policy*> here;
      for (const Policy& p : cluster_.policies) {
        if (p.tier != tier.name || p.kind == Policy::Kind::Staged || p.kind == Policy::Kind::StagedGlobal) continue;
        if (selects(p, item) && (ingress ? governs(p).first : governs(p).second)) here.push_back(&p);
      }
      static constexpr const char* kKinds[] = {"NetworkPolicy", "GlobalNetworkPolicy", "KubernetesNetworkPolicy"};
      const auto rank = [](const Policy* p) {
        const auto order = p->kind == Policy::Kind::Kubernetes ? std::optional{1000.0} : p->order;
        return std::tuple{!order, order.value_or(0), p->name + "/" + p->ns + "/" + kKinds[static_cast<int>(p->kind)]};
      };
      std::sort(here.begin(), here.end(), [&](const Policy* a, const Policy* b) { return rank(a) < rank(b); });
      Decision decision = here.empty() || tier.pass ? Decision::Pass : Decision::Deny;
      for (const Policy* p : here) {
        const Decision d = policy(*p, ingress);
        if (d == Decision::NoMatch) continue;
        decision = d;
        break;
      }
      if (decision != Decision::Pass) return decision == Decision::Allow;
    }
    for (const std::string& name : item.profiles) {
      const Decision d = profile(name, ingress);
      if (d == Decision::Allow || d == Decision::Deny) return d == Decision::Allow;
    }
    return false;
  }

  Decision profile(const std::string& name, bool ingress) {
    if (name == "projectcalico-default-allow") return Decision::Allow;
    for (const Namespace& n : cluster_.namespaces)
      if (name == "kns." + n.name) return Decision::Allow;
    for (const Account& a : cluster_.accounts)
      if (name == "ksa." + a.ns + "." + a.name) return Decision::NoMatch;
    for (const Profile& p : cluster_.profiles)
      if (name == p.name) return rules(ingress ? p.ingress : p.egress, {});
    return Decision::Deny;
  }

  // ---- the way of the packet
  Fate fate() {
    bool crossed = false;
    for (const bool ingress : {false, true}) {
      const std::string& interface = ingress ? packet_.out : packet_.in;
      if (!interface.starts_with("cali")) continue;
      crossed = true;
      const auto it = std::find_if(items_.begin(), items_.end(), [&](const Item& i) {
        return (i.endpoint->kind == Endpoint::Kind::Pod || i.endpoint->kind == Endpoint::Kind::Workload) &&
               i.endpoint->node == kThisNode && !i.nets.empty() && interface_of(*i.endpoint) == interface;
      });
      if (it == items_.end()) return Fate::Dropped;
      if (!ingress && ((packet_.protocol == 17 && packet_.destination_port == 4789) || packet_.protocol == 4))
        return Fate::Dropped;
      if (!allowed(*it, ingress)) return Fate::Dropped;
    }
    if (in_any(cluster_.service_cidrs, packet_.destination)) return Fate::Dropped;
    return crossed ? Fate::Accepted : Fate::Undecided;
  }

  const Cluster& cluster_;
  const Packet& packet_;
  Family family_;
  std::vector<Item> items_;
  int logged_ = 0;
};

}  // namespace

Outcome decide(const Cluster& cluster, const Packet& packet) { return Reader{cluster, packet}.decide(); }

}  // namespace margay::pipeline
