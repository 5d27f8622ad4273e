#include "margay/base/symbol.hpp"

#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "support/catch.hpp"

using margay::Symbol;

TEST_CASE("equal texts are one symbol, and order is by text") {
  const Symbol a{"alpha"}, again{std::string{"alpha"}}, b{"beta"};
  CHECK(a == again);
  CHECK(a.id() == again.id());
  CHECK(a != b);
  CHECK(a < b);
  CHECK(Symbol{} == Symbol{""});
  CHECK(Symbol{}.view().empty());
}

TEST_CASE("a text nobody holds any more is forgotten") {
  {
    const Symbol held{"only-here"};
    CHECK(Symbol::find("only-here") == held);
  }
  CHECK(Symbol::find("only-here").empty());
}

TEST_CASE("copies, moves and self-assignment keep the count right") {
  Symbol a{"counted"};
  Symbol b = a;
  a = std::move(b);
  CHECK(a == "counted");
  a = *&a;
  CHECK(a == "counted");
  a = Symbol{};
  CHECK(Symbol::find("counted").empty());
}

// Enough texts to grow the table several times, coming and going so that runs of neighbours are opened and closed.
TEST_CASE("a long history of texts that come and go leaves each known exactly while it is held") {
  const char* const given = std::getenv("MARGAY_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : std::random_device{}();
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 random{seed};
  std::map<std::string, Symbol> held;
  for (int step = 0; step < 60'000; ++step) {
    const std::string text = "text-" + std::to_string(random() % 5000);
    const auto found = held.find(text);
    const Symbol known = Symbol::find(text);
    REQUIRE(known.empty() == (found == held.end()));
    if (found == held.end()) {
      held.emplace(text, text);
    } else {
      REQUIRE(known == found->second);
      REQUIRE(Symbol{text}.id() == known.id());
      if (random() % 3 != 0) held.erase(found);
    }
  }
  for (const auto& [text, symbol] : held) REQUIRE(Symbol::find(text).id() == symbol.id());
  CHECK(held.size() > 1000);
}

TEST_CASE("an empty text is no symbol") { CHECK(Symbol::find("").empty()); }
