// What a packet to or from one workload meets, in the filter table: cali-tw-<interface> and cali-fw-<interface>.
//
//   [packet rate] · established → accept, invalid → drop · [connection limit] · clear bits · [encapsulation denies] ·
//   tiers in order (policies, end of tier) · profiles · drop
//
// They return with the accept bit set, or not at all. Every endpoint decides for itself: a packet between two local workloads
// runs through both chains.
#pragma once

#include <string>
#include <vector>

#include "calc/messages.hpp"
#include "margay/kernel/rule.hpp"
#include "rules/config.hpp"
#include "rules/groups.hpp"

namespace margay::rules {

struct EndpointChains {
  std::vector<kernel::Chain> chains;  // this endpoint's own: to (tw), from (fw)
  std::vector<kernel::Chain> groups;  // shared group chains it refers to; equal names, equal contents
};

// Depends on the endpoint's interface_name, qos and `active`, and on the policies as plan_groups does.
[[nodiscard]] EndpointChains workload_chains(const Config& config, Family family, const WorkloadEndpoint& endpoint,
                                             const calc::EndpointPolicies& policies, const PolicyLookup& lookup);

}  // namespace margay::rules
