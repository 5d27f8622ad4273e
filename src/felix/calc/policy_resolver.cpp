#include "calc/policy_resolver.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace margay::calc {
namespace {

struct Candidate {
  const ActiveRules::Entry* entry;
  const Tier* tier;  // null: only named

  [[nodiscard]] auto rank() const noexcept {
    const Policy& policy = *entry->policy;
    return std::tuple{tier == nullptr,
                      tier == nullptr || !tier->order.has_value(),
                      tier != nullptr && tier->order ? *tier->order : 0.0,
                      entry->tier.view(),
                      !policy.order.has_value(),
                      policy.order.value_or(0.0),
                      std::string_view{entry->tie}};
  }
};

// Appends to the tier's lists, which are last in `tiers` if they exist: candidates come in order.
void append(std::vector<TierPolicies>& tiers, const Candidate& candidate, bool default_pass, bool ingress, bool egress) {
  if (!ingress && !egress) return;
  if (tiers.empty() || !(tiers.back().tier == candidate.entry->tier)) {
    tiers.push_back({.tier = candidate.entry->tier, .default_pass = default_pass, .ingress = {}, .egress = {}});
  }
  if (ingress) tiers.back().ingress.push_back(candidate.entry->id);
  if (egress) tiers.back().egress.push_back(candidate.entry->id);
}

}  // namespace

void PolicyResolver::on_tier(const Key& key, const Ref<Tier>& tier) {
  const auto it = tiers_.find(key.name);
  if (it == tiers_.end() ? tier == nullptr : tier && *it->second == *tier) return;
  if (tier) tiers_[key.name] = tier;
  else tiers_.erase(it);
  local_.touch_all();
}

Ref<EndpointPolicies> PolicyResolver::resolve(const LocalEndpoints::Endpoint& endpoint) const {
  std::vector<Candidate> candidates;
  for (const auto selector : local_.matches(endpoint.cls)) {
    for (const ActiveRules::Entry* entry : policies_.with_selector(selector)) {
      const auto tier = tiers_.find(entry->tier);
      candidates.push_back({entry, tier == tiers_.end() ? nullptr : tier->second.get()});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.rank() < b.rank(); });

  auto out = std::make_shared<EndpointPolicies>();
  out->profiles = endpoint.workload ? endpoint.workload->profiles : endpoint.host->profiles;
  for (const Candidate& candidate : candidates) {
    const Policy& policy = *candidate.entry->policy;
    const bool pass = candidate.tier != nullptr && candidate.tier->default_pass;
    // Untracked and pre-DNAT policies end no tier: what they do not decide goes on to the later tables.
    if (policy.do_not_track) {
      if (endpoint.host) append(out->untracked, candidate, true, policy.governs_ingress, policy.governs_egress);
    } else if (policy.pre_dnat) {
      if (endpoint.host) append(out->pre_dnat, candidate, true, policy.governs_ingress, false);
    } else {
      append(out->normal, candidate, pass, policy.governs_ingress, policy.governs_egress);
      if (endpoint.host && policy.apply_on_forward) {
        append(out->forward, candidate, pass, policy.governs_ingress, policy.governs_egress);
      }
    }
  }
  return out;
}

void PolicyResolver::complete() {
  // Endpoints of one class share their policies and their profiles: resolve once.
  std::map<std::pair<LabelIndex::ClassId, bool>, Ref<EndpointPolicies>> resolved;
  for (const LocalEndpoints::Endpoint* endpoint : local_.take_dirty_endpoints()) {
    Ref<EndpointPolicies>& policies = resolved[{endpoint->cls, endpoint->host != nullptr}];
    if (!policies) policies = resolve(*endpoint);
    if (endpoint->workload) out_.workloads.set(endpoint->id, {endpoint->workload, policies, peers_.peer_of(endpoint->cls)});
    else out_.host_endpoints.set(endpoint->id, {endpoint->host, policies});
  }
}

}  // namespace margay::calc
