// BIRD's parser takes every file, whatever the router. Prints its seed; MARGAY_SEED and MARGAY_ITERATIONS override.
#include <cstdlib>
#include <random>

#include "draw.hpp"
#include "routers.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::bgp;

TEST_CASE("BIRD accepts the routers that are worth reading") {
  bgp::test::need_bird();
  bgp::test::Directory directory;
  for (const auto& [name, router] : bgp::test::named_routers()) {
    INFO(name);
    directory.write(Renderer{directory.path()}.render(router));
    CHECK(bgp::test::refusal(directory).empty());
  }
}

TEST_CASE("BIRD accepts drawn routers, and what is made step by step is what is made at once") {
  bgp::test::need_bird();
  const auto seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const auto rounds = margay::test::from_environment("MARGAY_ITERATIONS", 40);
  WARN("seed " << seed);
  bgp::test::Rng rng{seed};
  bgp::test::Directory directory;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    INFO("round " << round);
    Router router = bgp::test::draw(rng);
    Renderer kept{directory.path()};
    for (int step = 0; step < 4; ++step) {
      const Rendered rendered = kept.render(router);
      directory.write(rendered);
      const std::string why = bgp::test::refusal(directory);
      INFO(why);
      if (!why.empty()) REQUIRE(why == bgp::test::joined(rendered));
      REQUIRE(bgp::test::joined(rendered) == bgp::test::joined(Renderer{directory.path()}.render(router)));
      bgp::test::change(router, rng);
    }
  }
}
