#include "margay/model/selector.hpp"

#include "support/catch.hpp"

using namespace margay;

TEST_CASE("set ids are Calico's") {
  CHECK(Selector::parse("all()")->set_id() == "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug");
  CHECK(Selector::parse("!(has(b) || !has(a))")->set_id() == "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q");
  CHECK(Selector::parse("!(a == \"b\" && !c != \"d\")")->set_id() == "s:lh3haoY1ikTRkd4UZu0nWSaIBknYLPJLX16d-w");
}
