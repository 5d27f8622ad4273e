#include "selector_tree.hpp"

#include <algorithm>

namespace margay::selector {
namespace {

// A string cannot hold its own quote, so one of the two always fits a parsed value.
void write_value(std::string& out, std::string_view value) {
  const char quote = value.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  out += value;
  out += quote;
}

void write(const Tree& tree, std::uint32_t at, std::string& out);

void write_comparison(const Tree& tree, const Term& term, std::string_view word, std::string& out) {
  out += term.key.view();
  out += word;
  write_value(out, tree.values[term.first].view());
}

void write_set(const Tree& tree, const Term& term, std::string_view word, std::string& out) {
  std::vector<std::string_view> texts;
  texts.reserve(term.count);
  for (std::uint32_t i = 0; i < term.count; ++i) texts.push_back(tree.values[term.first + i].view());
  std::sort(texts.begin(), texts.end());
  out += term.key.view();
  out += word;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ", ";
    write_value(out, texts[i]);
  }
  out += '}';
}

void write_list(const Tree& tree, const Term& term, std::string_view word, std::string& out) {
  out += '(';
  for (auto i = term.child; i != kNone; i = tree.terms[i].next) {
    if (i != term.child) out += word;
    write(tree, i, out);
  }
  out += ')';
}

void write(const Tree& tree, std::uint32_t at, std::string& out) {
  const Term& term = tree.terms[at];
  switch (term.op) {
    case Op::All: out += "all()"; break;
    case Op::Global: out += "global()"; break;
    case Op::Has:
      out += "has(";
      out += term.key.view();
      out += ')';
      break;
    case Op::Equal: write_comparison(tree, term, " == ", out); break;
    case Op::NotEqual: write_comparison(tree, term, " != ", out); break;
    case Op::Contains: write_comparison(tree, term, " contains ", out); break;
    case Op::StartsWith: write_comparison(tree, term, " starts with ", out); break;
    case Op::EndsWith: write_comparison(tree, term, " ends with ", out); break;
    case Op::In: write_set(tree, term, " in {", out); break;
    case Op::NotIn: write_set(tree, term, " not in {", out); break;
    case Op::Not:
      out += '!';
      write(tree, term.child, out);
      break;
    case Op::And: write_list(tree, term, " && ", out); break;
    case Op::Or: write_list(tree, term, " || ", out); break;
  }
}

}  // namespace

std::uint32_t Tree::add_leaf(Op op, Symbol key, std::vector<Symbol> leaf_values) {
  Term term;
  term.op = op;
  term.key = std::move(key);
  if (op == Op::In || op == Op::NotIn) {
    std::sort(leaf_values.begin(), leaf_values.end(), by_id);
    leaf_values.erase(std::unique(leaf_values.begin(), leaf_values.end()), leaf_values.end());
  }
  term.first = static_cast<std::uint32_t>(values.size());
  term.count = static_cast<std::uint32_t>(leaf_values.size());
  values.insert(values.end(), std::make_move_iterator(leaf_values.begin()), std::make_move_iterator(leaf_values.end()));
  terms.push_back(std::move(term));
  return static_cast<std::uint32_t>(terms.size() - 1);
}

std::uint32_t Tree::add_not(std::uint32_t operand) {
  if (terms[operand].op == Op::Not) return terms[operand].child;
  Term term;
  term.op = Op::Not;
  term.child = operand;
  terms.push_back(std::move(term));
  return static_cast<std::uint32_t>(terms.size() - 1);
}

std::uint32_t Tree::add_list(Op op, const std::vector<std::uint32_t>& operands) {
  if (operands.size() == 1) return operands.front();
  Term term;
  term.op = op;
  term.child = operands.front();
  for (std::size_t i = 0; i + 1 < operands.size(); ++i) terms[operands[i]].next = operands[i + 1];
  terms.push_back(std::move(term));
  return static_cast<std::uint32_t>(terms.size() - 1);
}

std::uint32_t Tree::append(const Tree& other) {
  const auto terms_before = static_cast<std::uint32_t>(terms.size());
  const auto values_before = static_cast<std::uint32_t>(values.size());
  terms.insert(terms.end(), other.terms.begin(), other.terms.end());
  values.insert(values.end(), other.values.begin(), other.values.end());
  for (std::size_t i = terms_before; i < terms.size(); ++i) {
    if (terms[i].child != kNone) terms[i].child += terms_before;
    if (terms[i].next != kNone) terms[i].next += terms_before;
    terms[i].first += values_before;
  }
  return other.root + terms_before;
}

std::string Tree::canonical() const {
  std::string out;
  write(*this, root, out);
  return out;
}

}  // namespace margay::selector
