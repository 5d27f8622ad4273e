#include "calc/local_endpoints.hpp"

namespace margay::calc {

void LocalEndpoints::on_workload(const Key& key, const Ref<WorkloadEndpoint>& endpoint) {
  // Without addresses it is invisible (policy-rendering §3.10): its interface is unknown, hence closed.
  if (!endpoint || !(endpoint->node == node_) || endpoint->nets.empty()) return remove(key);
  update({.id = key, .workload = endpoint}, endpoint->labels, endpoint->profiles);
}

void LocalEndpoints::on_host_endpoint(const Key& key, const Ref<HostEndpoint>& endpoint) {
  if (!endpoint || !(endpoint->node == node_)) return remove(key);
  update({.id = key, .host = endpoint}, endpoint->labels, endpoint->profiles);
}

const std::vector<Symbol>& LocalEndpoints::profiles_of(const Endpoint& endpoint) noexcept {
  return endpoint.workload ? endpoint.workload->profiles : endpoint.host->profiles;
}

void LocalEndpoints::count_profiles(const std::vector<Symbol>& profiles, int by) {
  for (const Symbol& profile : profiles) {
    int& uses = profile_uses_[profile];
    uses += by;
    if (uses == 0) profile_uses_.erase(profile);
    dirty_profiles_.insert(profile);
  }
}

void LocalEndpoints::update(Endpoint next, const Labels& labels, const std::vector<Symbol>& profiles) {
  next.cls = labels_.acquire(labels, profiles);
  touch_selectors(next.cls);
  const auto [it, is_new] = ids_.try_emplace(next.id, 0);
  count_profiles(profiles, +1);
  if (is_new) {
    if (free_.empty()) {
      it->second = static_cast<Slot>(endpoints_.size());
      endpoints_.emplace_back();
    } else {
      it->second = free_.back();
      free_.pop_back();
    }
  } else {
    const Endpoint& old = endpoints_[it->second];
    count_profiles(profiles_of(old), -1);
    touch_selectors(old.cls);
    labels_.leave(it->second, old.cls);
  }
  labels_.enter(it->second, next.cls);
  next.dirty = endpoints_[it->second].dirty;
  endpoints_[it->second] = std::move(next);
  touch(it->second);
}

void LocalEndpoints::remove(const Key& key) {
  const auto it = ids_.find(key);
  if (it == ids_.end()) return;
  Endpoint& endpoint = endpoints_[it->second];
  if (endpoint.workload) out_.workloads.remove(key);
  else out_.host_endpoints.remove(key);
  count_profiles(profiles_of(endpoint), -1);
  touch_selectors(endpoint.cls);
  labels_.leave(it->second, endpoint.cls);
  endpoint = Endpoint{.dirty = endpoint.dirty};  // it may still be on the list
  free_.push_back(it->second);
  ids_.erase(it);
}

void LocalEndpoints::touch(Slot slot) {
  if (std::exchange(endpoints_[slot].dirty, true)) return;
  dirty_endpoints_.push_back(slot);
}

void LocalEndpoints::touch_selectors(LabelIndex::ClassId cls) {
  for (const auto selector : labels_.matches(cls)) dirty_selectors_.insert(selector);
}

void LocalEndpoints::on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) {
  dirty_selectors_.insert(selector);
  for (const Slot slot : labels_.items(cls)) touch(slot);
}

void LocalEndpoints::touch_matching(LabelIndex::SelectorId selector) {
  for (const auto cls : labels_.classes_matching(selector)) {
    for (const Slot slot : labels_.items(cls)) touch(slot);
  }
}

void LocalEndpoints::touch_all() {
  for (const auto& [id, slot] : ids_) touch(slot);
}

std::vector<const LocalEndpoints::Endpoint*> LocalEndpoints::take_dirty_endpoints() {
  std::vector<const Endpoint*> dirty;
  dirty.reserve(dirty_endpoints_.size());
  for (const Slot slot : dirty_endpoints_) {
    endpoints_[slot].dirty = false;
    if (endpoints_[slot].used()) dirty.push_back(&endpoints_[slot]);
  }
  dirty_endpoints_.clear();
  return dirty;
}

}  // namespace margay::calc
