#include "margay/model/selector.hpp"

#include "support/catch.hpp"

using namespace margay;

namespace {

Selector parsed(std::string_view text) {
  CAPTURE(text);
  auto selector = Selector::parse(text);
  if (!selector) FAIL(selector.error().text);
  return *std::move(selector);
}

std::vector<std::string> texts(const std::vector<Symbol>& symbols) {
  std::vector<std::string> out;
  for (const auto& s : symbols) out.push_back(s.str());
  return out;
}

}  // namespace

TEST_CASE("set ids are Calico's") {
  CHECK(parsed("all()").set_id() == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
  CHECK(parsed("").set_id() == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
  CHECK(parsed("!(has(b) || !has(a))").set_id() == "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q");
  CHECK(parsed("!(a == \"b\" && !c != \"d\")").set_id() == "s:lh3haoY1ikTRkd4UZu0nWSaIBknYLPJLX16d-w");
  CHECK(parsed("app == 'nginx'").set_id() == "s:PCPg-kJ-crB1DH-yq5Gn7y47na99jOhUObUCUA");
  CHECK(parsed("! has( a )").set_id() == "s:o54_r2fLf2o-LJfoAaKVj8JvPRHKmJA2mXVR7g");
  CHECK(parsed("a in {'y','x','y',}").set_id() == "s:gSrnDEFVR3CxDEQZzJb9ixSZpe7eM3tOO6L77Q");
}

TEST_CASE("canonical text") {
  struct Row {
    const char* text;
    const char* canonical;
  };
  const Row rows[] = {
      {"", "all()"},
      {" \t ", "all()"},
      {"all(\t )", "all()"},
      {"global( )", "global()"},
      {"  a=='b'", "a == \"b\""},
      {"a == 'say \"hi\"'", "a == 'say \"hi\"'"},
      {"a == \"it's\"", "a == \"it's\""},
      {"a != ''", "a != \"\""},
      {"a contains 'b'", "a contains \"b\""},
      {"a contains'b'", "a contains \"b\""},
      {"a starts with 'b'", "a starts with \"b\""},
      {"a startswith 'b'", "a starts with \"b\""},
      {"a starts \t with'b'", "a starts with \"b\""},
      {"a ends with 'b'", "a ends with \"b\""},
      {"a endswith 'b'", "a ends with \"b\""},
      {"a in {}", "a in {}"},
      {"a in{ }", "a in {}"},
      {"a not in {}", "a not in {}"},
      {"a notin {'z' , 'b','b',}", "a not in {\"b\", \"z\"}"},
      {"a in {'\"', 'b'}", "a in {'\"', \"b\"}"},
      {"has(a)", "has(a)"},
      {"has(\ta )", "has(a)"},
      {"has(projectcalico.org/name-space_1)", "has(projectcalico.org/name-space_1)"},
      {"!a == 'b'", "!a == \"b\""},
      {"!!has(a)", "has(a)"},
      {"! ! !has(a)", "!has(a)"},
      {"!(!has(a))", "has(a)"},  // Calico: "!!has(a)", which it would not write the same way again
      {"!(!(!has(a)))", "!has(a)"},
      {"((has(a)))", "has(a)"},
      {"has(a) && has(b)", "(has(a) && has(b))"},
      {"has(a)&&has(b)||has(c)", "((has(a) && has(b)) || has(c))"},
      {"has(a) || has(b) && has(c)", "(has(a) || (has(b) && has(c)))"},
      {"(has(a) || has(b)) && has(c)", "((has(a) || has(b)) && has(c))"},
      {"has(a) && (has(b) && has(c))", "(has(a) && (has(b) && has(c)))"},
      {"has(a) && has(b) && has(c)", "(has(a) && has(b) && has(c))"},
      {"!(has(a) && has(b))", "!(has(a) && has(b))"},
      {"!has(a) && has(b)", "(!has(a) && has(b))"},
      // The words are labels where a label is expected.
      {"in == 'x'", "in == \"x\""},
      {"in in {'a'}", "in in {\"a\"}"},
      {"has == 'x'", "has == \"x\""},
      {"all != 'x'", "all != \"x\""},
      {"not not in {'x'}", "not not in {\"x\"}"},
      {"contains contains 'x'", "contains contains \"x\""},
      {"starts starts with 'x'", "starts starts with \"x\""},
      {"has(has)", "has(has)"},
      {"hasa == 'b'", "hasa == \"b\""},
      {"a == 'two\nlines'", "a == \"two\nlines\""},
  };
  for (const auto& row : rows) {
    const auto selector = parsed(row.text);
    CHECK(selector.canonical() == row.canonical);
    CHECK(parsed(selector.canonical()).canonical() == row.canonical);
  }
}

TEST_CASE("what does not parse says where and what was expected") {
  struct Row {
    const char* text;
    std::size_t position;
    const char* expected;
  };
  const Row rows[] = {
      {"b == b", 5, "a quoted string"},
      {"b contains b", 11, "a quoted string"},
      {"'b1' == b", 0, "a label"},
      {"b", 1, "an operator"},
      {"a b", 2, "an operator"},
      {"!", 1, "a label"},
      {"foo == \"bar\" &", 13, "'&&', '||' or the end"},
      {"foo == \"bar\" |", 13, "'&&', '||' or the end"},
      {"foo != ||", 7, "a quoted string"},
      {"foo in {\"\", ||", 12, "a quoted string"},
      {"foo in \"\"", 7, "'{'"},
      {"foo == \"bar", 7, "closing quote"},
      {"foo == 'bar\"", 7, "closing quote"},
      {"(has(a)", 7, "')'"},
      {")", 0, "a label"},
      {"()", 1, "a label"},
      {"%", 0, "a label"},
      {"a == \"b\" && %", 12, "a label"},
      {"has(foo) &&", 11, "a label"},
      {"has(foo) has(bar)", 9, "'&&', '||' or the end"},
      {"has (foo)", 4, "an operator"},
      {"all ()", 4, "an operator"},
      {"has()", 4, "a label"},
      {"has(a b)", 6, "')'"},
      {"has('a')", 4, "a label"},
      {"all(a)", 4, "')'"},
      {"a in {,}", 6, "a quoted string"},
      {"a in {'b',,}", 10, "a quoted string"},
      {"a in {'b' 'c'}", 10, "',' or '}'"},
      {"a in {'b'", 9, "',' or '}'"},
      {"a in ('b')", 5, "'{'"},
      {"a inx {'b'}", 4, "'{'"},
      {"a startsx 'b'", 2, "an operator"},
      {"a starts 'b'", 2, "an operator"},
      {"a starts withx 'b'", 13, "a quoted string"},
      {"a not 'b'", 2, "an operator"},
      {"a = 'b'", 2, "an operator"},
      {"a CONTAINS 'b'", 2, "an operator"},
      {"a == 'b'\n", 8, "'&&', '||' or the end"},
      {"\nhas(a)", 0, "a label"},
      {"a == 'b' and c == 'd'", 9, "'&&', '||' or the end"},
      {"a! == 'b'", 1, "an operator"},
      {"\xc3\xa4 == 'b'", 0, "a label"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto selector = Selector::parse(row.text);
    REQUIRE_FALSE(selector);
    CHECK(selector.error().code == ErrorCode::Invalid);
    CAPTURE(selector.error().text);
    CHECK(selector.error().text.starts_with("at position " + std::to_string(row.position) + ": expected "));
    CHECK(selector.error().text.find(row.expected) != std::string::npos);
  }
  const std::string with_nul{"a == 'b'\0", 9};
  CHECK_FALSE(Selector::parse(with_nul));
}

TEST_CASE("a label has at most 512 characters") {
  const std::string longest(512, 'a');
  CHECK(Selector::parse("has(" + longest + ")"));
  CHECK(Selector::parse(longest + " == 'b'"));
  CHECK_FALSE(Selector::parse("has(" + longest + "a)"));
  CHECK_FALSE(Selector::parse(longest + "a == 'b'"));
}

TEST_CASE("hostile nesting is an error, hostile length is not") {
  const auto repeated = [](std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  CHECK_FALSE(Selector::parse(repeated("(", 1'000'000)));
  CHECK_FALSE(Selector::parse(repeated("!(", 500'000)));
  CHECK_FALSE(Selector::parse(repeated("has(a)&&(", 100'000)));
  CHECK(parsed(repeated("!", 1'000'000) + "has(a)").canonical() == "has(a)");
  CHECK(parsed(repeated("!", 1'000'001) + "has(a)").canonical() == "!has(a)");
  const auto wide = parsed("has(a)" + repeated("||has(b)", 100'000));
  CHECK(wide.matches(Labels{{"b", "x"}}));
  CHECK_FALSE(wide.matches(Labels{{"c", "x"}}));
  CHECK(wide.requirements().empty());
  CHECK(wide.keys().size() == 2);

  // The deepest that is accepted can be written, read again and worked into others.
  const auto nested = [&](std::size_t depth) {
    std::string out = "has(a)";
    for (std::size_t i = 0; i < depth; ++i) out = "has(b) " + std::string(i % 2 ? "&&" : "||") + " !(" + out + ")";
    return out;
  };
  const auto deepest = parsed(nested(100));
  CHECK(parsed(deepest.canonical()) == deepest);
  CHECK_FALSE(Selector::parse(nested(101)));
  CHECK(Selector::both(deepest, deepest).canonical() == "(" + deepest.canonical() + " && " + deepest.canonical() + ")");
  CHECK(parsed(repeated("(", 500) + "has(a)" + repeated(")", 500)).canonical() == "has(a)");
  CHECK_FALSE(Selector::parse(repeated("(", 501) + "has(a)" + repeated(")", 501)));
}

TEST_CASE("what a selector matches") {
  const Labels labels{{"a", "b"}, {"empty", ""}, {"long", "hello world"}};
  struct Row {
    const char* text;
    bool matches;
  };
  const Row rows[] = {
      {"", true},
      {"all()", true},
      {"global()", true},
      {"!all()", false},
      {"a == 'b'", true},
      {"a == 'c'", false},
      {"x == 'b'", false},
      {"x == ''", false},
      {"empty == ''", true},
      {"a != 'b'", false},
      {"a != 'c'", true},
      {"x != 'b'", true},
      {"a in {'b', 'c'}", true},
      {"a in {'c'}", false},
      {"x in {'c'}", false},
      {"a in {}", false},
      {"empty in {''}", true},
      {"a not in {'b'}", false},
      {"a not in {'c'}", true},
      {"x not in {'c'}", true},
      {"a not in {}", true},
      {"has(a)", true},
      {"has(empty)", true},
      {"has(x)", false},
      {"long contains 'lo wo'", true},
      {"long contains ''", true},
      {"x contains ''", false},
      {"long contains 'xyz'", false},
      {"long starts with 'hello'", true},
      {"long starts with 'world'", false},
      {"long ends with 'world'", true},
      {"long ends with 'hello'", false},
      {"x starts with ''", false},
      {"x ends with ''", false},
      {"a == 'b' && has(long)", true},
      {"a == 'b' && has(x)", false},
      {"a == 'c' || has(long)", true},
      {"a == 'c' || has(x)", false},
      {"!(a == 'c') && !has(x)", true},
      {"has(x) && has(x) || has(a)", true},
      {"has(a) || has(x) && has(x)", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(parsed(row.text).matches(labels) == row.matches);
  }
  CHECK_FALSE(parsed("has(a)").matches(Labels{}));
  CHECK(parsed("!has(a)").matches(Labels{}));
}

TEST_CASE("a large set is searched right") {
  std::string text = "a in {";
  for (int i = 0; i < 1000; i += 2) text += "'" + std::to_string(i) + "',";
  const auto selector = parsed(text + "}");
  for (int i = 0; i < 1000; ++i) CHECK(selector.matches(Labels{{"a", std::to_string(i)}}) == (i % 2 == 0));
}

TEST_CASE("labels overlaid by a view are what counts") {
  struct Overlay final : LabelView {
    Labels own, inherited;
    [[nodiscard]] const Symbol* get(const Symbol& key) const noexcept override {
      const auto* value = own.get(key);
      return value ? value : inherited.get(key);
    }
  };
  Overlay view;
  view.own = Labels{{"a", "own"}};
  view.inherited = Labels{{"a", "profile"}, {"b", "profile"}};
  CHECK(parsed("a == 'own' && b == 'profile'").matches(view));
  CHECK_FALSE(parsed("a == 'profile'").matches(view));
}

TEST_CASE("selectors are built, prefixed and narrowed") {
  const Symbol ns = "projectcalico.org/namespace";
  CHECK(Selector{}.is_all());
  CHECK(Selector{} == parsed("all()"));
  CHECK(Selector::equals("a", "b") == parsed("a == 'b'"));
  CHECK(Selector::one_of("a", {"c", "b", "c"}) == parsed("a in {'b', 'c'}"));
  CHECK(Selector::has("a") == parsed("has(a)"));
  CHECK(Selector::both(parsed("has(a) && has(b)"), parsed("has(c) || has(d)")).canonical() ==
        "((has(a) && has(b)) && (has(c) || has(d)))");
  CHECK(parsed("a == 'b' && !has(c) && all() && d in {'x'}").with_prefix("pcns.").canonical() ==
        "(pcns.a == \"b\" && !has(pcns.c) && all() && pcns.d in {\"x\"})");
  CHECK(parsed("all()").narrowed_to(ns).canonical() == "has(projectcalico.org/namespace)");
  CHECK(parsed("a == 'all()' || all()").narrowed_to(ns).canonical() == "(a == \"all()\" || has(projectcalico.org/namespace))");
  CHECK(parsed("global()").narrowed_to(ns).canonical() == "global()");
  CHECK(parsed("global()").narrowed_to(ns, true).canonical() == "!has(projectcalico.org/namespace)");
  CHECK(parsed("!global()").narrowed_to(ns, true).canonical() == "has(projectcalico.org/namespace)");
  CHECK(parsed("has(a) && (global())").mentions_global());
  CHECK_FALSE(parsed("a == 'global()'").mentions_global());
}

TEST_CASE("requirements are what any match must have") {
  const auto shown = [](std::string_view text) {
    std::string out;
    for (const auto& requirement : parsed(text).requirements()) {
      out += out.empty() ? "" : " & ";
      out += requirement.key.str() + ":";
      for (const auto& value : requirement.values) out += value.str() + ",";
    }
    return out;
  };
  CHECK(shown("all()") == "");
  CHECK(shown("a == 'x'") == "a:x,");
  CHECK(shown("a != 'x'") == "");
  CHECK(shown("!a != 'x'") == "a:x,");
  CHECK(shown("!a == 'x'") == "");
  CHECK(shown("a in {'y','x'}") == "a:x,y,");
  CHECK(shown("!a not in {'y','x'}") == "a:x,y,");
  CHECK(shown("a in {}") == "a:");
  CHECK(shown("has(a)") == "a:");
  CHECK(shown("!has(a)") == "");
  CHECK(shown("a contains 'x'") == "a:");
  CHECK(shown("a starts with 'x'") == "a:");
  CHECK(shown("a ends with 'x'") == "a:");
  CHECK(shown("a == 'x' && b == 'y'") == "a:x, & b:y,");
  CHECK(shown("a == 'x' && has(a)") == "a:x,");
  CHECK(shown("has(a) && a == 'x'") == "a:x,");
  CHECK(shown("a in {'x','y'} && a in {'y','z'}") == "a:y,");
  CHECK(shown("a == 'x' && a == 'y'").starts_with("a:"));
  CHECK(shown("a == 'x' || a == 'y'") == "a:x,y,");
  CHECK(shown("a == 'x' || b == 'y'") == "");
  CHECK(shown("a == 'x' || has(a)") == "a:");
  CHECK(shown("a == 'x' && b == 'z' || a == 'y' && b == 'z'") == "a:x,y, & b:z,");
  CHECK(shown("a == 'x' && b == 'z' || a == 'y'") == "a:x,y,");
  CHECK(shown("!(a != 'x' || b != 'y')") == "a:x, & b:y,");
  CHECK(shown("!(a != 'x' && a != 'y')") == "a:x,y,");
  CHECK(shown("!(has(a) && has(b))") == "");
  CHECK(shown("a == 'x' && !has(b) && all()") == "a:x,");
  CHECK(texts(parsed("b == 'x' || !has(a) || b in {'y'} || all()").keys()) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("labels keep the last of equal keys and find every key") {
  CHECK(*Labels{{"a", "1"}, {"b", "2"}, {"a", "3"}}.get("a") == "3");
  CHECK(Labels{{"b", "2"}, {"a", "3"}} == Labels{{"a", "3"}, {"b", "2"}});
  CHECK(Labels{}.empty());
  CHECK(Labels{std::vector<Labels::Pair>{}}.empty());
  CHECK(Labels{}.get("a") == nullptr);
  for (const std::size_t size : {1, 10, 47, 48, 49, 200}) {
    std::vector<Labels::Pair> pairs;
    for (std::size_t i = 0; i < size; ++i) pairs.emplace_back("key" + std::to_string(i), std::to_string(i));
    const Labels labels{pairs};
    CHECK(labels.pairs().size() == size);
    for (std::size_t i = 0; i < size; ++i) CHECK(labels.get("key" + std::to_string(i))->str() == std::to_string(i));
    CHECK(labels.get("key") == nullptr);
    CHECK(labels.get("zz") == nullptr);
  }
}
