// The nat table's chains that follow pools and endpoints: outgoing NAT and floating addresses.
#pragma once

#include <vector>

#include "margay/base/ip.hpp"
#include "margay/kernel/rule.hpp"
#include "margay/model/resources.hpp"
#include "rules/config.hpp"

namespace margay::rules {

// cali-nat-outgoing: what leaves a pool with natOutgoing for an address in no pool gets the host's address. Empty unless this
// family has such a pool.
[[nodiscard]] kernel::Chain nat_outgoing_chain(const Config& config, Family family, bool has_nat_pools);

// cali-fip-dnat and cali-fip-snat, from the nats of all local workloads, in any order. Two workloads that claim one external
// address: the lowest internal address (as text, as in Calico) has it. Both empty unless FloatingIPs is enabled.
[[nodiscard]] std::vector<kernel::Chain> floating_ip_chains(const Config& config, Family family, const std::vector<Nat>& nats);

}  // namespace margay::rules
