// patch_sorted: brings a sorted vector up to date in what changed, in place while that is little.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

namespace margay::bgp::view {

// `changed`: sorted, distinct keys. `make`: key → the element now, if there is one. Elements are distinct by key.
template <class T, class KeyOf, class Keys, class Make>
void patch_sorted(std::vector<T>& list, KeyOf key_of, const Keys& changed, Make make) {
  constexpr std::size_t kFew = 16;  // above, one merge is cheaper than moving the tail again and again
  const auto before = [&](const T& element, const auto& key) { return key_of(element) < key; };
  if (changed.size() <= kFew) {
    for (const auto& key : changed) {
      const auto at = std::lower_bound(list.begin(), list.end(), key, before);
      const bool there = at != list.end() && key_of(*at) == key;
      auto now = make(key);
      if (there && now) *at = *std::move(now);
      else if (there) list.erase(at);
      else if (now) list.insert(at, *std::move(now));
    }
    return;
  }
  std::vector<T> merged;
  merged.reserve(list.size() + changed.size());
  auto at = list.begin();
  for (const auto& key : changed) {
    const auto next = std::lower_bound(at, list.end(), key, before);
    std::move(at, next, std::back_inserter(merged));
    at = next != list.end() && key_of(*next) == key ? std::next(next) : next;
    if (auto now = make(key)) merged.push_back(*std::move(now));
  }
  std::move(at, list.end(), std::back_inserter(merged));
  list = std::move(merged);
}

}  // namespace margay::bgp::view
