#include "calc/label_index.hpp"

#include <algorithm>
#include <iterator>

#include "margay/base/assert.hpp"

namespace margay::calc {
namespace {

void mix(std::size_t& seed, std::size_t value) noexcept { seed ^= value + 0x9e3779b97f4a7c15ULL + (seed << 6) + (seed >> 2); }

std::size_t hash_of(const Labels& own, const std::vector<Symbol>& parents) noexcept {
  std::size_t seed = parents.size();
  for (const auto& [key, value] : own.pairs()) {
    mix(seed, std::hash<Symbol>{}(key));
    mix(seed, std::hash<Symbol>{}(value));
  }
  for (const Symbol& parent : parents) mix(seed, std::hash<Symbol>{}(parent));
  return seed;
}

template <class T>
void erase_value(std::vector<T>& values, const T& value) {
  const auto it = std::find(values.begin(), values.end(), value);
  MARGAY_ASSERT(it != values.end());
  *it = values.back();
  values.pop_back();
}

template <class T>
void insert_sorted(std::vector<T>& values, const T& value) {
  const auto it = std::lower_bound(values.begin(), values.end(), value);
  if (it == values.end() || *it != value) values.insert(it, value);
}

template <class T>
void erase_sorted(std::vector<T>& values, const T& value) {
  const auto it = std::lower_bound(values.begin(), values.end(), value);
  if (it != values.end() && *it == value) values.erase(it);
}

}  // namespace

class LabelIndex::View final : public LabelView {
 public:
  View(const LabelIndex& index, const Class& cls) : index_{index}, class_{cls} {}
  const Symbol* get(const Symbol& key) const noexcept override {
    if (const Symbol* value = class_.own.get(key)) return value;
    for (const ParentLink& link : class_.parents) {
      if (const Symbol* value = index_.parents_[link.parent].labels.get(key)) return value;
    }
    return nullptr;
  }

