#include "rules/endpoint_chains.hpp"

#include <utility>

#include "rules/flow_log.hpp"
#include "rules/marks.hpp"
#include "rules/names.hpp"
#include "rules/parts.hpp"

namespace margay::rules {
namespace {

using kernel::Chain;
using kernel::Rule;
using kernel::Table;

constexpr Table kTable = Table::Filter;

class WorkloadChain {
 public:
  WorkloadChain(const Config& config, Direction direction, const WorkloadEndpoint& endpoint, std::vector<Chain>& groups)
      : config_{config}, direction_{direction}, marks_{marks(config)}, deny_{deny(config, kTable)}, groups_{groups} {
    chain_.name = workload_chain_name(endpoint.interface_name.view(), direction);
  }

  Chain render(const WorkloadEndpoint& endpoint, const calc::EndpointPolicies& policies, const PolicyLookup& lookup) && {
    if (!endpoint.active) {
      add(rule(deny_));
      return std::move(chain_);
    }
    const QosControls qos = endpoint.qos.value_or(QosControls{});
    const bool in = direction_ == Direction::Ingress;
    add_packet_rate(in ? qos.ingress_packet_rate : qos.egress_packet_rate,
                    in ? qos.ingress_packet_burst : qos.egress_packet_burst);
    add_conntrack();
    add_connection_limit(in ? qos.ingress_max_connections : qos.egress_max_connections);
    add(rule(clear_bits(marks_.accept | marks_.pass)));
    if (!in) add_encapsulation_denies();
    bool first = true;
    for (const calc::TierPolicies& tier : policies.normal)
      if (add_tier(tier, lookup, first)) first = false;
    add_profiles(policies.profiles);
    return std::move(chain_);
  }

 private:
  void add(Rule r) { chain_.rules.push_back(std::move(r)); }

  // Before conntrack: it counts every packet. DROP whatever the deny action is: a flood is not worth answers.
  void add_packet_rate(std::optional<std::uint32_t> rate, std::optional<std::uint32_t> burst) {
    if (!rate || *rate == 0) return;
    const kernel::LimitMatch limit = make_limit(*rate, kernel::LimitMatch::Unit::Second, burst.value_or(5));
    add(rule(clear_bits(marks_.scratch0)));
    add(rule(limit, set_bits(marks_.scratch0)));
    add(rule(lacks(marks_.scratch0), kernel::Drop{}));
  }

  void add_conntrack() {
    // An allow action of RETURN hands the packet to rules that are not ours, so the endpoints after this one must see it too.
    if (config_.filter_allow != Verdict::Accept) add(rule(established(), set_bits(marks_.accept)));
    add(rule(established(), target_of(config_.filter_allow)));
    if (!config_.disable_conntrack_invalid_check)
      add(rule(kernel::ConntrackMatch{.states = kernel::ConntrackMatch::Invalid}, deny_));
  }

  void add_connection_limit(std::optional<std::uint32_t> most) {
    if (!most) return;
    Rule r = rule(kernel::ConnlimitMatch{.above = *most}, kernel::Reject{.tcp_reset = true});
    r.protocol = kernel::ProtocolMatch{.number = protocol::kTcp};
    add(std::move(r));
  }

  // A workload must not speak the host's own tunnels. After conntrack, so that a reply to port 4789 passes.
  void add_encapsulation_denies() {
    if (!config_.allow_vxlan_from_workloads) {
      Rule r = rule(kernel::PortsMatch{.source = false, .ranges = {{config_.vxlan_port, config_.vxlan_port}}}, deny_);
      r.protocol = kernel::ProtocolMatch{.number = protocol::kUdp};
      add(std::move(r));
    }
    if (!config_.allow_ipip_from_workloads) {
      Rule r = rule(deny_);
      r.protocol = kernel::ProtocolMatch{.number = 4};
      add(std::move(r));
    }
  }

  // False if the tier has nothing enforced in this direction: then it is as if it were not there.
  bool add_tier(const calc::TierPolicies& tier, const PolicyLookup& lookup, bool first) {
    const auto& ids = direction_ == Direction::Ingress ? tier.ingress : tier.egress;
    const std::vector<PolicyGroup> planned = plan_groups(ids, direction_, lookup);
    if (planned.empty()) {
      if (config_.flow_logs && !ids.empty()) {
        if (!first) add(rule(clear_bits(marks_.pass)));
        add(rule(nflog(direction_, tier_flow_prefix('P', direction_, tier.tier.view()))));
      }
      return config_.flow_logs && !ids.empty();
    }

    if (!first) add(rule(clear_bits(marks_.pass)));
    std::size_t count = 0;
    for (const PolicyGroup& group : planned) {
      if (!group.chain.empty()) groups_.push_back(group_chain(config_, kTable, group, direction_));
      // At most one policy in a group without a chain.
      const PolicyGroup::Member& member = group.enforced.front();
      kernel::Target target = !group.chain.empty() ? kernel::Target{jump(group.chain)}
                              : member.missing     ? deny_
                                                   : kernel::Target{jump(policy_chain_name(member.id, direction_))};
      if (count != 0 && count % 5 == 0) add(rule(has(marks_.accept), kernel::Return{}));
      add(count == 0 ? rule(std::move(target)) : rule(lacks(marks_.accept | marks_.pass), std::move(target)));
      ++count;
    }
    add(rule(has(marks_.accept), kernel::Return{}));
    if (config_.flow_logs)
      add(rule(lacks(marks_.pass),
               nflog(direction_, tier_flow_prefix(tier.default_pass ? 'P' : 'D', direction_, tier.tier.view()))));
    if (!tier.default_pass) add(rule(lacks(marks_.pass), deny_));
    return true;
  }

  // In order until one accepts; a profile that passes is like one that does not match. No profile at all: closed.
  void add_profiles(const std::vector<calc::ProfileId>& profiles) {
    for (std::size_t i = 0; i < profiles.size(); ++i) {
      // With flow logs a profile's Pass rule tests the bit, which the last tier or another profile may have left set.
      if (config_.flow_logs) add(rule(clear_bits(marks_.pass)));
      kernel::Target target = jump(profile_chain_name(profiles[i], direction_));
      add(i == 0 ? rule(std::move(target)) : rule(lacks(marks_.accept), std::move(target)));
    }
    if (config_.flow_logs) add(rule(lacks(marks_.accept), nflog(direction_, no_profile_flow_prefix(direction_))));
    add(profiles.empty() ? rule(deny_) : rule(lacks(marks_.accept), deny_));
  }

  const Config& config_;
  Direction direction_;
  Marks marks_;
  kernel::Target deny_;
  std::vector<Chain>& groups_;
  Chain chain_;
};

}  // namespace

EndpointChains workload_chains(const Config& config, Family /*family*/, const WorkloadEndpoint& endpoint,
                               const calc::EndpointPolicies& policies, const PolicyLookup& lookup) {
  EndpointChains out;
  for (const Direction direction : {Direction::Ingress, Direction::Egress})
    out.chains.push_back(WorkloadChain{config, direction, endpoint, out.groups}.render(endpoint, policies, lookup));
  return out;
}

}  // namespace margay::rules
