#include "rules/criteria.hpp"

#include <algorithm>

#include "rules/names.hpp"

namespace margay::rules {
namespace {

using kernel::Match;
using kernel::PortsMatch;

constexpr std::size_t kPortSlots = 15;
constexpr Protocol kDccp = 33;

// Protocols that xt_multiport accepts.
constexpr bool takes_ports(Protocol p) { return protocol::has_ports(p) || p == protocol::kUdpLite || p == kDccp; }

// Of one family, sorted, without what another one contains.
std::vector<Cidr> reduce(Family family, const std::vector<Cidr>& nets) {
  std::vector<Cidr> out;
  std::vector<Cidr> sorted;
  for (const Cidr& net : nets)
    if (net.family() == family) sorted.push_back(net);
  std::sort(sorted.begin(), sorted.end());  // an enclosing prefix comes before what it contains
  for (const Cidr& net : sorted)
    if (out.empty() || !out.back().contains(net)) out.push_back(net);
  return out;
}

// False: no packet of the family can match. A list that has prefixes of the other family only does not apply to this one, be it
// positive or negative (policy-rendering §3.4).
bool take_nets(Family family, const std::vector<Cidr>& given, const std::vector<Cidr>& given_not, std::vector<Cidr>& nets,
               std::vector<Cidr>& excluded) {
  nets = reduce(family, given);
  excluded = reduce(family, given_not);
  if (nets.empty() != given.empty() || excluded.empty() != given_not.empty()) return false;
  if (!excluded.empty() && excluded.front().prefix == 0) return false;
  if (nets.empty()) return true;
  const auto inside = [](const Cidr& net, const std::vector<Cidr>& of) {
    return std::any_of(of.begin(), of.end(), [&](const Cidr& outer) { return outer.contains(net); });
  };
  std::erase_if(nets, [&](const Cidr& net) { return inside(net, excluded); });
  if (nets.empty()) return false;
  // Prefixes nest or are apart: what lies in no positive one excludes nothing.
  std::erase_if(excluded, [&](const Cidr& net) { return !inside(net, nets); });
  if (nets.front().prefix == 0) nets.clear();
  return true;
}

// Sorted, merged, and cut so that each match has at most 15 slots; a range takes two.
std::vector<PortsMatch> split_ports(const std::vector<PortRange>& given, bool source, bool negated) {
  std::vector<PortRange> sorted;
  for (const PortRange& range : given)
    if (range.min <= range.max) sorted.push_back(range);
  std::sort(sorted.begin(), sorted.end());
  std::vector<PortRange> merged;
  for (const PortRange& range : sorted) {
    if (!merged.empty() && range.min <= merged.back().max + 1u) merged.back().max = std::max(merged.back().max, range.max);
    else merged.push_back(range);
  }
  std::vector<PortsMatch> out;
  std::size_t used = kPortSlots;
  for (const PortRange& range : merged) {
    const std::size_t slots = range.min == range.max ? 1 : 2;
    if (used + slots > kPortSlots) {
      out.push_back({.source = source, .ranges = {}, .negated = negated});
      used = 0;
    }
    out.back().ranges.push_back({range.min, range.max});
    used += slots;
  }
  return out;
}

class Builder {
 public:
  Builder(Family family, const calc::ActiveRule& rule)
      : family_{family}, rule_{rule}, icmp_{family == Family::V4 ? protocol::kIcmp : protocol::kIcmpV6} {}

  std::vector<Criteria> build() {
    if (rule_.family && *rule_.family != family_) return {};
    Criteria c;
    if (!take_nets(family_, rule_.src_nets, rule_.not_src_nets, c.src_nets, c.not_src_nets) ||
        !take_nets(family_, rule_.dst_nets, rule_.not_dst_nets, c.dst_nets, c.not_dst_nets) || !take_protocol() ||
        !take_icmp(c) || !take_ports(true, c) || !take_ports(false, c))
      return {};
    take_sets(c);
    if (protocol_) c.protocol = kernel::ProtocolMatch{.number = *protocol_};
    else if (not_protocol_) c.protocol = kernel::ProtocolMatch{.number = *not_protocol_, .negated = true};

    if (protocol_ || !not_icmp_) {
      if (not_icmp_) c.cheap.emplace_back(*not_icmp_);
      return {std::move(c)};
    }
    // "Not ICMP type t", protocol open: every other protocol, and ICMP of another type.
    Criteria other = c;
    other.protocol = kernel::ProtocolMatch{.number = icmp_, .negated = true};
    c.protocol = kernel::ProtocolMatch{.number = icmp_};
    c.cheap.emplace_back(*not_icmp_);
    return {std::move(other), std::move(c)};
  }

 private:
  // A criterion that cannot be expressed: a Deny goes without it, all others do not match.
  [[nodiscard]] bool without() const { return rule_.action == Action::Deny; }