 private:
  const LabelIndex& index_;
  const Class& class_;
};

LabelIndex::LabelIndex(Listener& listener) : listener_{listener}, class_ids_{16, ClassHash{this}, ClassEqual{this}} {}

bool LabelIndex::same(const ClassProbe& probe, ClassId id) const noexcept {
  const Class& cls = classes_[id];
  if (cls.hash != probe.hash || cls.parents.size() != probe.parents.size()) return false;
  for (std::size_t i = 0; i < probe.parents.size(); ++i) {
    if (!(parents_[cls.parents[i].parent].name == probe.parents[i])) return false;
  }
  return cls.own == probe.own;
}

// ---- classes ---------------------------------------------------------------------------------------------------------

LabelIndex::ClassId LabelIndex::acquire(const Labels& own, const std::vector<Symbol>& parents) {
  const ClassProbe probe{own, parents, hash_of(own, parents)};
  if (const auto it = class_ids_.find(probe); it != class_ids_.end()) {
    ++classes_[*it].refs;
    return *it;
  }
  ClassId id;
  if (free_classes_.empty()) {
    id = static_cast<ClassId>(classes_.size());
    classes_.emplace_back();
  } else {
    id = free_classes_.back();
    free_classes_.pop_back();
  }
  Class& cls = classes_[id];
  cls.own = own;
  cls.hash = probe.hash;
  cls.refs = 1;
  link(id, parents);
  class_ids_.insert(id);
  cls.matches = compute_matches(cls);
  for (const SelectorId selector : cls.matches) ++selectors_[selector].match_count;
  return id;
}

void LabelIndex::release(ClassId id) {
  Class& cls = classes_[id];
  MARGAY_ASSERT(cls.refs > 0);
  if (--cls.refs > 0) return;
  for (const SelectorId selector : cls.matches) --selectors_[selector].match_count;
  class_ids_.erase(id);
  unlink(id);
  cls = Class{};
  free_classes_.push_back(id);
}

void LabelIndex::enter(ItemId item, ClassId id) {
  if (item >= item_positions_.size()) item_positions_.resize(std::max<std::size_t>(item + 1, item_positions_.size() * 2));
  item_positions_[item] = static_cast<std::uint32_t>(classes_[id].items.size());
  classes_[id].items.push_back(item);
  ++item_count_;
}

void LabelIndex::leave(ItemId item, ClassId id) {
  auto& items = classes_[id].items;
  const std::uint32_t position = item_positions_[item];
  MARGAY_ASSERT(position < items.size() && items[position] == item);
  items[position] = items.back();
  item_positions_[items[position]] = position;
  items.pop_back();
  --item_count_;
  release(id);
}

void LabelIndex::link(ClassId id, const std::vector<Symbol>& parents) {
  Class& cls = classes_[id];
  cls.positions.reserve(cls.own.pairs().size());
  for (const auto& [key, value] : cls.own.pairs()) {
    auto& postings = class_postings_[key];
    auto& posting = postings.by_value[value];
    cls.positions.push_back(static_cast<std::uint32_t>(posting.size()));
    posting.push_back(id);
    ++postings.total;
  }
  cls.parents.reserve(parents.size());
  for (const Symbol& name : parents) {
    const ParentId parent = parent_id(name);
    cls.parents.push_back({parent, static_cast<std::uint32_t>(parents_[parent].classes.size())});
    parents_[parent].classes.push_back(id);
  }
}

void LabelIndex::unlink(ClassId id) {
  Class& cls = classes_[id];
  // In each list the last entry takes our place; whoever it is learns its new position.
  for (std::size_t i = 0; i < cls.positions.size(); ++i) {
    const auto& [key, value] = cls.own.pairs()[i];
    const auto postings = class_postings_.find(key);
    const auto posting = postings->second.by_value.find(value);
    const ClassId moved = posting->second.back();
    posting->second[cls.positions[i]] = moved;
    posting->second.pop_back();
    if (moved != id) {
      Class& other = classes_[moved];
      std::size_t slot = 0;
      while (!(other.own.pairs()[slot].first == key)) ++slot;
      other.positions[slot] = cls.positions[i];
    }
    --postings->second.total;
    if (posting->second.empty()) postings->second.by_value.erase(posting);
    if (postings->second.by_value.empty()) class_postings_.erase(postings);
  }
  for (std::size_t i = 0; i < cls.parents.size(); ++i) {
    const ParentLink mine = cls.parents[i];
    auto& list = parents_[mine.parent].classes;
    const auto last = static_cast<std::uint32_t>(list.size() - 1);
    const ClassId moved = list.back();
    list[mine.position] = moved;
    list.pop_back();
    for (ParentLink& link : classes_[moved].parents) {
      if (link.parent == mine.parent && link.position == last) link.position = mine.position;
    }
    forget_if_unused(mine.parent);
  }
}

// ---- matching --------------------------------------------------------------------------------------------------------

bool LabelIndex::matches(ClassId cls, SelectorId selector) const noexcept {
  const auto& matches = classes_[cls].matches;
  return std::binary_search(matches.begin(), matches.end(), selector);
}

bool LabelIndex::evaluate(const SelectorEntry& entry, const Class& cls) {
  const bool result = entry.selector.matches(View{*this, cls});
  ++(result ? evals_matched_ : evals_unmatched_);
  return result;
}

std::vector<LabelIndex::SelectorId> LabelIndex::compute_matches(const Class& cls) {
  std::vector<SelectorId> matched;
  const auto consider = [&](const std::vector<SelectorId>& selectors) {
    for (const SelectorId id : selectors) {
      if (evaluate(selectors_[id], cls)) matched.push_back(id);
    }
  };
  const auto consider_labels = [&](const Labels& labels) {
    for (const auto& [key, value] : labels.pairs()) {
      const auto it = filed_.find(key);
      if (it == filed_.end()) continue;
      consider(it->second.present);
      if (const auto by_value = it->second.by_value.find(value); by_value != it->second.by_value.end()) {
        consider(by_value->second);
      }
    }
  };
  if (!filed_.empty()) {
    consider_labels(cls.own);
    for (const ParentLink& link : cls.parents) consider_labels(parents_[link.parent].labels);
  }
  consider(unfiled_);
  std::sort(matched.begin(), matched.end());
  matched.erase(std::unique(matched.begin(), matched.end()), matched.end());  // own and inherited label of one key
  matched.shrink_to_fit();
  return matched;
}

void LabelIndex::rematch(ClassId id) {
  std::vector<SelectorId> now = compute_matches(classes_[id]);
  const std::vector<SelectorId>& before = classes_[id].matches;
  std::vector<SelectorId> changed;
  std::set_symmetric_difference(before.begin(), before.end(), now.begin(), now.end(), std::back_inserter(changed));
  for (const SelectorId selector : changed) listener_.on_match_changing(selector, id);
  for (const SelectorId selector : classes_[id].matches) --selectors_[selector].match_count;
  for (const SelectorId selector : now) ++selectors_[selector].match_count;
  classes_[id].matches = std::move(now);
}

// ---- parents ---------------------------------------------------------------------------------------------------------

LabelIndex::ParentId LabelIndex::parent_id(const Symbol& name) {
  if (const auto it = parent_ids_.find(name); it != parent_ids_.end()) return it->second;
  ParentId id;
  if (free_parents_.empty()) {
    id = static_cast<ParentId>(parents_.size());
    parents_.emplace_back();
  } else {
    id = free_parents_.back();
    free_parents_.pop_back();
  }
  parents_[id].name = name;
  parent_ids_.emplace(name, id);
  return id;
}

void LabelIndex::forget_if_unused(ParentId id) {
  Parent& parent = parents_[id];
  if (!parent.classes.empty() || !parent.labels.empty() || parent.name.empty()) return;
  parent_ids_.erase(parent.name);
  parent = Parent{};
  free_parents_.push_back(id);
}

void LabelIndex::set_parent_labels(const Symbol& name, const Labels& labels) {
  if (name.empty() || (labels.pairs().empty() && !parent_ids_.contains(name))) return;
  const ParentId id = parent_id(name);
  if (parents_[id].labels == labels) return forget_if_unused(id);
  for (const auto& [key, value] : parents_[id].labels.pairs()) {
    const auto postings = parent_postings_.find(key);
    const auto posting = postings->second.by_value.find(value);
    erase_value(posting->second, id);
    --postings->second.total;
    if (posting->second.empty()) postings->second.by_value.erase(posting);
    if (postings->second.by_value.empty()) parent_postings_.erase(postings);
  }
  for (const auto& [key, value] : labels.pairs()) {
    auto& postings = parent_postings_[key];
    postings.by_value[value].push_back(id);
    ++postings.total;
  }
  parents_[id].labels = labels;
  for (const ClassId cls : parents_[id].classes) rematch(cls);
  forget_if_unused(id);
}

// ---- selectors -------------------------------------------------------------------------------------------------------

std::size_t LabelIndex::class_count(const Selector::Requirement& requirement) const {
  std::size_t count = 0;
  const auto inherited = [&](const std::vector<ParentId>& parents) {
    for (const ParentId parent : parents) count += parents_[parent].classes.size();
  };
  const auto own_it = class_postings_.find(requirement.key);
  const auto parent_it = parent_postings_.find(requirement.key);
  if (requirement.values.empty()) {
    if (own_it != class_postings_.end()) count += own_it->second.total;
    if (parent_it != parent_postings_.end()) {
      for (const auto& [value, parents] : parent_it->second.by_value) inherited(parents);
    }
    return count;
  }
  for (const Symbol& value : requirement.values) {
    if (own_it != class_postings_.end()) {
      if (const auto it = own_it->second.by_value.find(value); it != own_it->second.by_value.end()) count += it->second.size();
    }
    if (parent_it != parent_postings_.end()) {
      if (const auto it = parent_it->second.by_value.find(value); it != parent_it->second.by_value.end()) inherited(it->second);
    }
  }
  return count;
}

std::size_t LabelIndex::selector_count(const Selector::Requirement& requirement) const {
  const auto it = filed_.find(requirement.key);
  if (it == filed_.end()) return 0;
  if (requirement.values.empty()) return it->second.present.size();
  std::size_t count = 0;
  for (const Symbol& value : requirement.values) {
    if (const auto by_value = it->second.by_value.find(value); by_value != it->second.by_value.end()) {
      count += by_value->second.size();
    }
  }
  return count;
}

// Each class with the pair will evaluate the selector: take the rarest pair. Where nothing is known yet, spread the selectors.
void LabelIndex::file(SelectorId id) {
  SelectorEntry& entry = selectors_[id];
  entry.filed = -1;
  std::size_t best = 0;
  for (std::size_t i = 0; i < entry.requirements.size(); ++i) {
    const auto& requirement = entry.requirements[i];
    const std::size_t cost = class_count(requirement) + selector_count(requirement) + (requirement.values.empty() ? 1 : 0);
    if (entry.filed < 0 || cost < best) {
      entry.filed = static_cast<std::int32_t>(i);
      best = cost;
    }
  }
  if (entry.filed < 0) {
    unfiled_.push_back(id);
    return;
  }
  const auto& requirement = entry.requirements[static_cast<std::size_t>(entry.filed)];
  auto& key = filed_[requirement.key];
  if (requirement.values.empty()) key.present.push_back(id);
  for (const Symbol& value : requirement.values) key.by_value[value].push_back(id);
}

void LabelIndex::unfile(SelectorId id) {
  SelectorEntry& entry = selectors_[id];
  if (entry.filed < 0) return erase_value(unfiled_, id);
  const auto& requirement = entry.requirements[static_cast<std::size_t>(entry.filed)];
  const auto key = filed_.find(requirement.key);
  if (requirement.values.empty()) erase_value(key->second.present, id);
  for (const Symbol& value : requirement.values) {
    const auto it = key->second.by_value.find(value);
    erase_value(it->second, id);
    if (it->second.empty()) key->second.by_value.erase(it);
  }
  if (key->second.present.empty() && key->second.by_value.empty()) filed_.erase(key);
}

std::vector<LabelIndex::ClassId> LabelIndex::candidate_classes(const SelectorEntry& entry) const {
  std::vector<ClassId> candidates;
  ++epoch_;
  const auto add = [&](ClassId id) {
    if (std::exchange(classes_[id].stamp, epoch_) != epoch_) candidates.push_back(id);
  };
  const Selector::Requirement* best = nullptr;
  std::size_t best_count = 0;
  for (const auto& requirement : entry.requirements) {
    const std::size_t count = class_count(requirement);
    if (best == nullptr || count < best_count) {
      best = &requirement;
      best_count = count;
    }
  }
  if (best == nullptr) {
    candidates.reserve(class_ids_.size());
    for (const ClassId id : class_ids_) candidates.push_back(id);
    return candidates;
  }
  const auto own_it = class_postings_.find(best->key);
  const auto parent_it = parent_postings_.find(best->key);
  const auto add_own = [&](const std::vector<ClassId>& classes) {
    for (const ClassId id : classes) add(id);
  };
  const auto add_inherited = [&](const std::vector<ParentId>& parents) {
    for (const ParentId parent : parents) add_own(parents_[parent].classes);
  };
  if (best->values.empty()) {
    if (own_it != class_postings_.end()) {
      for (const auto& [value, classes] : own_it->second.by_value) add_own(classes);
    }
    if (parent_it != parent_postings_.end()) {
      for (const auto& [value, parents] : parent_it->second.by_value) add_inherited(parents);
    }
  }
  for (const Symbol& value : best->values) {
    if (own_it != class_postings_.end()) {
      if (const auto it = own_it->second.by_value.find(value); it != own_it->second.by_value.end()) add_own(it->second);
    }
    if (parent_it != parent_postings_.end()) {
      if (const auto it = parent_it->second.by_value.find(value); it != parent_it->second.by_value.end()) {
        add_inherited(it->second);
      }
    }
  }
  return candidates;
}

LabelIndex::SelectorId LabelIndex::add_selector(const Selector& selector) {
  if (const auto it = selector_ids_.find(selector); it != selector_ids_.end()) {
    ++selectors_[it->second].refs;
    return it->second;
  }
  SelectorId id;
  if (free_selectors_.empty()) {
    id = static_cast<SelectorId>(selectors_.size());
    selectors_.emplace_back();
  } else {
    id = free_selectors_.back();
    free_selectors_.pop_back();
  }
  SelectorEntry& entry = selectors_[id];
  entry.selector = selector;
  entry.requirements = selector.requirements();
  for (auto& requirement : entry.requirements) {  // a value named twice would be filed twice
    std::sort(requirement.values.begin(), requirement.values.end());
    requirement.values.erase(std::unique(requirement.values.begin(), requirement.values.end()), requirement.values.end());
  }
  entry.refs = 1;
  entry.match_count = 0;
  selector_ids_.emplace(selector, id);
  file(id);
  for (const ClassId cls : candidate_classes(entry)) {
    if (!evaluate(entry, classes_[cls])) continue;
    insert_sorted(classes_[cls].matches, id);
    ++entry.match_count;
  }
  return id;
}

void LabelIndex::remove_selector(SelectorId id) {
  SelectorEntry& entry = selectors_[id];
  MARGAY_ASSERT(entry.refs > 0);
  if (--entry.refs > 0) return;
  if (entry.match_count > 0) {
    for (const ClassId cls : candidate_classes(entry)) erase_sorted(classes_[cls].matches, id);
  }
  unfile(id);
  selector_ids_.erase(entry.selector);
  entry = SelectorEntry{};
  free_selectors_.push_back(id);
}

std::vector<LabelIndex::ClassId> LabelIndex::classes_matching(SelectorId id) const {
  std::vector<ClassId> classes;
  if (selectors_[id].match_count == 0) return classes;
  classes = candidate_classes(selectors_[id]);
  std::erase_if(classes, [&](ClassId cls) { return !matches(cls, id); });
  return classes;
}

LabelIndex::Stats LabelIndex::stats() const noexcept {
  return {.items = item_count_,
          .classes = class_ids_.size(),
          .selectors_indexed = selector_ids_.size() - unfiled_.size(),
          .selectors_unindexed = unfiled_.size(),
          .evals_matched = evals_matched_,
          .evals_unmatched = evals_unmatched_};
}

}  // namespace margay::calc
