// LabelIndex: which selectors match which items, kept exact as items, selectors and inherited labels change.
//
// Goals: one pod's label change among 100,000 pods and thousands of selectors costs microseconds; one megabyte, not one
// hundred, for 100,000 pods that come from a few thousand deployments.
//
//   items ──(own labels, parents)──▶ classes ◀──match──▶ selectors
//                                      ▲
//   parents (profiles) ──labels────────┘
//
// * Items with equal own labels and equal parent lists are one *class*. Matching is done once per class.
// * A selector is filed under the one of its requirements that restricts most ("app must be web"); a class then looks only at
//   the selectors filed under a pair it has, its own or inherited, and at those that restrict nothing.
// * A match is stored once, in its class. A selector's classes are found again through the label postings, so that a
//   selector matching everything costs nothing per pod beyond its four bytes in the class.
// * An item's label is its own, else that of the first parent that has one (policy-rendering §7.4). Parents may be unknown.
//
// Rejected: an index per item (memory and time times the size of a deployment); storing members per selector (the same
// information twice).
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "margay/base/symbol.hpp"
#include "margay/model/labels.hpp"
#include "margay/model/selector.hpp"

namespace margay::calc {

class LabelIndex {
 public:
  using ItemId = std::uint32_t;      // small numbers of the caller's choosing
  using ClassId = std::uint32_t;     // valid while held
  using SelectorId = std::uint32_t;  // valid while added

  class Listener {
   public:
    virtual ~Listener() = default;
    // A change of inherited labels is about to start or stop this match: matches() still shows the old state.
    // Not called for classes and selectors that come or go: their owner asked for that and knows.
    virtual void on_match_changing(SelectorId selector, ClassId cls) = 0;
  };

  explicit LabelIndex(Listener& listener);
  LabelIndex(const LabelIndex&) = delete;
  LabelIndex& operator=(const LabelIndex&) = delete;

  // Finds or makes the class and holds it once. Its matches can be read before an item enters.
  [[nodiscard]] ClassId acquire(const Labels& own, const std::vector<Symbol>& parents);
  void release(ClassId cls);
  // The item is in the class from now on, and the caller's hold becomes the item's.
  void enter(ItemId item, ClassId cls);
  void leave(ItemId item, ClassId cls);

  // Equal selectors (by canonical text) have one id, counted.
  [[nodiscard]] SelectorId add_selector(const Selector& selector);
  void remove_selector(SelectorId selector);

  // Empty labels: as good as unknown.
  void set_parent_labels(const Symbol& parent, const Labels& labels);

  [[nodiscard]] std::span<const SelectorId> matches(ClassId cls) const noexcept { return classes_[cls].matches; }  // ascending
  [[nodiscard]] bool matches(ClassId cls, SelectorId selector) const noexcept;
  [[nodiscard]] std::span<const ItemId> items(ClassId cls) const noexcept { return classes_[cls].items; }
  [[nodiscard]] std::vector<ClassId> classes_matching(SelectorId selector) const;
  [[nodiscard]] std::size_t match_count(SelectorId selector) const noexcept { return selectors_[selector].match_count; }

  struct Stats {
    std::size_t items = 0, classes = 0;
    std::size_t selectors_indexed = 0, selectors_unindexed = 0;
    std::uint64_t evals_matched = 0, evals_unmatched = 0;
  };
  [[nodiscard]] Stats stats() const noexcept;

 private:
  using ParentId = std::uint32_t;
  struct ParentLink {
    ParentId parent;
    std::uint32_t position;  // in Parent::classes
  };
  struct Class {
    Labels own;
    std::vector<ParentLink> parents;
    std::vector<std::uint32_t> positions;  // of this class in the posting of each own label
    std::vector<SelectorId> matches;       // ascending
    std::vector<ItemId> items;
    std::size_t hash = 0;
    std::uint32_t refs = 0;
    mutable std::uint32_t stamp = 0;
  };
  struct Parent {
    Symbol name;
    Labels labels;
    std::vector<ClassId> classes;
  };
  struct SelectorEntry {
    Selector selector;
    std::vector<Selector::Requirement> requirements;
    std::int32_t filed = -1;  // index into requirements
    std::uint32_t refs = 0;
    std::uint32_t match_count = 0;
  };
  struct KeySelectors {
    std::unordered_map<Symbol, std::vector<SelectorId>> by_value;
    std::vector<SelectorId> present;
  };
  template <class Id>
  struct KeyPostings {
    std::unordered_map<Symbol, std::vector<Id>> by_value;
    std::size_t total = 0;
  };
  struct ClassProbe {
    const Labels& own;
    const std::vector<Symbol>& parents;
    std::size_t hash;
  };
  struct ClassHash {
    using is_transparent = void;
    const LabelIndex* index;
    std::size_t operator()(ClassId id) const noexcept { return index->classes_[id].hash; }
    std::size_t operator()(const ClassProbe& probe) const noexcept { return probe.hash; }
  };
  struct ClassEqual {
    using is_transparent = void;
    const LabelIndex* index;
    bool operator()(ClassId a, ClassId b) const noexcept { return a == b; }
    bool operator()(const ClassProbe& probe, ClassId id) const noexcept { return index->same(probe, id); }
    bool operator()(ClassId id, const ClassProbe& probe) const noexcept { return index->same(probe, id); }
  };
  class View;

  [[nodiscard]] bool same(const ClassProbe& probe, ClassId id) const noexcept;
  [[nodiscard]] bool evaluate(const SelectorEntry& selector, const Class& cls);
  [[nodiscard]] std::vector<SelectorId> compute_matches(const Class& cls);
  void rematch(ClassId id);
  void link(ClassId id, const std::vector<Symbol>& parents);
  void unlink(ClassId id);
  [[nodiscard]] ParentId parent_id(const Symbol& name);
  void forget_if_unused(ParentId id);
  [[nodiscard]] std::size_t class_count(const Selector::Requirement& requirement) const;
  [[nodiscard]] std::size_t selector_count(const Selector::Requirement& requirement) const;
  void file(SelectorId id);
  void unfile(SelectorId id);
  [[nodiscard]] std::vector<ClassId> candidate_classes(const SelectorEntry& selector) const;

  Listener& listener_;
  std::vector<Class> classes_;
  std::vector<ClassId> free_classes_;
  std::unordered_set<ClassId, ClassHash, ClassEqual> class_ids_;
  std::vector<std::uint32_t> item_positions_;  // by ItemId: where in Class::items
  std::size_t item_count_ = 0;

  std::vector<Parent> parents_;
  std::vector<ParentId> free_parents_;
  std::unordered_map<Symbol, ParentId> parent_ids_;

  std::vector<SelectorEntry> selectors_;
  std::vector<SelectorId> free_selectors_;
  std::unordered_map<Selector, SelectorId> selector_ids_;
  std::unordered_map<Symbol, KeySelectors> filed_;  // selectors by the requirement they are filed under
  std::vector<SelectorId> unfiled_;                 // those that restrict nothing

  std::unordered_map<Symbol, KeyPostings<ClassId>> class_postings_;    // own labels
  std::unordered_map<Symbol, KeyPostings<ParentId>> parent_postings_;  // labels of parents

  mutable std::uint32_t epoch_ = 0;
  std::uint64_t evals_matched_ = 0, evals_unmatched_ = 0;
};

}  // namespace margay::calc
