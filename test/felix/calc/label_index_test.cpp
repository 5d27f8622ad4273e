#include "calc/label_index.hpp"

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

struct Changes final : LabelIndex::Listener {
  void on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) override { seen.emplace_back(selector, cls); }
  std::vector<std::pair<LabelIndex::SelectorId, LabelIndex::ClassId>> seen;
};

Selector parse(const std::string& text) { return *Selector::parse(text); }

}  // namespace

TEST_CASE("items of equal labels and parents share a class; the class goes with the last") {
  Changes changes;
  LabelIndex index{changes};
  const auto a = index.acquire({{"app", "web"}}, {"p"});
  index.enter(1, a);
  const auto b = index.acquire({{"app", "web"}}, {"p"});
  index.enter(2, b);
  CHECK(a == b);
  CHECK(index.acquire({{"app", "web"}}, {"q"}) != a);
  CHECK(index.items(a).size() == 2);
  CHECK(index.stats().items == 2);
  index.leave(1, a);
  CHECK(std::vector<LabelIndex::ItemId>(index.items(a).begin(), index.items(a).end()) == std::vector<LabelIndex::ItemId>{2});
  index.leave(2, a);
  CHECK(index.stats().classes == 1);
}

TEST_CASE("own labels win over parents', earlier parents over later, and parents may come later") {
  Changes changes;
  LabelIndex index{changes};
  const auto own = index.acquire({{"app", "own"}}, {"p", "q"});
  const auto bare = index.acquire({}, {"p", "q"});
  const auto selector_own = index.add_selector(parse("app == 'own'"));
  const auto selector_p = index.add_selector(parse("app == 'p'"));
  const auto selector_q = index.add_selector(parse("app == 'q'"));
  index.set_parent_labels("q", {{"app", "q"}});
  CHECK(index.matches(bare, selector_q));
  CHECK(changes.seen == std::vector{std::pair{selector_q, bare}});
  index.set_parent_labels("p", {{"app", "p"}});
  CHECK(index.matches(own, selector_own));
  CHECK_FALSE(index.matches(own, selector_p));
  CHECK(index.matches(bare, selector_p));
  CHECK_FALSE(index.matches(bare, selector_q));
  index.set_parent_labels("p", {});
  CHECK(index.matches(bare, selector_q));
}

TEST_CASE("a change of inherited labels is told before it happens, and only where it changes a match") {
  struct Before final : LabelIndex::Listener {
    void on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) override {
      matched_before.push_back(index->matches(cls, selector));
    }
    LabelIndex* index = nullptr;
    std::vector<bool> matched_before;
  } listener;
  LabelIndex index{listener};
  listener.index = &index;
  (void)index.acquire({}, {"p"});
  (void)index.add_selector(parse("a == 'x'"));
  (void)index.add_selector(parse("has(a)"));
  index.set_parent_labels("p", {{"a", "x"}});
  CHECK(listener.matched_before == std::vector<bool>{false, false});
  index.set_parent_labels("p", {{"a", "y"}});  // has(a) still matches
  CHECK(listener.matched_before == std::vector<bool>{false, false, true});
}

TEST_CASE("equal selectors are one, and stay until the last is removed") {
  Changes changes;
  LabelIndex index{changes};
  const auto cls = index.acquire({{"a", "x"}}, {});
  const auto first = index.add_selector(parse("a == 'x'"));
  CHECK(index.add_selector(parse(" a=='x' ")) == first);
  index.remove_selector(first);
  CHECK(index.matches(cls, first));
  CHECK(index.match_count(first) == 1);
  index.remove_selector(first);
  CHECK(index.matches(cls).empty());
  CHECK(index.stats().selectors_indexed == 0);
}

