// Random selectors against a direct reading of the language: an expression is made together with its text, and judged on
// plain maps of strings.
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "margay/model/selector.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;

namespace {

using Map = std::map<std::string, std::string>;

struct Expression {
  std::string op;  // "all", "has", "==", …, "!", "&&", "||"
  std::string key;
  std::vector<std::string> values;
  std::vector<Expression> operands;
};

bool holds(const Expression& e, const Map& labels) {
  if (e.op == "all") return true;
  if (e.op == "!") return !holds(e.operands[0], labels);
  if (e.op == "&&" || e.op == "||") {
    for (const auto& operand : e.operands) {
      if (holds(operand, labels) != (e.op == "&&")) return e.op == "||";
    }
    return e.op == "&&";
  }
  const auto it = labels.find(e.key);
  const bool present = it != labels.end();
  const std::string value = present ? it->second : "";
  const bool member = present && std::set<std::string>(e.values.begin(), e.values.end()).contains(value);
  if (e.op == "has") return present;
  if (e.op == "==" || e.op == "in") return member;
  if (e.op == "!=" || e.op == "not in") return !member;
  if (!present) return false;
  if (e.op == "contains") return value.find(e.values[0]) != std::string::npos;
  if (e.op == "starts with") return value.substr(0, e.values[0].size()) == e.values[0];
  return value.size() >= e.values[0].size() && value.substr(value.size() - e.values[0].size()) == e.values[0];
}

struct Random {
  std::mt19937_64 engine;
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(engine); }
  std::string pick(const std::vector<std::string>& from) { return from[below(from.size())]; }
};

const std::vector<std::string> kKeys{"a", "b", "c", "in", "x.y/z-1"};
const std::vector<std::string> kValues{"", "x", "y", "xy", "yx", "xyx"};

Expression make(Random& random, int depth) {
  Expression e;
  const auto kind = random.below(depth > 0 ? 12 : 9);
  if (kind >= 9) {
    e.op = std::vector<std::string>{"!", "&&", "||"}[kind - 9];
    const std::size_t count = e.op == "!" ? 1 : 2 + random.below(3);
    for (std::size_t i = 0; i < count; ++i) e.operands.push_back(make(random, depth - 1));
    return e;
  }
  e.op = std::vector<std::string>{"all", "has", "==", "!=", "in", "not in", "contains", "starts with", "ends with"}[kind];
  e.key = random.pick(kKeys);
  const std::size_t count = e.op == "in" || e.op == "not in" ? random.below(4) : 1;
  for (std::size_t i = 0; i < count; ++i) e.values.push_back(random.pick(kValues));
  return e;
}

std::string write(const Expression& e, Random& random) {
  const auto space = [&] { return random.pick({"", "", " ", "\t", "  "}); };
  const auto quoted = [&](const std::string& value) { return random.below(2) ? "'" + value + "'" : '"' + value + '"'; };
  if (e.op == "all") return "all(" + space() + ")";
  if (e.op == "has") return "has(" + space() + e.key + space() + ")";
  if (e.op == "!") return "!" + space() + "(" + write(e.operands[0], random) + ")";
  if (e.op == "&&" || e.op == "||") {
    std::string out;
    for (const auto& operand : e.operands) {
      if (!out.empty()) out += space() + e.op + space();
      const bool bare = operand.operands.empty() && random.below(2) == 0;
      out += bare ? write(operand, random) : "(" + write(operand, random) + space() + ")";
    }
    return out;
  }
  const auto word = e.op[0] == '=' || e.op[0] == '!' ? space() + e.op : " " + e.op;
  if (e.op != "in" && e.op != "not in") return e.key + word + space() + quoted(e.values[0]);
  std::string out = e.key + word + space() + "{";
  for (std::size_t i = 0; i < e.values.size(); ++i) out += (i > 0 ? "," + space() : space()) + quoted(e.values[i]) + space();
  return out + (!e.values.empty() && random.below(3) == 0 ? ",}" : "}");
}

Labels labels_of(const Map& map, const std::string& prefix = "") {
  std::vector<Labels::Pair> pairs;
  for (const auto& [key, value] : map) pairs.emplace_back(prefix + key, value);
  return Labels{pairs};
}

}  // namespace

TEST_CASE("random selectors match exactly what a direct reading of them does") {
  const auto seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const auto iterations = margay::test::from_environment("MARGAY_ITERATIONS", 3000);
  Random random{std::mt19937_64{seed}};
  std::size_t matched = 0;
  std::size_t restricted = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    const auto expression = make(random, 4);
    const auto text = write(expression, random);
    INFO("MARGAY_SEED=" << seed << " iteration " << i << " selector " << text);
    const auto selector = Selector::parse(text);
    REQUIRE(selector);
    const auto again = Selector::parse(selector->canonical());
    REQUIRE(again);
    REQUIRE(again->canonical() == selector->canonical());
    const auto requirements = selector->requirements();
    const auto keys = selector->keys();
    const auto prefixed = selector->with_prefix("p.");
    const auto narrowed = selector->narrowed_to("a");
    for (int j = 0; j < 20; ++j) {
      Map map;
      for (const auto& key : kKeys) {
        if (random.below(2)) map[key] = random.pick(kValues);
      }
      const auto labels = labels_of(map);
      const bool expected = holds(expression, map);
      INFO("label a: " << (map.contains("a") ? map["a"] : "-") << ", b: " << (map.contains("b") ? map["b"] : "-"));
      REQUIRE(selector->matches(labels) == expected);
      REQUIRE(again->matches(labels) == expected);
      REQUIRE(prefixed.matches(labels_of(map, "p.")) == expected);
      // With the label there, all() and has() of it say the same.
      if (map.contains("a")) REQUIRE(narrowed.matches(labels) == expected);
      // Labels it does not mention do not count.
      Map mentioned;
      for (const auto& key : keys) {
        if (map.contains(key.str())) mentioned[key.str()] = map[key.str()];
      }
      REQUIRE(selector->matches(labels_of(mentioned)) == expected);
      if (!expected) continue;
      ++matched;
      for (const auto& requirement : requirements) {
        ++restricted;
        const auto* value = labels.get(requirement.key);
        REQUIRE(value != nullptr);
        if (!requirement.values.empty()) {
          REQUIRE(std::find(requirement.values.begin(), requirement.values.end(), *value) != requirement.values.end());
        }
      }
    }
  }
  std::cout << "MARGAY_SEED=" << seed << "\n";
  // The test would say little if hardly anything matched or was restricted.
  CHECK(matched > iterations * 2);
  CHECK(restricted > iterations / 2);
}

TEST_CASE("random edits of a selector's text never crash the parser") {
  const auto seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const auto iterations = margay::test::from_environment("MARGAY_ITERATIONS", 3000);
  Random random{std::mt19937_64{seed}};
  const std::string alphabet = "abhinotswe()!&|={}\"',. \t\n%\xff";
  for (std::uint64_t i = 0; i < iterations; ++i) {
    auto text = write(make(random, 3), random);
    for (std::size_t edits = 1 + random.below(3); edits > 0; --edits) {
      const auto at = random.below(text.size() + 1);
      if (random.below(2)) text.insert(at, 1, alphabet[random.below(alphabet.size())]);
      else text.erase(at, 1 + random.below(3));
    }
    INFO("MARGAY_SEED=" << seed << " selector " << text);
    const auto selector = Selector::parse(text);
    if (!selector) continue;
    const auto again = Selector::parse(selector->canonical());
    REQUIRE(again);
    REQUIRE(again->canonical() == selector->canonical());
  }
}
