#include "calc/active_rules.hpp"

#include "calc/rule_scanner.hpp"

namespace margay::calc {
namespace {

// Felix's kind in the tie-breaking string; for all but Kubernetes' own, as in the manifest.
std::string_view tie_kind(Kind kind) noexcept {
  if (kind == Kind::KubernetesNetworkPolicy) return "KubernetesNetworkPolicy";
  if (kind == Kind::ClusterNetworkPolicy) return "KubernetesClusterNetworkPolicy";
  return info(kind).name;
}

// Whether endpoints that the policy selects must be resolved anew.
bool same_place(const Policy& a, const Policy& b) noexcept {
  return a.tier == b.tier && a.order == b.order && a.governs_ingress == b.governs_ingress &&
         a.governs_egress == b.governs_egress && a.do_not_track == b.do_not_track && a.pre_dnat == b.pre_dnat &&
         a.apply_on_forward == b.apply_on_forward && a.staged == b.staged;
}

}  // namespace

void ActiveRules::on_policy(const Key& key, const Ref<Policy>& policy) {
  const auto it = policies_.find(key);
  const bool known = it != policies_.end();
  if (!known && !policy) return;
  dirty_policies_.insert(key);

  if (known && policy && it->second.policy->selector == policy->selector) {
    if (!same_place(*it->second.policy, *policy)) local_.touch_matching(it->second.selector);
    it->second.tier = policy->tier.empty() ? Symbol{"default"} : policy->tier;
    it->second.policy = policy;
    return;
  }
  if (known) {
    const auto selector = it->second.selector;
    local_.touch_matching(selector);
    auto& list = by_selector_.at(selector);
    std::erase(list, &it->second);
    if (list.empty()) by_selector_.erase(selector);
    local_.remove_selector(selector);
    policies_.erase(it);
  }
  if (!policy) return;
  Entry& entry = policies_[key];  // nodes of the map do not move
  entry.id = key;
  entry.policy = policy;
  entry.tier = policy->tier.empty() ? Symbol{"default"} : policy->tier;
  entry.tie = key.name.str() + "/" + key.ns.str() + "/" + std::string{tie_kind(key.kind)};
  entry.selector = local_.add_selector(policy->selector);
  by_selector_[entry.selector].push_back(&entry);
  local_.touch_matching(entry.selector);
}

void ActiveRules::on_profile(const Key& key, const Ref<Profile>& profile) {
  if (profile) profiles_[key.name] = profile;
  else profiles_.erase(key.name);
  if (local_.profile_in_use(key.name)) dirty_profiles_.insert(key.name);
}

const std::vector<const ActiveRules::Entry*>& ActiveRules::with_selector(LabelIndex::SelectorId selector) const {
  static const std::vector<const Entry*> kNone;
  const auto it = by_selector_.find(selector);
  return it == by_selector_.end() ? kNone : it->second;
}

// Takes the new before it lets go of the old: a set used by both never goes unused.
void ActiveRules::hold(std::vector<SetId>& held, const std::vector<SetDef>& wanted) {
  std::vector<SetId> next;
  next.reserve(wanted.size());
  for (const SetDef& def : wanted) {
    sets_.acquire(def);
    next.push_back(def.id);
  }
  for (const SetId& id : held) sets_.release(id);
  held = std::move(next);
}

void ActiveRules::complete() {
  for (const auto selector : local_.take_dirty_selectors()) {
    for (const Entry* entry : with_selector(selector)) dirty_policies_.insert(entry->id);
  }
  dirty_profiles_.merge(local_.take_dirty_profiles());
  for (const PolicyId& id : std::exchange(dirty_policies_, {})) complete_policy(id);
  for (const Symbol& name : std::exchange(dirty_profiles_, {})) complete_profile(name);
}

void ActiveRules::complete_policy(const PolicyId& id) {
  const auto it = policies_.find(id);
  const bool active = it != policies_.end() && (it->second.policy->needed_everywhere || local_.any_match(it->second.selector));
  if (!active) {
    if (const auto old = active_policies_.find(id); old != active_policies_.end()) {
      hold(old->second.sets, {});
      active_policies_.erase(old);
    }
    out_.policies.remove(id);
    return;
  }
  const Ref<Policy>& policy = it->second.policy;
  Active<Policy>& state = active_policies_[id];
  if (state.from == policy) return;
  state.from = policy;
  ScannedRules scanned;
  if (!policy->staged || staged_rules_) scanned = scan(*policy);
  hold(state.sets, scanned.sets);
  auto out = std::make_shared<ActivePolicy>();
  out->tier = it->second.tier;
  out->selector = policy->selector.canonical();
  out->ingress = std::move(scanned.ingress);
  out->egress = std::move(scanned.egress);
  out->staged = policy->staged;
  out->do_not_track = policy->do_not_track;
  out->pre_dnat = policy->pre_dnat;
  out->apply_on_forward = policy->apply_on_forward;
  out->needed_everywhere = policy->needed_everywhere;
  out->closed = policy->closed;
  out_.policies.set(id, std::move(out));
}

void ActiveRules::complete_profile(const Symbol& name) {
  if (!local_.profile_in_use(name)) {
    if (const auto old = active_profiles_.find(name); old != active_profiles_.end()) {
      hold(old->second.sets, {});
      active_profiles_.erase(old);
    }
    out_.profiles.remove(name);
    return;
  }
  const auto it = profiles_.find(name);
  const Ref<Profile> profile = it == profiles_.end() ? nullptr : it->second;
  const auto [state, is_new] = active_profiles_.try_emplace(name);
  if (!is_new && state->second.from == profile) return;
  state->second.from = profile;
  ScannedRules scanned = scan(profile.get());
  hold(state->second.sets, scanned.sets);
  auto out = std::make_shared<ActiveProfile>();
  out->ingress = std::move(scanned.ingress);
  out->egress = std::move(scanned.egress);
  out_.profiles.set(name, std::move(out));
}

}  // namespace margay::calc
