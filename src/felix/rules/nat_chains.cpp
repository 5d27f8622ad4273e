#include "rules/nat_chains.hpp"

#include <map>
#include <utility>

#include "rules/names.hpp"
#include "rules/parts.hpp"

namespace margay::rules {
namespace {

using kernel::Chain;
using kernel::Prefix;
using kernel::Rule;

}  // namespace

Chain nat_outgoing_chain(const Config& config, Family family, bool has_nat_pools) {
  Chain chain{std::string{chain::kNatOutgoing}, {}};
  if (!has_nat_pools) return chain;

  Rule base;
  if (!config.nat_outgoing_interface.empty()) {
    std::string name = config.nat_outgoing_interface;
    const bool wildcard = name.back() == '+';
    if (wildcard) name.pop_back();
    // "+" alone is any interface; a name no interface can have would never match, yet the kernel may refuse it.
    if (!name.empty() && name.size() <= kMaxInterfaceName) base.out = kernel::Interface{.name = name, .wildcard = wildcard};
  }
  base.matches = {kernel::SetMatch{.set = set_name(family, set::kMasqueradePools), .source = true},
                  kernel::SetMatch{.set = set_name(family, set::kPools), .source = false, .negated = true}};
  if (config.nat_exclude_hosts)
    base.matches.emplace_back(kernel::SetMatch{.set = set_name(family, set::kAllHosts), .source = false, .negated = true});

  const auto translate = [&](std::optional<kernel::PortsMatch::Range> ports) -> kernel::Target {
    if (config.nat_outgoing_address && config.nat_outgoing_address->family == family)
      return kernel::SourceNat{.address = *config.nat_outgoing_address, .ports = ports, .random_fully = config.random_fully};
    return kernel::Masquerade{.ports = ports, .random_fully = config.random_fully};
  };
  if (config.nat_port_range && config.nat_port_range->max > 0 && config.nat_port_range->min <= config.nat_port_range->max) {
    for (const Protocol protocol : {protocol::kTcp, protocol::kUdp}) {
      Rule r = base;
      r.protocol = kernel::ProtocolMatch{.number = protocol};
      r.target = translate(kernel::PortsMatch::Range{config.nat_port_range->min, config.nat_port_range->max});
      chain.rules.push_back(std::move(r));
    }
  }
  base.target = translate({});
  chain.rules.push_back(std::move(base));
  return chain;
}

std::vector<Chain> floating_ip_chains(const Config& config, Family family, const std::vector<Nat>& nats) {
  Chain dnat{std::string{chain::kFloatingDnat}, {}}, snat{std::string{chain::kFloatingSnat}, {}};
  if (config.floating_ips) {
    // Keyed and chosen by text: "lowest" is Calico's string order.
    std::map<std::string, std::pair<std::string, Nat>> by_external, by_internal;
    const auto keep_lowest = [](auto& map, const Addr& key, const Addr& value, const Nat& nat) {
      const std::string text = value.to_string();
      const auto [it, fresh] = map.try_emplace(key.to_string(), text, nat);
      if (!fresh && text < it->second.first) it->second = {text, nat};
    };
    for (const Nat& nat : nats) {
      if (nat.external.family != family || nat.internal.family != family) continue;
      keep_lowest(by_external, nat.external, nat.internal, nat);
    }
    for (const auto& [external, entry] : by_external) {
      const Nat& nat = entry.second;
      Rule r = rule(kernel::DestNat{.address = nat.internal});
      r.destination = Prefix{.cidr = Cidr{nat.external}};
      dnat.rules.push_back(std::move(r));
      keep_lowest(by_internal, nat.internal, nat.external, nat);
    }
    // A workload that talks to its own floating address sees it as the peer, not itself.
    for (const auto& [internal, entry] : by_internal) {
      const Nat& nat = entry.second;
      Rule r = rule(kernel::SourceNat{.address = nat.external, .random_fully = config.random_fully});
      r.source = r.destination = Prefix{.cidr = Cidr{nat.internal}};
      snat.rules.push_back(std::move(r));
    }
  }
  return {std::move(dnat), std::move(snat)};
}

}  // namespace margay::rules
