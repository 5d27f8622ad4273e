#include "selector_requirements.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

namespace margay::selector {
namespace {

// Values sorted by id; none: the key is present, with any value.
using Values = std::vector<Symbol>;
using Restrictions = std::unordered_map<Symbol, Values>;

void restrict_to(Restrictions& out, const Symbol& key, Values values) {
  auto [it, added] = out.try_emplace(key, std::move(values));
  if (added || values.empty()) return;
  if (it->second.empty()) {
    it->second = std::move(values);
    return;
  }
  Values common;
  std::set_intersection(values.begin(), values.end(), it->second.begin(), it->second.end(), std::back_inserter(common), by_id);
  // Nothing in common: it never matches. "No values" would read as "present", which is sound, but the old list says more.
  if (!common.empty()) it->second = std::move(common);
}

Restrictions collect(const Tree& tree, std::uint32_t at, bool negated);

Restrictions collect_all_of(const Tree& tree, std::uint32_t first, bool negated) {
  Restrictions out;
  for (auto i = first; i != kNone; i = tree.terms[i].next) {
    for (auto& [key, values] : collect(tree, i, negated)) restrict_to(out, key, std::move(values));
  }
  return out;
}

// Only a key that every operand restricts is restricted. Values are gathered and sorted once: many operands are usual.
Restrictions collect_any_of(const Tree& tree, std::uint32_t first, bool negated) {
  struct Gathered {
    Values values;
    std::size_t operands = 0;
    bool any_value = false;
  };
  std::unordered_map<Symbol, Gathered> keys;
  std::size_t operands = 0;
  for (auto i = first; i != kNone; i = tree.terms[i].next) {
    const auto restrictions = collect(tree, i, negated);
    for (const auto& [key, values] : restrictions) {
      auto it = operands == 0 ? keys.try_emplace(key).first : keys.find(key);
      if (it == keys.end() || it->second.operands != operands) continue;
      ++it->second.operands;
      it->second.any_value = it->second.any_value || values.empty();
      if (!it->second.any_value) it->second.values.insert(it->second.values.end(), values.begin(), values.end());
    }
    ++operands;
    if (restrictions.empty()) return {};
  }
  Restrictions out;
  for (auto& [key, gathered] : keys) {
    if (gathered.operands != operands) continue;
    if (gathered.any_value) gathered.values.clear();
    std::sort(gathered.values.begin(), gathered.values.end(), by_id);
    gathered.values.erase(std::unique(gathered.values.begin(), gathered.values.end()), gathered.values.end());
    out.emplace(key, std::move(gathered.values));
  }
  return out;
}

Restrictions collect(const Tree& tree, std::uint32_t at, bool negated) {
  const Term& term = tree.terms[at];
  const auto values = [&] { return Values(tree.values.begin() + term.first, tree.values.begin() + term.first + term.count); };
  switch (term.op) {
    case Op::All:
    case Op::Global: return {};
    case Op::Has:
    case Op::Contains:
    case Op::StartsWith:
    case Op::EndsWith: return negated ? Restrictions{} : Restrictions{{term.key, {}}};
    case Op::Equal:
    case Op::In: return negated ? Restrictions{} : Restrictions{{term.key, values()}};
    case Op::NotEqual:
    case Op::NotIn: return negated ? Restrictions{{term.key, values()}} : Restrictions{};
    case Op::Not: return collect(tree, term.child, !negated);
    case Op::And:
    case Op::Or:
      return (term.op == Op::And) != negated ? collect_all_of(tree, term.child, negated)
                                             : collect_any_of(tree, term.child, negated);
  }
  return {};
}

}  // namespace

std::vector<Selector::Requirement> requirements(const Tree& tree) {
  std::vector<Selector::Requirement> out;
  for (auto& [key, values] : collect(tree, tree.root, false)) {
    std::sort(values.begin(), values.end());
    out.push_back({key, std::move(values)});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return out;
}

}  // namespace margay::selector