TEST_CASE("a selector that needs a label nobody has is not evaluated") {
  Changes changes;
  LabelIndex index{changes};
  for (int i = 0; i < 100; ++i) (void)index.acquire({{"app", "a" + std::to_string(i)}}, {});
  (void)index.add_selector(parse("app == 'other' && has(app)"));
  CHECK(index.stats().evals_matched + index.stats().evals_unmatched == 0);
  (void)index.add_selector(parse("app == 'a7'"));
  CHECK(index.stats().evals_matched == 1);
  CHECK(index.stats().evals_unmatched == 0);
}

TEST_CASE("the label index equals brute force after any sequence of changes") {
  const char* given = std::getenv("MARGAY_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  std::cout << "calc label index: MARGAY_SEED=" << seed << '\n';
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>{0, n - 1}(random); };
  const std::vector<std::string> keys{"a", "b", "c"}, values{"x", "y", "z"}, parents{"p", "q", "r"};
  const std::vector<std::string> texts{"all()",
                                       "a == 'x'",
                                       "a == 'x' && b == 'y'",
                                       "has(c)",
                                       "!has(c)",
                                       "a in {'x', 'z'}",
                                       "a == 'x' || b == 'x'",
                                       "a != 'x'",
                                       "b in {'y','z'} && !(c == 'x')",
                                       "a in {}",
                                       "has(a) && has(b)",
                                       "c starts with 'z'",
                                       "(a == 'y' || a == 'z') && has(c)"};
  const auto labels = [&] {
    std::vector<Labels::Pair> pairs;
    for (const auto& key : keys) {
      if (below(2)) pairs.emplace_back(key, values[below(3)]);
    }
    return Labels{pairs};
  };

  Changes changes;
  LabelIndex index{changes};
  struct Item {
    Labels own;
    std::vector<Symbol> parents;
    LabelIndex::ClassId cls;
  };
  std::map<LabelIndex::ItemId, Item> items;
  std::map<std::string, Labels> parent_labels;
  std::multimap<std::string, LabelIndex::SelectorId> selectors;
  for (int round = 0; round < 1000; ++round) {
    switch (below(5)) {
      case 0:
      case 1: {
        const auto id = static_cast<LabelIndex::ItemId>(below(12));
        Item item{labels(), {}, 0};
        for (std::size_t n = below(4); n > 0; --n) item.parents.emplace_back(parents[below(3)]);
        item.cls = index.acquire(item.own, item.parents);
        if (items.contains(id)) index.leave(id, items.at(id).cls);
        index.enter(id, item.cls);
        items.insert_or_assign(id, item);
        break;
      }
      case 2: {
        const auto id = static_cast<LabelIndex::ItemId>(below(12));
        if (!items.contains(id)) break;
        index.leave(id, items.at(id).cls);
        items.erase(id);
        break;
      }
      case 3: {
        const std::string& parent = parents[below(3)];
        parent_labels[parent] = below(4) ? labels() : Labels{};
        index.set_parent_labels(parent, parent_labels[parent]);
        break;
      }
      default: {
        const std::string& text = texts[below(texts.size())];
        if (const auto it = selectors.find(text); it != selectors.end() && below(2)) {
          index.remove_selector(it->second);
          selectors.erase(it);
        } else {
          selectors.emplace(text, index.add_selector(parse(text)));
        }
      }
    }
    for (const auto& [text, id] : selectors) {
      std::set<LabelIndex::ItemId> expected, actual;
      for (const auto& [item_id, item] : items) {
        std::vector<Labels::Pair> pairs;
        for (auto it = item.parents.rbegin(); it != item.parents.rend(); ++it) {
          const auto& inherited = parent_labels[it->str()].pairs();
          pairs.insert(pairs.end(), inherited.begin(), inherited.end());
        }
        pairs.insert(pairs.end(), item.own.pairs().begin(), item.own.pairs().end());
        if (parse(text).matches(Labels{pairs})) expected.insert(item_id);
      }
      const auto classes = index.classes_matching(id);
      for (const auto cls : classes) actual.insert(index.items(cls).begin(), index.items(cls).end());
      INFO(text << " in round " << round);
      REQUIRE(actual == expected);
      REQUIRE(index.match_count(id) == classes.size());
    }
  }
}
