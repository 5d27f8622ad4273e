#include "margay/base/symbol.hpp"

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
