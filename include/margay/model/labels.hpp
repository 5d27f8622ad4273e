// Labels: an immutable, shared, sorted list of key = value. Pods of one deployment usually share one list.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "margay/base/symbol.hpp"

namespace margay {

class Labels {
 public:
  using Pair = std::pair<Symbol, Symbol>;

  Labels() = default;
  Labels(std::initializer_list<Pair> pairs) : Labels{std::vector<Pair>(pairs)} {}
  // Sorts by key; of equal keys the last one given wins.
  explicit Labels(std::vector<Pair> pairs);

  // The value of a key, or null if it is absent. The pointer lives as long as these labels (or a copy) do.
  [[nodiscard]] const Symbol* get(const Symbol& key) const noexcept;
  [[nodiscard]] const std::vector<Pair>& pairs() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return pairs_ == nullptr; }
  [[nodiscard]] const void* id() const noexcept { return pairs_.get(); }  // equal ids, equal labels

  friend bool operator==(const Labels& a, const Labels& b) noexcept { return a.pairs_ == b.pairs_ || a.pairs() == b.pairs(); }

 private:
  std::shared_ptr<const std::vector<Pair>> pairs_;
};

// One key's value as seen from a selector: of an endpoint, its own labels first, then those of its profiles in order.
class LabelView {
 public:
  virtual ~LabelView() = default;
  [[nodiscard]] virtual const Symbol* get(const Symbol& key) const noexcept = 0;
};

}  // namespace margay
