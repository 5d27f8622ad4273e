#include "label_selector.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace margay::ctl {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '/' ||
         c == '-';
}

// kubectl's language, a requirement at a time, into Calico's. nullopt: it is not that.
class Translator {
 public:
  explicit Translator(std::string_view text) : rest_{text} {}

  std::optional<std::string> run() {
    std::string out;
    do {
      auto one = requirement();
      if (!one) return std::nullopt;
      out.append(out.empty() ? "" : " && ").append(*one);
    } while (take(","));
    blanks();
    return rest_.empty() ? std::optional{std::move(out)} : std::nullopt;
  }

 private:
  void blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    blanks();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  std::string word() {
    blanks();
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_word);
    std::string out{rest_.begin(), end};
    rest_.remove_prefix(out.size());
    return out;
  }
  // The values of "in" and "notin"; words alone, so that quoting them is all there is to do.
  std::optional<std::string> values() {
    if (!take("(") || take(")")) return std::nullopt;  // none is a mistake: "notin ()" would choose everything
    std::string out;
    do out.append(out.empty() ? "" : ", ").append(fmt::format("\"{}\"", word()));
    while (take(","));
    return take(")") ? std::optional{std::move(out)} : std::nullopt;
  }
  std::optional<std::string> requirement() {
    const bool absent = take("!");
    const std::string key = word();
    if (key.empty()) return std::nullopt;
    if (absent) return fmt::format("!has({})", key);
    if (take("!=")) return fmt::format("{} != \"{}\"", key, word());
    if (take("==") || take("=")) return fmt::format("{} == \"{}\"", key, word());
    const std::string operation = word();
    if (operation.empty()) return fmt::format("has({})", key);
    if (operation != "in" && operation != "notin") return std::nullopt;
    auto listed = values();
    if (!listed) return std::nullopt;
    return fmt::format("{} {} {{{}}}", key, operation == "in" ? "in" : "not in", *listed);
  }

  std::string_view rest_;
};

}  // namespace

Result<Selector> parse_label_selector(std::string_view text) {
  if (const auto translated = Translator{text}.run()) return Selector::parse(*translated);
  auto parsed = Selector::parse(text);
  if (!parsed)
    return Error{ErrorCode::Invalid,
                 fmt::format("\"{}\" is no label selector, neither like \"app=web,env in (a,b),!old\" nor like \"app == "
                             "'web' && has(new)\": {}",
                             text, parsed.error().text)};
  return parsed;
}

bool selects(const Selector& selector, const nlohmann::json& object) {
  std::vector<Labels::Pair> pairs;
  const auto at = nlohmann::json::json_pointer{"/metadata/labels"};
  if (object.is_object() && object.contains(at) && object[at].is_object())
    for (const auto& [key, value] : object[at].items())
      if (value.is_string()) pairs.emplace_back(Symbol{key}, Symbol{value.get_ref<const std::string&>()});
  return selector.matches(Labels{std::move(pairs)});
}

}  // namespace margay::ctl
