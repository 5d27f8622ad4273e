// Routers drawn at random, with everything in them that resources may bring and some that they may not.
#pragma once

#include <random>

#include "view/router.hpp"

namespace margay::bgp::test {

using Rng = std::mt19937_64;

[[nodiscard]] Router draw(Rng& rng);
// The router with one thing in it different.
void change(Router& router, Rng& rng);

}  // namespace margay::bgp::test
