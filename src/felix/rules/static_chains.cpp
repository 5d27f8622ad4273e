#include "rules/static_chains.hpp"

#include <algorithm>
#include <utility>

#include "rules/marks.hpp"
#include "rules/names.hpp"
#include "rules/parts.hpp"
#include "rules/policy_chains.hpp"

namespace margay::rules {
namespace {

using kernel::Chain;
using kernel::ConntrackMatch;
using kernel::PortsMatch;
using kernel::Prefix;
using kernel::ProtocolMatch;
using kernel::Rule;
using kernel::SetMatch;
using kernel::Table;
using kernel::Target;

constexpr Protocol kIpip = 4;

struct Context {
  const Config& config;
  Family family;
  Table table;
  const StaticState& state;
  Marks bits = marks(config);

  [[nodiscard]] Target filter_allow() const { return target_of(config.filter_allow); }
  [[nodiscard]] Target mangle_allow() const { return target_of(config.mangle_allow); }
  [[nodiscard]] bool ipip() const { return state.ipip && family == Family::V4; }
};

Rule from_workloads(const std::string& prefix, Target target) {
  Rule r = rule(std::move(target));
  r.in = any_of_prefix(prefix);
  return r;
}
Rule to_workloads(const std::string& prefix, Target target) {
  Rule r = rule(std::move(target));
  r.out = any_of_prefix(prefix);
  return r;
}

// UDP to the VXLAN port.
Rule vxlan(const Context& c, Target target) {
  Rule r = rule(PortsMatch{.source = false, .ranges = {{c.config.vxlan_port, c.config.vxlan_port}}}, std::move(target));
  r.protocol = ProtocolMatch{.number = protocol::kUdp};
  return r;
}

Rule ipip(Target target) {
  Rule r = rule(std::move(target));
  r.protocol = ProtocolMatch{.number = kIpip};
  return r;
}

Rule with(Rule r, std::vector<kernel::Match> matches) {
  r.matches.insert(r.matches.end(), std::make_move_iterator(matches.begin()), std::make_move_iterator(matches.end()));
  return r;
}

void strip_returns(Chain& chain) {
  while (!chain.rules.empty() && std::holds_alternative<kernel::Return>(chain.rules.back().target)) chain.rules.pop_back();
}

Chain make(std::string_view name, std::vector<Rule> rules = {}) { return {std::string{name}, std::move(rules)}; }

// ---- failsafes -------------------------------------------------------------------------------------------------------

enum class Side { Source, Destination };

// `port` says on which side the port is, `net` on which side the peer is.
void add_failsafes(const Context& c, const std::vector<FailsafePort>& ports, Side port_side, Side net_side, Chain& chain) {
  for (const FailsafePort& f : ports) {
    if (f.net && f.net->family() != c.family) continue;
    if (!protocol::has_ports(f.protocol)) continue;
    Rule r = rule(PortsMatch{.source = port_side == Side::Source, .ranges = {{f.port, f.port}}}, kernel::Accept{});
    r.protocol = ProtocolMatch{.number = f.protocol};
    if (f.net && f.net->prefix > 0) (net_side == Side::Source ? r.source : r.destination) = Prefix{.cidr = *f.net};
    chain.rules.push_back(std::move(r));
  }
}

std::vector<Chain> failsafe_chains(const Context& c) {
  Chain in = make(chain::kFailsafeIn), out = make(chain::kFailsafeOut);
  add_failsafes(c, c.config.failsafe_in, Side::Destination, Side::Source, in);
  add_failsafes(c, c.config.failsafe_out, Side::Destination, Side::Destination, out);
  if (c.table == Table::Raw) {
    // There is no conntrack yet: the replies of the other direction's failsafes.
    add_failsafes(c, c.config.failsafe_out, Side::Source, Side::Source, in);
    add_failsafes(c, c.config.failsafe_in, Side::Source, Side::Destination, out);
  }
  return {std::move(in), std::move(out)};
}

// ---- raw -------------------------------------------------------------------------------------------------------------

std::vector<Chain> raw_chains(const Context& c) {
  std::vector<Chain> out;
  Chain pre = make(chain::kPrerouting, {rule(clear_bits(c.bits.all()))});
  if (c.state.vxlan) pre.rules.push_back(vxlan(c, kernel::NoTrack{}));
  // goto: untracked policy of host endpoints is never for workload interfaces.
  for (const std::string& prefix : c.config.interface_prefixes)
    pre.rules.push_back(from_workloads(prefix, go_to(chain::kAntiSpoof)));
  if (c.state.host_endpoints) {
    pre.rules.push_back(rule(jump(chain::kFromHost)));
    pre.rules.push_back(rule(has(c.bits.accept), kernel::Accept{}));
  }
  out.push_back(std::move(pre));

  // Strict, whatever the host's rp_filter says, and in both families. Its lookup honours marks, so they are clear by now.
  Chain spoof = make(chain::kAntiSpoof);
  if (c.config.spoofing_allowed) spoof.rules.push_back(rule(jump(chain::kRpfSkip)));
  spoof.rules.push_back(rule(kernel::RpfilterMatch{}, kernel::Drop{}));
  out.push_back(std::move(spoof));

  if (c.state.host_endpoints || c.state.vxlan) {
    Chain output = make(chain::kOutput, {rule(clear_bits(c.bits.all()))});
    if (c.state.host_endpoints) output.rules.push_back(rule(jump(chain::kToHost)));
    if (c.state.vxlan) output.rules.push_back(vxlan(c, kernel::NoTrack{}));
    if (c.state.host_endpoints) output.rules.push_back(rule(has(c.bits.accept), kernel::Accept{}));
    out.push_back(std::move(output));
  }
  if (c.state.host_endpoints) {
    out.push_back(make(chain::kFromHost));
    out.push_back(make(chain::kToHost));
    for (Chain& chain : failsafe_chains(c)) out.push_back(std::move(chain));
  }
  return out;
}

// ---- mangle ----------------------------------------------------------------------------------------------------------

std::vector<Chain> mangle_chains(const Context& c) {
  std::vector<Chain> out;
  if (c.state.host_endpoints) {
    Chain pre = make(chain::kPrerouting);
    pre.rules.push_back(rule(established(), c.mangle_allow()));
    pre.rules.push_back(rule(has(c.bits.accept), c.mangle_allow()));
    pre.rules.push_back(rule(jump(chain::kFromHost)));
    pre.rules.push_back(rule(has(c.bits.accept), c.mangle_allow()));
    strip_returns(pre);
    out.push_back(std::move(pre));
  }
  if (c.state.host_endpoints || c.state.dscp) {
    Chain post = make(chain::kPostrouting);
    if (c.state.dscp)
      post.rules.push_back(with(rule(jump(chain::kEgressDscp)),
                                {SetMatch{.set = set_name(c.family, set::kDscpSources), .source = true},
                                 SetMatch{.set = set_name(c.family, set::kPools), .source = false, .negated = true},
                                 SetMatch{.set = set_name(c.family, set::kThisHost), .source = false, .negated = true}}));
    if (c.state.host_endpoints) {
      // Local traffic to a translated destination: filter OUTPUT could not know its real way out.
      post.rules.push_back(rule(has(c.bits.accept), kernel::Return{}));
      post.rules.push_back(rule(clear_bits(c.bits.all())));
      post.rules.push_back(rule(ConntrackMatch{.states = ConntrackMatch::DestNat}, jump(chain::kToHost)));
    }
    out.push_back(std::move(post));
  }
  if (c.state.host_endpoints) {
    out.push_back(make(chain::kFromHost));
    out.push_back(make(chain::kToHost));
    for (Chain& chain : failsafe_chains(c)) out.push_back(std::move(chain));
  }
  return out;
}

// ---- nat -------------------------------------------------------------------------------------------------------------

// The wider side of the VXLAN port, from 1024: a reply whose destination port were 4789 would look like VXLAN.
std::optional<PortsMatch::Range> around_vxlan_port(std::uint16_t port) {
  if (port < 1025) return PortsMatch::Range{1024, 65535};
  if (port - 1024 >= 65535 - port) return PortsMatch::Range{1024, static_cast<std::uint16_t>(port - 1)};
  return PortsMatch::Range{static_cast<std::uint16_t>(port + 1), 65535};
}

std::vector<Chain> nat_chains(const Context& c) {
  std::vector<Chain> out;
  if (c.config.floating_ips) {
    out.push_back(make(chain::kPrerouting, {rule(jump(chain::kFloatingDnat))}));
    out.push_back(make(chain::kOutput, {rule(jump(chain::kFloatingDnat))}));
  }
  Chain post = make(chain::kPostrouting);
  if (c.config.floating_ips) post.rules.push_back(rule(jump(chain::kFloatingSnat)));
  post.rules.push_back(rule(jump(chain::kNatOutgoing)));
  for (const std::string& tunnel : c.state.tunnels) {
    // The host's own packets into a tunnel with a local source that is not the tunnel's.
    Rule r = with(
        rule(kernel::Masquerade{.random_fully = c.config.random_fully}),
        {kernel::AddrTypeMatch{.source = true, .negated = true, .limit_iface_out = true}, kernel::AddrTypeMatch{.source = true}});
    r.out = kernel::Interface{.name = tunnel};
    if (c.state.vxlan) {
      Rule udp = r;
      udp.protocol = ProtocolMatch{.number = protocol::kUdp};
      udp.target = kernel::Masquerade{.ports = around_vxlan_port(c.config.vxlan_port), .random_fully = c.config.random_fully};
      post.rules.push_back(std::move(udp));
    }
    post.rules.push_back(std::move(r));
  }
  out.push_back(std::move(post));
  return out;
}

// ---- filter ----------------------------------------------------------------------------------------------------------

Chain forward_chain(const Context& c) {
  Chain chain = make(chain::kForward);
  if (c.state.host_endpoints) {
    chain.rules.push_back(rule(clear_bits(c.bits.pass | c.bits.scratch0 | c.bits.scratch1)));
    chain.rules.push_back(rule(lacks(c.bits.accept), jump(chain::kFromHostForward)));
  }
  // The sender decides before the receiver, also where they have different prefixes.
  for (const std::string& prefix : c.config.interface_prefixes)
    chain.rules.push_back(from_workloads(prefix, jump(chain::kFromWorkload)));
  for (const std::string& prefix : c.config.interface_prefixes)
    chain.rules.push_back(to_workloads(prefix, jump(chain::kToWorkload)));
  if (c.state.host_endpoints) chain.rules.push_back(rule(jump(chain::kToHostForward)));
  if (c.config.loop_prevention != Config::LoopPrevention::Disabled) chain.rules.push_back(rule(jump(chain::kCidrBlock)));
  return chain;
}

Chain input_chain(const Context& c) {
  Chain chain = make(chain::kInput);
  const kernel::AddrTypeMatch to_local{.source = false};
  const Target denied = deny(c.config, Table::Filter);
  if (c.ipip()) {
    chain.rules.push_back(with(ipip(c.filter_allow()), {to_local, SetMatch{.set = set_name(c.family, set::kAllHosts)}}));
    chain.rules.push_back(ipip(denied));
  }
  if (c.state.vxlan) {
    chain.rules.push_back(with(vxlan(c, c.filter_allow()), {to_local, SetMatch{.set = set_name(c.family, set::kAllVxlan)}}));
    chain.rules.push_back(with(vxlan(c, denied), {to_local}));
  }
  for (const std::string& prefix : c.config.interface_prefixes)
    chain.rules.push_back(from_workloads(prefix, go_to(chain::kWorkloadToHost)));
  if (c.state.host_endpoints) {
    chain.rules.push_back(rule(has(c.bits.accept), c.filter_allow()));
    chain.rules.push_back(rule(clear_bits(c.bits.all())));
    chain.rules.push_back(rule(jump(chain::kFromHost)));
    chain.rules.push_back(rule(has(c.bits.accept), c.filter_allow()));
    strip_returns(chain);
  }
  return chain;
}

Chain workload_to_host_chain(const Context& c) {
  Chain chain = make(chain::kWorkloadToHost);
  if (c.family == Family::V6) {
    // What neighbour discovery and multicast listeners need, before policy: without them a workload has no IPv6 at all.
    // Not 134: a workload is no router.
    for (const std::uint8_t type : {130, 131, 132, 133, 135, 136}) {
      Rule r = rule(kernel::IcmpTypeMatch{.type = type}, c.filter_allow());
      r.protocol = ProtocolMatch{.number = protocol::kIcmpV6};
      chain.rules.push_back(std::move(r));
    }
  }
  chain.rules.push_back(rule(jump(chain::kFromWorkload)));
  // With an allow action of RETURN established packets come back here; dropping them would cut off the workload's replies to
  // the host's own connections.
  if (c.config.filter_allow == Verdict::Return && c.config.endpoint_to_host != Verdict::Return)
    chain.rules.push_back(rule(established(), kernel::Return{}));
  chain.rules.push_back(rule(target_of(c.config.endpoint_to_host)));
  strip_returns(chain);
  return chain;
}

Chain output_chain(const Context& c) {
  Chain chain = make(chain::kOutput);
  if (c.state.host_endpoints) chain.rules.push_back(rule(has(c.bits.accept), c.filter_allow()));
  // The host may always talk to its workloads: node agents check their health.
  for (const std::string& prefix : c.config.interface_prefixes) chain.rules.push_back(to_workloads(prefix, kernel::Return{}));
  const kernel::AddrTypeMatch from_local{.source = true};
  if (c.ipip())
    chain.rules.push_back(
        with(ipip(c.filter_allow()), {from_local, SetMatch{.set = set_name(c.family, set::kAllHosts), .source = false}}));
  if (c.state.vxlan)
    chain.rules.push_back(
        with(vxlan(c, c.filter_allow()), {from_local, SetMatch{.set = set_name(c.family, set::kAllVxlan), .source = false}}));
  if (c.state.host_endpoints) {
    chain.rules.push_back(rule(clear_bits(c.bits.all())));
    chain.rules.push_back(rule(ConntrackMatch{.states = ConntrackMatch::DestNat, .negated = true}, jump(chain::kToHost)));
    chain.rules.push_back(rule(has(c.bits.accept), c.filter_allow()));
    strip_returns(chain);
  }
  return chain;
}

bool has_output(const Context& c) { return c.state.host_endpoints || c.state.vxlan || c.ipip(); }

std::vector<Chain> filter_chains(const Context& c) {
  std::vector<Chain> out{forward_chain(c), input_chain(c), workload_to_host_chain(c)};
  if (has_output(c)) out.push_back(output_chain(c));
  if (c.state.host_endpoints) {
    for (const std::string_view name : {chain::kFromHost, chain::kToHost, chain::kFromHostForward, chain::kToHostForward})
      out.push_back(make(name));
    for (Chain& chain : failsafe_chains(c)) out.push_back(std::move(chain));
  }
  return out;
}

kernel::Hooks hook(const Config& config, std::string_view kernel_chain, std::string_view ours) {
  return {.chain = std::string{kernel_chain}, .first = {rule(jump(ours))}, .last = {}, .append = config.append_hooks};
}

std::vector<Rule> forward_tail(const Context& c) {
  std::vector<Rule> out;
  // These jump nowhere of ours: the comment makes them recognisable as ours.
  if (c.config.filter_allow == Verdict::Accept)
    out.push_back(with(rule(kernel::Accept{}), {has(c.bits.accept), kernel::CommentMatch{"cali:policy accepted the packet"}}));
  // Tells mangle POSTROUTING that the packet was forwarded, so that it is no business of host egress policy.
  if (c.state.host_endpoints) out.push_back(with(rule(set_bits(c.bits.accept)), {kernel::CommentMatch{"cali:forwarded"}}));
  return out;
}

}  // namespace

std::vector<Chain> static_chains(const Config& config, Family family, Table table, const StaticState& state) {
  const Context c{config, family, table, state};
  std::vector<Chain> out;
  switch (table) {
    case Table::Raw: out = raw_chains(c); break;
    case Table::Mangle: out = mangle_chains(c); break;
    case Table::Nat: return nat_chains(c);
    case Table::Filter: out = filter_chains(c); break;
  }
  for (Chain& chain : verdict_chains(config)) out.push_back(std::move(chain));
  return out;
}

std::vector<kernel::Hooks> hooks(const Config& config, Family family, Table table, const StaticState& state) {
  const Context c{config, family, table, state};
  std::vector<kernel::Hooks> out;
  switch (table) {
    case Table::Raw:
      out.push_back(hook(config, "PREROUTING", chain::kPrerouting));
      if (state.host_endpoints || state.vxlan) out.push_back(hook(config, "OUTPUT", chain::kOutput));
      break;
    case Table::Mangle:
      if (state.host_endpoints) out.push_back(hook(config, "PREROUTING", chain::kPrerouting));
      if (state.host_endpoints || state.dscp) out.push_back(hook(config, "POSTROUTING", chain::kPostrouting));
      break;
    case Table::Nat: {
      if (config.floating_ips) {
        out.push_back(hook(config, "PREROUTING", chain::kPrerouting));
        out.push_back(hook(config, "OUTPUT", chain::kOutput));
      }
      // Always after foreign rules: kube-proxy clears its masquerade mark in its own; masquerading before would leave that mark
      // on the encapsulated packet.
      out.push_back(
          {.chain = "POSTROUTING", .first = {}, .last = {rule(jump(chain::kPostrouting))}, .append = config.append_hooks});
      break;
    }
    case Table::Filter: {
      out.push_back(hook(config, "INPUT", chain::kInput));
      kernel::Hooks forward = hook(config, "FORWARD", chain::kForward);
      forward.last = forward_tail(c);
      out.push_back(std::move(forward));
      if (has_output(c)) out.push_back(hook(config, "OUTPUT", chain::kOutput));
      break;
    }
  }
  return out;
}

std::vector<kernel::SetSpec> fixed_sets(const Config& config, Family family, const StaticState& state) {
  std::vector<kernel::SetSpec> out;
  const auto add = [&](std::string_view id, kernel::SetType type = kernel::SetType::HashNet) {
    out.push_back({.name = set_name(family, id), .type = type, .family = family, .max_elements = config.max_set_size});
  };
  add(set::kMasqueradePools);
  add(set::kPools);
  if (config.nat_exclude_hosts || (state.ipip && family == Family::V4)) add(set::kAllHosts);
  if (state.vxlan) add(set::kAllVxlan);
  if (state.dscp) {
    add(set::kDscpSources);
    add(set::kThisHost, kernel::SetType::HashIp);
  }
  return out;
}

Chain cidr_block_chain(const Config& config, Family family, const std::vector<Cidr>& service_cidrs) {
  Chain chain = make(chain::kCidrBlock);
  if (config.loop_prevention == Config::LoopPrevention::Disabled) return chain;
  std::vector<Cidr> cidrs;
  for (const Cidr& cidr : service_cidrs)
    if (cidr.family() == family) cidrs.push_back(cidr);
  std::sort(cidrs.begin(), cidrs.end());
  Cidr covered;
  for (const Cidr& cidr : cidrs) {
    if (!chain.rules.empty() && covered.contains(cidr)) continue;
    covered = cidr;
    Rule r = rule(config.loop_prevention == Config::LoopPrevention::Reject ? Target{kernel::Reject{}} : Target{kernel::Drop{}});
    if (cidr.prefix > 0) r.destination = Prefix{.cidr = cidr};
    chain.rules.push_back(std::move(r));
  }
  return chain;
}

Chain rpf_skip_chain(const Config& config, Family family, std::vector<SpoofAllowance> allowances) {
  Chain chain = make(chain::kRpfSkip);
  if (!config.spoofing_allowed) return chain;
  std::sort(allowances.begin(), allowances.end(),
            [](const auto& a, const auto& b) { return a.interface_name < b.interface_name; });
  for (SpoofAllowance& allowance : allowances) {
    if (allowance.interface_name.empty() || allowance.interface_name.size() > kMaxInterfaceName) continue;
    std::sort(allowance.prefixes.begin(), allowance.prefixes.end());
    for (const Cidr& prefix : allowance.prefixes) {
      if (prefix.family() != family) continue;
      // Leaves raw without any mark: policy still decides about the packet.
      Rule r = rule(kernel::Accept{});
      r.in = kernel::Interface{.name = allowance.interface_name};
      if (prefix.prefix > 0) r.source = Prefix{.cidr = prefix};
      chain.rules.push_back(std::move(r));
    }
  }
  return chain;
}

Chain egress_dscp_chain(Family family, std::vector<DscpSource> sources) {
  Chain chain = make(chain::kEgressDscp);
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  for (const DscpSource& source : sources) {
    if (source.address.family != family || source.value > 63) continue;
    Rule r = rule(kernel::SetDscp{source.value});
    r.source = Prefix{.cidr = Cidr{source.address}};
    chain.rules.push_back(std::move(r));
  }
  return chain;
}

}  // namespace margay::rules
