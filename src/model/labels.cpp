#include "margay/model/labels.hpp"

#include <algorithm>

namespace margay {
namespace {

// Up to here a scan by pointer beats a binary search by text; few objects have more labels.
constexpr std::size_t kScanLimit = 48;

const std::vector<Labels::Pair> kNone;

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
  pairs.shrink_to_fit();
  pairs_ = std::make_shared<const std::vector<Pair>>(std::move(pairs));
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
