#include "margay/model/selector.hpp"

#include <algorithm>

#include "margay/base/hash.hpp"
#include "selector_parser.hpp"
#include "selector_requirements.hpp"
#include "selector_tree.hpp"

namespace margay {
namespace {

using selector::kNone;
using selector::Op;
using selector::Term;
using selector::Tree;

std::shared_ptr<const Selector::Node> finish(Tree tree) {
  auto node = std::make_shared<Selector::Node>();
  tree.terms.shrink_to_fit();
  tree.values.shrink_to_fit();
  node->tree = std::move(tree);
  return node;
}

std::shared_ptr<const Selector::Node> single(Op op, Symbol key = {}, std::vector<Symbol> values = {}) {
  Tree tree;
  tree.root = tree.add_leaf(op, std::move(key), std::move(values));
  return finish(std::move(tree));
}

const std::shared_ptr<const Selector::Node>& everything() {
  static const auto node = single(Op::All);
  return node;
}

bool mentions(const Tree& tree, Op op) noexcept {
  return std::any_of(tree.terms.begin(), tree.terms.end(), [op](const Term& term) { return term.op == op; });
}

constexpr std::uint32_t kScanLimit = 16;

bool is_member(const Tree& tree, const Term& term, const Symbol& value) noexcept {
  const auto* first = tree.values.data() + term.first;
  const auto* last = first + term.count;
  if (term.count > kScanLimit) return std::binary_search(first, last, value, selector::by_id);
  return std::find(first, last, value) != last;
}

// Recursion is as deep as the tree, which the parser limits. `Source` has get(key), returning the value or null.
template <class Source>
bool evaluate(const Tree& tree, std::uint32_t at, const Source& labels) noexcept {
  const Term& term = tree.terms[at];
  switch (term.op) {
    case Op::All:
    case Op::Global: return true;
    case Op::Not: return !evaluate(tree, term.child, labels);
    case Op::And:
      for (auto i = term.child; i != kNone; i = tree.terms[i].next) {
        if (!evaluate(tree, i, labels)) return false;
      }
      return true;
    case Op::Or:
      for (auto i = term.child; i != kNone; i = tree.terms[i].next) {
        if (evaluate(tree, i, labels)) return true;
      }
      return false;
    default: break;
  }
  const Symbol* value = labels.get(term.key);
  if (value == nullptr) return term.op == Op::NotEqual || term.op == Op::NotIn;
  switch (term.op) {
    case Op::Has: return true;
    case Op::Equal: return *value == tree.values[term.first];
    case Op::NotEqual: return !(*value == tree.values[term.first]);
    case Op::Contains: return value->view().find(tree.values[term.first].view()) != std::string_view::npos;
    case Op::StartsWith: return value->view().starts_with(tree.values[term.first].view());
    case Op::EndsWith: return value->view().ends_with(tree.values[term.first].view());
    case Op::In: return is_member(tree, term, *value);
    case Op::NotIn: return !is_member(tree, term, *value);
    default: return false;
  }
}

}  // namespace

Selector::Selector() : root_{everything()} {}
Selector::Selector(std::shared_ptr<const Node> root) : root_{std::move(root)} {}

Result<Selector> Selector::parse(std::string_view text) {
  auto tree = selector::parse(text);
  if (!tree) return std::move(tree).error();
  if (tree->terms[tree->root].op == Op::All) return Selector{};
  return Selector{finish(std::move(*tree))};
}

Selector Selector::equals(Symbol key, Symbol value) { return Selector{single(Op::Equal, std::move(key), {std::move(value)})}; }
Selector Selector::one_of(Symbol key, std::vector<Symbol> values) {
  return Selector{single(Op::In, std::move(key), std::move(values))};
}
Selector Selector::has(Symbol key) { return Selector{single(Op::Has, std::move(key))}; }

Selector Selector::both(const Selector& a, const Selector& b) {
  Tree tree;
  tree.terms.reserve(a.root_->tree.terms.size() + b.root_->tree.terms.size() + 1);
  const auto left = tree.append(a.root_->tree);
  const auto right = tree.append(b.root_->tree);
  tree.root = tree.add_list(Op::And, {left, right});
  return Selector{finish(std::move(tree))};
}

Selector Selector::with_prefix(std::string_view prefix) const {
  Tree tree;
  std::string name;
  const auto prefixed = [&](Tree& to, const Term& term, std::vector<Symbol> values) {
    if (term.op == Op::All || term.op == Op::Global) return to.add_leaf(term.op);
    name = prefix;
    name += term.key.view();
    return to.add_leaf(term.op, name, std::move(values));
  };
  tree.root = tree.copy(root_->tree, root_->tree.root, prefixed);
  return Selector{finish(std::move(tree))};
}

Selector Selector::narrowed_to(const Symbol& key, bool global_too) const {
  if (!mentions(root_->tree, Op::All) && !(global_too && mentions(root_->tree, Op::Global))) return *this;
  Tree tree;
  const auto narrowed = [&](Tree& to, const Term& term, std::vector<Symbol> values) {
    if (term.op == Op::All) return to.add_leaf(Op::Has, key);
    if (term.op == Op::Global && global_too) return to.add_not(to.add_leaf(Op::Has, key));
    return to.add_leaf(term.op, term.key, std::move(values));
  };
  tree.root = tree.copy(root_->tree, root_->tree.root, narrowed);
  return Selector{finish(std::move(tree))};
}

bool Selector::matches(const LabelView& labels) const noexcept { return evaluate(root_->tree, root_->tree.root, labels); }
bool Selector::matches(const Labels& labels) const noexcept { return evaluate(root_->tree, root_->tree.root, labels); }

const std::string& Selector::canonical() const noexcept {
  if (root_->canonical.empty()) root_->canonical = root_->tree.canonical();
  return root_->canonical;
}
const std::string& Selector::set_id() const noexcept {
  if (root_->set_id.empty()) root_->set_id = make_unique_id("s", canonical());
  return root_->set_id;
}
bool Selector::is_all() const noexcept { return root_->tree.terms[root_->tree.root].op == Op::All; }

bool Selector::mentions_global() const noexcept { return mentions(root_->tree, Op::Global); }

std::vector<Selector::Requirement> Selector::requirements() const { return selector::requirements(root_->tree); }

std::vector<Symbol> Selector::keys() const {
  std::vector<Symbol> out;
  for (const auto& term : root_->tree.terms) {
    if (!term.key.empty()) out.push_back(term.key);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace margay
