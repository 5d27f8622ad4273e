// The compiled form of a selector: terms in one array, linked by index. Its canonical text and set id are worked out when first
// asked for, and kept: selectors that only are parts of others never need them.
//
// One block of memory per selector, so that the label index walks it without chasing pointers. Values of a set are ordered
// by symbol id (a pointer compare), never by text; only the canonical text shows them in text order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "margay/base/symbol.hpp"
#include "margay/model/selector.hpp"

namespace margay::selector {

enum class Op : std::uint8_t { All, Global, Has, Equal, NotEqual, Contains, StartsWith, EndsWith, In, NotIn, Not, And, Or };

inline constexpr std::uint32_t kNone = 0xffffffff;

struct Term {
  Op op = Op::All;
  std::uint32_t child = kNone;  // Not, And, Or: the first operand
  std::uint32_t next = kNone;   // the next operand of the same parent
  std::uint32_t first = 0;      // leaves with a value: where their values begin, and how many there are
  std::uint32_t count = 0;
  Symbol key;
};

[[nodiscard]] inline bool by_id(const Symbol& a, const Symbol& b) noexcept { return std::less<>{}(a.id(), b.id()); }

// Terms in the order they were made; a parent comes after its operands.
struct Tree {
  std::vector<Term> terms;
  std::vector<Symbol> values;
  std::uint32_t root = kNone;

  [[nodiscard]] std::uint32_t add_leaf(Op op, Symbol key = {}, std::vector<Symbol> leaf_values = {});
  // !!x is x.
  [[nodiscard]] std::uint32_t add_not(std::uint32_t operand);
  // At least one operand; of one operand it is that operand.
  [[nodiscard]] std::uint32_t add_list(Op op, const std::vector<std::uint32_t>& operands);
  // A copy of another whole tree.
  [[nodiscard]] std::uint32_t append(const Tree& other);
  // A copy of a sub-tree of another tree, with each leaf given to `leaf(tree, term)` where it may be replaced.
  template <class Leaf>
  std::uint32_t copy(const Tree& other, std::uint32_t at, const Leaf& leaf);

  [[nodiscard]] std::string canonical() const;
};

template <class Leaf>
std::uint32_t Tree::copy(const Tree& other, std::uint32_t at, const Leaf& leaf) {
  const Term& term = other.terms[at];
  switch (term.op) {
    case Op::Not: return add_not(copy(other, term.child, leaf));
    case Op::And:
    case Op::Or: {
      std::vector<std::uint32_t> operands;
      for (auto i = term.child; i != kNone; i = other.terms[i].next) operands.push_back(copy(other, i, leaf));
      return add_list(term.op, operands);
    }
    default: {
      std::vector<Symbol> leaf_values(other.values.begin() + term.first, other.values.begin() + term.first + term.count);
      return leaf(*this, term, std::move(leaf_values));
    }
  }
}

}  // namespace margay::selector

namespace margay {

struct Selector::Node {
  selector::Tree tree;
  mutable std::string canonical;  // empty: not asked for yet; one thread, as everywhere
  mutable std::string set_id;
};

}  // namespace margay
