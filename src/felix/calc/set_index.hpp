// SetIndex: the members of every set that an active rule names, and how they differ from what was last announced.
//
//   endpoints, network sets ──▶ items ──▶ LabelIndex (all items) ─ match ─▶ sets
//                                └──▶ by address                            ▲
//   EndpointSlices ─▶ ServiceIndex ─────────────────────────────────────────┘ (counted per service set)
//
// Membership of a set over endpoints is *computed*, never stored: an address is in it if some item that has the address is in a
// class the set's selector matches. So the memory of all sets is one number per (class, selector), however many pods.
// Change is tracked by touching: before anything that may alter "is m in S" is altered, (S, m) is touched, which notes once
// what the answer was when last announced. A flush asks again and announces where the answers differ. Hence no counting of
// contributors, and add and remove of one member between two flushes vanish.
//
// Not done: hiding a CIDR that another member covers (§4.3). Invisible to packets; it would need a trie per set.
// A /0 is two /1, since hash:net cannot hold it.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "calc/label_index.hpp"
#include "calc/service_index.hpp"
#include "calc/set_def.hpp"

namespace margay::calc {

class SetIndex final : private LabelIndex::Listener, private ServiceIndex::Listener {
 public:
  SetIndex() : labels_{*this}, services_{*this} {}

  // Inputs. Null: gone.
  void on_workload(const Key& key, const Ref<WorkloadEndpoint>& endpoint);  // one without addresses is as good as gone
  void on_host_endpoint(const Key& key, const Ref<HostEndpoint>& endpoint);
  void on_network_set(const Key& key, const Ref<NetworkSet>& set);
  void on_slice(const Key& key, const Ref<EndpointSlice>& slice) { services_.on_slice(key, slice); }
  void on_profile_labels(const Symbol& profile, const Labels& labels) { labels_.set_parent_labels(profile, labels); }

  // Uses of a set, counted. A set that loses its last use and finds a new one before the next flush has not changed.
  void acquire(const SetDef& def);
  void release(const SetId& id);

  // Announces new sets and deltas; users may be announced after it.
  void flush_updates(MessageSink& sink);
  // Withdraws unused sets; users must have been withdrawn before.
  void flush_removes(MessageSink& sink);
  [[nodiscard]] bool dirty() const noexcept { return !fresh_.empty() || !changed_.empty() || !unused_.empty(); }

  // The node of an endpoint that is an item; else empty.
  [[nodiscard]] Symbol node_of(const Key& endpoint) const;
  [[nodiscard]] std::size_t active_sets() const noexcept { return ids_.size(); }
  [[nodiscard]] LabelIndex::Stats label_stats() const noexcept { return labels_.stats(); }

 private:
  using Slot = std::uint32_t;
  using ItemId = LabelIndex::ItemId;
  using Resource = std::variant<std::monostate, Ref<WorkloadEndpoint>, Ref<HostEndpoint>, Ref<NetworkSet>>;
  struct Item {
    Resource resource;
    LabelIndex::ClassId cls = 0;
  };
  struct Set {
    SetDef def;
    std::uint32_t uses = 0;
    LabelIndex::SelectorId selector = 0;
    bool announced = false;
    bool on_unused_list = false;
    std::unordered_map<kernel::SetMember, bool> touched;                           // → was a member when last announced
    std::unique_ptr<std::unordered_map<kernel::SetMember, std::uint32_t>> counts;  // service sets only
  };

  void on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) override;
  void on_slice_changing(const ServiceRef& service, const EndpointSlice* before, const EndpointSlice* now) override;

  void update(const Key& key, Resource next, const Labels& labels, const std::vector<Symbol>& parents);
  void remove(const Key& key);
  [[nodiscard]] static std::vector<Cidr> nets_of(const Resource& resource);  // sorted, distinct, no /0
  [[nodiscard]] static const std::vector<EndpointPort>& ports_of(const Resource& resource) noexcept;
  template <class F>
  static void for_each_member(const SetDef& def, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports, F&& f);

  // Touches what these addresses and ports mean to the sets on one selector, or on all selectors of a class.
  void touch(LabelIndex::SelectorId selector, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports);
  void touch_class(LabelIndex::ClassId cls, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports);
  void touch(Slot slot, const kernel::SetMember& member);
  [[nodiscard]] bool is_member(const Set& set, const kernel::SetMember& member) const;
  [[nodiscard]] std::vector<kernel::SetMember> all_members(const Set& set) const;  // sorted, distinct
  void discard(Slot slot);

  LabelIndex labels_;
  ServiceIndex services_;

  std::vector<Item> items_;
  std::vector<ItemId> free_items_;
  std::unordered_map<Key, ItemId> item_ids_;
  std::unordered_multimap<Cidr, ItemId> by_net_;

  std::vector<Set> sets_;
  std::vector<Slot> free_sets_;
  std::unordered_map<SetId, Slot> ids_;
  std::vector<std::vector<Slot>> by_selector_;  // by SelectorId
  std::unordered_map<ServiceRef, std::vector<Slot>, ServiceRefHash> by_service_;

  std::vector<Slot> fresh_;    // not announced yet
  std::vector<Slot> changed_;  // announced and touched
  std::vector<Slot> unused_;   // lost their last use
};

}  // namespace margay::calc