  bool take_protocol() {
    protocol_ = rule_.protocol;
    not_protocol_ = rule_.not_protocol;
    // Zero means "any" to the kernel.
    if (protocol_ == Protocol{0}) {
      if (!without()) return false;
      protocol_.reset();
    }
    if (not_protocol_ == Protocol{0}) not_protocol_.reset();
    // A protocol of the other family implies that family, by name or number.
    if (protocol_ == (family_ == Family::V4 ? protocol::kIcmpV6 : protocol::kIcmp)) return false;
    if (protocol_ && not_protocol_) {
      if (*protocol_ == *not_protocol_) return false;
      not_protocol_.reset();
    }
    return true;
  }

  // Nothing if there is none; false if the kernel cannot say it.
  bool icmp_type(const IcmpMatch& match, bool negated, std::optional<kernel::IcmpTypeMatch>& out) const {
    if (!match.type) return !match.code;
    if (family_ == Family::V4 && *match.type == 255) return false;  // "any" to ipt_icmp
    out = kernel::IcmpTypeMatch{.type = *match.type, .code = match.code, .negated = negated};
    return true;
  }

  bool take_icmp(Criteria& c) {
    if (rule_.icmp) {
      if (!protocol_) {
        if (not_protocol_ == icmp_) return false;
        protocol_ = icmp_;
        not_protocol_.reset();
      }
      if (*protocol_ != icmp_) return false;
      std::optional<kernel::IcmpTypeMatch> match;
      if (!icmp_type(*rule_.icmp, false, match) && !without()) return false;
      if (match) c.cheap.emplace_back(*match);
    }
    if (rule_.not_icmp) {
      if (protocol_ ? *protocol_ != icmp_ : not_protocol_ == icmp_) return true;  // never ICMP: holds
      if (!icmp_type(*rule_.not_icmp, true, not_icmp_)) return without();
      if (not_icmp_ && not_protocol_) {  // two negated protocols
        not_icmp_.reset();
        return without();
      }
    }
    return true;
  }

  bool take_ports(bool source, Criteria& c) {
    const auto& ports = source ? rule_.src_ports : rule_.dst_ports;
    const auto& not_ports = source ? rule_.not_src_ports : rule_.not_dst_ports;
    const auto& sets = source ? rule_.src_port_sets : rule_.dst_port_sets;
    if (!ports.empty() || !sets.empty()) {
      auto& alternatives = source ? c.src_ports : c.dst_ports;
      for (const auto& set : sets) alternatives.emplace_back(port_set(set, source, false));
      if (protocol_ && takes_ports(*protocol_)) {
        std::vector<Match> numeric;
        for (auto& match : split_ports(ports, source, false)) numeric.emplace_back(std::move(match));
        alternatives.insert(alternatives.begin(), numeric.begin(), numeric.end());
      } else if (!protocol_ && !ports.empty() && without()) {
        alternatives.clear();
        return take_not_ports(not_ports, source, c);
      }
      if (alternatives.empty()) return false;
    }
    return take_not_ports(not_ports, source, c);
  }

  bool take_not_ports(const std::vector<PortRange>& not_ports, bool source, Criteria& c) const {
    if (not_ports.empty()) return true;
    if (!protocol_) return without();
    if (takes_ports(*protocol_))
      for (auto& match : split_ports(not_ports, source, true)) c.cheap.emplace_back(std::move(match));
    return true;
  }

  [[nodiscard]] Match port_set(const calc::SetId& id, bool source, bool negated) const {
    return kernel::SetMatch{.set = set_name(family_, id.view()), .source = source, .dimensions = 2, .negated = negated};
  }

  void take_sets(Criteria& c) const {
    const auto nets = [&](const std::vector<calc::SetId>& ids, bool source, bool negated) {
      for (const auto& id : ids)
        c.sets.emplace_back(kernel::SetMatch{.set = set_name(family_, id.view()), .source = source, .negated = negated});
    };
    const auto ports = [&](const std::vector<calc::SetId>& ids, bool source, bool negated) {
      for (const auto& id : ids) c.sets.push_back(port_set(id, source, negated));
    };
    nets(rule_.src_sets, true, false);
    nets(rule_.dst_sets, false, false);
    ports(rule_.dst_service_sets, false, false);
    nets(rule_.not_src_sets, true, true);
    ports(rule_.not_src_port_sets, true, true);
    nets(rule_.not_dst_sets, false, true);
    ports(rule_.not_dst_port_sets, false, true);
  }

  Family family_;
  const calc::ActiveRule& rule_;
  Protocol icmp_;
  std::optional<Protocol> protocol_, not_protocol_;
  std::optional<kernel::IcmpTypeMatch> not_icmp_;
};

}  // namespace

std::vector<Criteria> expressible(Family family, const calc::ActiveRule& rule) { return Builder{family, rule}.build(); }

}  // namespace margay::rules
