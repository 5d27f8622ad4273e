#include "selector_parser.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace margay::selector {
namespace {

constexpr std::size_t kMaxLabel = 512;

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr bool is_label(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/' ||
         c == '-';
}

// A parsed sub-tree: its index, and how many And/Or are nested in it.
struct Operand {
  std::uint32_t index;
  std::size_t depth;
};
using Parsed = std::optional<Operand>;

// Recursive descent. The first failure sets `error` and unwinds with empty results.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_{text} {}

  Result<Tree> run() {
    skip_space();
    if (at_end()) {
      tree_.root = tree_.add_leaf(Op::All);
      return std::move(tree_);
    }
    const auto parsed = parse_list(Op::Or);
    if (parsed && !at_end()) fail("'&&', '||' or the end");
    if (!error_.empty()) return Error{ErrorCode::Invalid, std::move(error_)};
    tree_.root = parsed->index;
    return std::move(tree_);
  }

 private:
  [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] bool looking_at(std::string_view token) const noexcept { return text_.substr(at_, token.size()) == token; }

  void skip_space() noexcept {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }
  // Takes the token and the white space behind it.
  bool take(std::string_view token) noexcept {
    if (!looking_at(token)) return false;
    at_ += token.size();
    skip_space();
    return true;
  }
  std::nullopt_t fail(std::string_view expected) {
    if (error_.empty()) {
      error_ = "at position " + std::to_string(at_) + ": expected ";
      error_ += expected;
    }
    return std::nullopt;
  }
  std::nullopt_t too_deep() {
    if (error_.empty()) error_ = "at position " + std::to_string(at_) + ": nested too deeply";
    return std::nullopt;
  }

  // Or: operands are And lists; And: operands are single operations.
  Parsed parse_list(Op op) {
    std::vector<std::uint32_t> operands;
    std::size_t depth = 0;
    do {
      const auto operand = op == Op::Or ? parse_list(Op::And) : parse_operation();
      if (!operand) return std::nullopt;
      operands.push_back(operand->index);
      depth = std::max(depth, operand->depth);
    } while (take(op == Op::Or ? "||" : "&&"));
    if (operands.size() > 1 && ++depth > kMaxDepth) return too_deep();
    return Operand{tree_.add_list(op, operands), depth};
  }

  // A loop over '!', so that a long run of them costs no stack.
  Parsed parse_operation() {
    bool negated = false;
    while (take("!")) negated = !negated;
    auto operand = parse_primary();
    if (operand && negated) operand->index = tree_.add_not(operand->index);
    return operand;
  }

  Parsed parse_primary() {
    if (take("(")) {
      if (++parentheses_ > kMaxParentheses) return too_deep();
      auto inner = parse_list(Op::Or);
      if (!inner) return std::nullopt;
      if (!take(")")) return fail("'&&', '||' or ')'");
      --parentheses_;
      return inner;
    }
    // No space between these words and their parenthesis; with one, or without parenthesis, they are labels.
    if (take("has(")) {
      auto label = parse_label();
      if (!label) return std::nullopt;
      if (!take(")")) return fail("')'");
      return leaf(Op::Has, std::move(*label));
    }
    const bool all = take("all(");
    if (all || take("global(")) {
      if (!take(")")) return fail("')'");
      return leaf(all ? Op::All : Op::Global);
    }
    if (at_end() || !is_label(text_[at_])) return fail("a label, '!', '(', has(…), all() or global()");
    auto label = parse_label();
    if (!label) return std::nullopt;
    return parse_comparison(std::move(*label));
  }

  Parsed parse_comparison(Symbol label) {
    if (take("==")) return string_leaf(Op::Equal, std::move(label));
    if (take("!=")) return string_leaf(Op::NotEqual, std::move(label));
    if (take_words("contains")) return string_leaf(Op::Contains, std::move(label));
    if (take_words("starts", "with")) return string_leaf(Op::StartsWith, std::move(label));
    if (take_words("ends", "with")) return string_leaf(Op::EndsWith, std::move(label));
    if (take_words("not", "in")) return set_leaf(Op::NotIn, std::move(label));
    if (take_words("in")) return set_leaf(Op::In, std::move(label));
    return fail("an operator (==, !=, contains, starts with, ends with, in, not in)");
  }

  // One or two words; white space between the two may be missing. A letter behind is left to the operand, which refuses it.
  bool take_words(std::string_view first, std::string_view second = {}) noexcept {
    const auto start = at_;
    if (take(first) && (second.empty() || take(second))) return true;
    at_ = start;
    return false;
  }

  std::optional<Symbol> parse_label() {
    const auto start = at_;
    while (!at_end() && is_label(text_[at_])) ++at_;
    const auto size = at_ - start;
    if (size == 0) return fail("a label");
    if (size > kMaxLabel) {
      at_ = start;
      return fail("a label of at most 512 characters");
    }
    Symbol label{text_.substr(start, size)};
    skip_space();
    return label;
  }

  std::optional<Symbol> parse_string() {
    if (at_end() || (text_[at_] != '"' && text_[at_] != '\'')) return fail("a quoted string");
    const auto end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return fail("a quoted string with its closing quote");
    Symbol value{text_.substr(at_ + 1, end - at_ - 1)};
    at_ = end + 1;
    skip_space();
    return value;
  }

  Parsed string_leaf(Op op, Symbol label) {
    auto value = parse_string();
    if (!value) return std::nullopt;
    return leaf(op, std::move(label), {std::move(*value)});
  }

  Parsed set_leaf(Op op, Symbol label) {
    if (!take("{")) return fail("'{'");
    std::vector<Symbol> values;
    while (!take("}")) {
      if (!values.empty() && !take(",")) return fail("',' or '}'");
      if (!values.empty() && take("}")) break;  // one trailing comma
      auto value = parse_string();
      if (!value) return std::nullopt;
      values.push_back(std::move(*value));
    }
    return leaf(op, std::move(label), std::move(values));
  }

  Operand leaf(Op op, Symbol label = {}, std::vector<Symbol> values = {}) {
    return {tree_.add_leaf(op, std::move(label), std::move(values)), 0};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t parentheses_ = 0;
  std::string error_;
  Tree tree_;
};

}  // namespace

Result<Tree> parse(std::string_view text) { return Parser{text}.run(); }

}  // namespace margay::selector
