// The chains that do not depend on any endpoint or policy, and the rules of ours in kernel chains.
//
// Rules that only serve a feature in use are there only while it is (StaticState): on a host without host endpoints no packet
// pays for them, and the mangle table stays without hooks. What a packet experiences is the same (docs/design/rendering.md).
//
// With no workload known, static_chains + workload_dispatch_chains({}) are the closed base chains of law 1.
#pragma once

#include <string>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/kernel/ports.hpp"
#include "margay/kernel/rule.hpp"
#include "margay/kernel/set.hpp"
#include "rules/config.hpp"

namespace margay::rules {

struct StaticState {
  bool host_endpoints = false;       // any host endpoint resolved here: hooks, failsafes and dispatch for them are wanted
  bool dscp = false;                 // any endpoint with a DSCP value: needs set::kDscpSources, kThisHost and kPools
  bool vxlan = false;                // VXLAN is on for this family: needs set::kAllVxlan
  bool ipip = false;                 // IPIP is on (IPv4 only): needs set::kAllHosts
  std::vector<std::string> tunnels;  // tunnel interfaces of this family whose wrong-source packets are masqueraded, in order
  friend bool operator==(const StaticState&, const StaticState&) = default;
};

// Root chains of the table and what they refer to, except: dispatch chains, cali-cidr-block (filter), cali-rpf-skip (raw),
// cali-nat-outgoing, cali-fip-* (nat), cali-egress-dscp (mangle), which their managers make (functions below, nat_chains.hpp)
// and which must exist, if only empty. With host endpoints the empty dispatch roots for them are included.
[[nodiscard]] std::vector<kernel::Chain> static_chains(const Config& config, Family family, kernel::Table table,
                                                       const StaticState& state = {});

// All hooks wanted in the table. A kernel chain that is not mentioned should have no rule of ours.
[[nodiscard]] std::vector<kernel::Hooks> hooks(const Config& config, Family family, kernel::Table table,
                                               const StaticState& state = {});

// Sets that static and nat chains may name and managers fill. All of them must exist before the tables are applied.
[[nodiscard]] std::vector<kernel::SetSpec> fixed_sets(const Config& config, Family family, const StaticState& state = {});

// cali-cidr-block (filter): packets to service addresses that nothing translated would loop (ServiceLoopPrevention).
[[nodiscard]] kernel::Chain cidr_block_chain(const Config& config, Family family, const std::vector<Cidr>& service_cidrs);

// cali-rpf-skip (raw): source prefixes a workload may use beside its own.
struct SpoofAllowance {
  std::string interface_name;
  std::vector<Cidr> prefixes;
  friend bool operator==(const SpoofAllowance&, const SpoofAllowance&) = default;
};
[[nodiscard]] kernel::Chain rpf_skip_chain(const Config& config, Family family, std::vector<SpoofAllowance> allowances);

// cali-egress-dscp (mangle): addresses of endpoints with a DSCP value.
struct DscpSource {
  Addr address;
  std::uint8_t value = 0;
  friend auto operator<=>(const DscpSource&, const DscpSource&) = default;
};
[[nodiscard]] kernel::Chain egress_dscp_chain(Family family, std::vector<DscpSource> sources);

}  // namespace margay::rules
