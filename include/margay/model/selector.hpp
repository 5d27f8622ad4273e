// Selector: Calico's label selector language; parse, evaluate, canonical text. Grammar and semantics: Calico selectors
// (docs/design/datastore.md §selectors). Immutable and shared: copying is one reference count.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/base/symbol.hpp"
#include "margay/model/labels.hpp"

namespace margay {

class Selector {
 public:
  struct Node;  // src/model/selector_tree.hpp

  Selector();  // all()
  // Empty or blank text is all(). An error names the position (in bytes, from 0) and what was expected there.
  // Operators nested more than 100 deep are an error.
  [[nodiscard]] static Result<Selector> parse(std::string_view text);
  // Built, not parsed: key == "value"; key in {…}; has(key); (a && b), with the nesting of a and b kept.
  [[nodiscard]] static Selector equals(Symbol key, Symbol value);
  [[nodiscard]] static Selector one_of(Symbol key, std::vector<Symbol> values);
  [[nodiscard]] static Selector has(Symbol key);
  [[nodiscard]] static Selector both(const Selector& a, const Selector& b);

  [[nodiscard]] bool matches(const LabelView& labels) const noexcept;
  [[nodiscard]] bool matches(const Labels& labels) const noexcept;

  [[nodiscard]] const std::string& canonical() const noexcept;  // e.g. (a == "b" && has(c))
  [[nodiscard]] const std::string& set_id() const noexcept;     // "s:" + 38 characters, from the canonical text
  [[nodiscard]] bool is_all() const noexcept;

  // Every label name L becomes prefix + L (pcns., pcsa.).
  [[nodiscard]] Selector with_prefix(std::string_view prefix) const;
  // Every all() becomes has(key) and, if asked for, every global() becomes !has(key).
  [[nodiscard]] Selector narrowed_to(const Symbol& key, bool global_too = false) const;
  [[nodiscard]] bool mentions_global() const noexcept;

  // What any match must have: at least one pair of each requirement. For an index that avoids evaluating every selector.
  // A requirement with no values means "the key is present". Only sound restrictions are listed; there may be none.
  struct Requirement {
    Symbol key;
    std::vector<Symbol> values;
  };
  [[nodiscard]] std::vector<Requirement> requirements() const;
  // Every label name the selector mentions: a change of any other label cannot change the result.
  [[nodiscard]] std::vector<Symbol> keys() const;

  friend bool operator==(const Selector& a, const Selector& b) noexcept {
    return a.root_ == b.root_ || a.canonical() == b.canonical();
  }

 private:
  explicit Selector(std::shared_ptr<const Node> root);
  std::shared_ptr<const Node> root_;
};

}  // namespace margay

template <>
struct std::hash<margay::Selector> {
  std::size_t operator()(const margay::Selector& s) const noexcept { return std::hash<std::string>{}(s.canonical()); }
};
