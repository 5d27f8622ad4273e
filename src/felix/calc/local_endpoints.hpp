// LocalEndpoints: this node's endpoints, which policy selectors match them, and what that makes worth looking at again.
//
//   local endpoints ──▶ LabelIndex (local only) ◀── policy selectors
//        │                    │
//        ▼                    ▼
//   profiles in use    dirty selectors, dirty endpoints ──▶ ActiveRules, PolicyResolver
//
// A label index of its own: policies need matching against a node's hundred pods, not against the cluster's hundred thousand.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "calc/label_index.hpp"
#include "calc/messages.hpp"
#include "calc/sequencer.hpp"

namespace margay::calc {

class LocalEndpoints final : private LabelIndex::Listener {
 public:
  using Slot = LabelIndex::ItemId;
  struct Endpoint {
    EndpointId id;
    Ref<WorkloadEndpoint> workload;  // exactly one of the two
    Ref<HostEndpoint> host;
    LabelIndex::ClassId cls = 0;
    bool dirty = false;
    [[nodiscard]] bool used() const noexcept { return workload || host; }
  };

  LocalEndpoints(Symbol node, Sequencer& out) : node_{std::move(node)}, out_{out}, labels_{*this} {}

  // Null or another node's: not ours (any more).
  void on_workload(const Key& key, const Ref<WorkloadEndpoint>& endpoint);
  void on_host_endpoint(const Key& key, const Ref<HostEndpoint>& endpoint);
  void on_profile_labels(const Symbol& profile, const Labels& labels) { labels_.set_parent_labels(profile, labels); }

  // A policy with this selector has appeared, goes, or changed in a way that matters to its endpoints.
  [[nodiscard]] LabelIndex::SelectorId add_selector(const Selector& selector) { return labels_.add_selector(selector); }
  void remove_selector(LabelIndex::SelectorId selector) { labels_.remove_selector(selector); }
  void touch_matching(LabelIndex::SelectorId selector);
  void touch_all();

  [[nodiscard]] bool any_match(LabelIndex::SelectorId selector) const noexcept { return labels_.match_count(selector) > 0; }
  [[nodiscard]] std::span<const LabelIndex::SelectorId> matches(LabelIndex::ClassId cls) const noexcept {
    return labels_.matches(cls);
  }
  [[nodiscard]] bool matches(LabelIndex::ClassId cls, LabelIndex::SelectorId selector) const noexcept {
    return labels_.matches(cls, selector);
  }
  [[nodiscard]] bool profile_in_use(const Symbol& profile) const { return profile_uses_.contains(profile); }

  // Each empties its list.
  [[nodiscard]] std::vector<const Endpoint*> take_dirty_endpoints();  // still existing ones
  [[nodiscard]] std::unordered_set<LabelIndex::SelectorId> take_dirty_selectors() { return std::exchange(dirty_selectors_, {}); }
  [[nodiscard]] std::unordered_set<Symbol> take_dirty_profiles() { return std::exchange(dirty_profiles_, {}); }
  [[nodiscard]] bool dirty() const noexcept {
    return !dirty_endpoints_.empty() || !dirty_selectors_.empty() || !dirty_profiles_.empty();
  }
  [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }

 private:
  void on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) override;
  void update(Endpoint next, const Labels& labels, const std::vector<Symbol>& profiles);
  void remove(const Key& key);
  void touch(Slot slot);
  void touch_selectors(LabelIndex::ClassId cls);
  void count_profiles(const std::vector<Symbol>& profiles, int by);
  [[nodiscard]] static const std::vector<Symbol>& profiles_of(const Endpoint& endpoint) noexcept;

  Symbol node_;
  Sequencer& out_;
  LabelIndex labels_;
  std::vector<Endpoint> endpoints_;
  std::vector<Slot> free_;
  std::unordered_map<EndpointId, Slot> ids_;
  std::unordered_map<Symbol, int> profile_uses_;
  std::vector<Slot> dirty_endpoints_;
  std::unordered_set<LabelIndex::SelectorId> dirty_selectors_;
  std::unordered_set<Symbol> dirty_profiles_;
};

}  // namespace margay::calc
