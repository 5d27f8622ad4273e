// DeltaMap: what we want, what the dataplane has, and the keys on which they differ. It never touches the dataplane itself.
//
//        wanted            seen
//      ┌─────────┬─────────────┬─────────┐
//      │ to add  │ same │ differ│ to drop │      pending updates = "to add" + "differ"; pending deletes = "to drop"
//      └─────────┴─────────────┴─────────┘
//
// Every operation keeps both pending sets exact, so the cost of an apply is the size of the difference. The writer passed to
// for_each_* says per key whether its write happened; what did not happen stays pending.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace margay {

enum class Applied : bool { No = false, Yes = true };

template <class K, class V, class Hash = std::hash<K>>
class DeltaMap {
 public:
  using Map = std::unordered_map<K, V, Hash>;

  void want(const K& key, V value) {
    wanted_.insert_or_assign(key, std::move(value));
    recompute(key);
  }
  void unwant(const K& key) {
    wanted_.erase(key);
    recompute(key);
  }
  // The dataplane was seen to hold this.
  void seen(const K& key, V value) {
    seen_.insert_or_assign(key, std::move(value));
    recompute(key);
  }
  void seen_gone(const K& key) {
    seen_.erase(key);
    recompute(key);
  }
  // A whole read-back replaces all we believed.
  void replace_seen(Map everything) {
    seen_ = std::move(everything);
    updates_.clear();
    deletes_.clear();
    for (const auto& [key, value] : wanted_) recompute(key);
    for (const auto& [key, value] : seen_) recompute(key);
  }

  [[nodiscard]] const Map& wanted() const noexcept { return wanted_; }
  [[nodiscard]] const Map& seen() const noexcept { return seen_; }
  [[nodiscard]] const V* find_wanted(const K& key) const {
    auto it = wanted_.find(key);
    return it == wanted_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] const V* find_seen(const K& key) const {
    auto it = seen_.find(key);
    return it == seen_.end() ? nullptr : &it->second;
  }
  [[nodiscard]] bool in_sync() const noexcept { return updates_.empty() && deletes_.empty(); }
  [[nodiscard]] const std::unordered_set<K, Hash>& pending_updates() const noexcept { return updates_; }
  [[nodiscard]] const std::unordered_set<K, Hash>& pending_deletes() const noexcept { return deletes_; }

  // write(key, wanted value) -> Applied. A key written becomes seen.
  template <class F>
  void for_each_update(F&& write) {
    for (const K& key : std::vector<K>(updates_.begin(), updates_.end())) {
      const V& value = wanted_.at(key);
      if (write(key, value) == Applied::Yes) {
        seen_.insert_or_assign(key, value);
        updates_.erase(key);
      }
    }
  }
  // write(key) -> Applied. A key deleted is no longer seen.
  template <class F>
  void for_each_delete(F&& write) {
    for (const K& key : std::vector<K>(deletes_.begin(), deletes_.end())) {
      if (write(key) == Applied::Yes) {
        seen_.erase(key);
        deletes_.erase(key);
      }
    }
  }

 private:
  void recompute(const K& key) {
    const auto want = wanted_.find(key);
    const auto have = seen_.find(key);
    const bool update = want != wanted_.end() && (have == seen_.end() || !(have->second == want->second));
    const bool drop = want == wanted_.end() && have != seen_.end();
    if (update) updates_.insert(key);
    else updates_.erase(key);
    if (drop) deletes_.insert(key);
    else deletes_.erase(key);
  }

  Map wanted_;
  Map seen_;
  std::unordered_set<K, Hash> updates_;
  std::unordered_set<K, Hash> deletes_;
};

}  // namespace margay
