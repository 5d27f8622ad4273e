#include "margay/model/labels.hpp"

#include <algorithm>
#include <unordered_map>

namespace margay {
namespace {

// Up to here a scan by pointer beats a binary search by text; few objects have more labels.
constexpr std::size_t kScanLimit = 48;

const std::vector<Labels::Pair> kNone;

// Equal lists are one: the pods of a deployment cost theirs once. A list leaves the table when its last holder goes.
struct List : std::enable_shared_from_this<List> {
  List(std::vector<Labels::Pair> given, std::size_t its_hash);
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List();
  std::vector<Labels::Pair> pairs;
  std::size_t hash;
};

// Never destroyed: labels in static objects may outlive any order of destruction we could choose.
auto& table() {
  static auto* const lists = new std::unordered_multimap<std::size_t, List*>;
  return *lists;
}

List::List(std::vector<Labels::Pair> given, std::size_t its_hash) : pairs{std::move(given)}, hash{its_hash} {
  table().emplace(hash, this);
}

List::~List() {
  const auto [first, last] = table().equal_range(hash);
  const auto self = std::find_if(first, last, [&](const auto& entry) { return entry.second == this; });
  if (self != last) table().erase(self);
}

std::size_t hash_of(const std::vector<Labels::Pair>& pairs) noexcept {
  std::size_t hash = pairs.size();
  for (const auto& [key, value] : pairs) {
    hash = hash * 0x9e3779b97f4a7c15ULL + std::hash<Symbol>{}(key);
    hash = hash * 0x9e3779b97f4a7c15ULL + std::hash<Symbol>{}(value);
  }
  return hash;
}

}  // namespace

Labels::Labels(std::vector<Pair> pairs) {
  if (pairs.empty()) return;
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.first < b.first; });
  // Of equal keys the last one stays.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i + 1 < pairs.size() && pairs[i].first == pairs[i + 1].first) continue;
    if (kept != i) pairs[kept] = std::move(pairs[i]);
    ++kept;
  }
  pairs.resize(kept);
  const std::size_t hash = hash_of(pairs);
  const auto [first, last] = table().equal_range(hash);
  const auto known = std::find_if(first, last, [&](const auto& entry) { return entry.second->pairs == pairs; });
  std::shared_ptr<List> list;
  if (known != last) {
    list = known->second->shared_from_this();
  } else {
    pairs.shrink_to_fit();
    list = std::make_shared<List>(std::move(pairs), hash);
  }
  const auto* const shared = &list->pairs;
  pairs_ = std::shared_ptr<const std::vector<Pair>>{std::move(list), shared};
}

const Symbol* Labels::get(const Symbol& key) const noexcept {
  if (!pairs_) return nullptr;
  if (pairs_->size() <= kScanLimit) {
    for (const auto& [k, v] : *pairs_) {
      if (k == key) return &v;
    }
    return nullptr;
  }
  const auto it = std::lower_bound(pairs_->begin(), pairs_->end(), key,
                                   [](const Pair& pair, const Symbol& wanted) { return pair.first < wanted; });
  return it != pairs_->end() && it->first == key ? &it->second : nullptr;
}

const std::vector<Labels::Pair>& Labels::pairs() const noexcept { return pairs_ ? *pairs_ : kNone; }

}  // namespace margay
