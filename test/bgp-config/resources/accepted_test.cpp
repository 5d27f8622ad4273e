// The whole pure way: manifests → decode → View → Renderer, and BIRD's parser takes every file; what is made step by step is what
// is made at once. Prints its seed; MARGAY_SEED and MARGAY_ITERATIONS override.
#include <cstdlib>
#include <map>
#include <random>

#include "../render/routers.hpp"
#include "draw_manifests.hpp"
#include "margay/model/decode.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::bgp;

namespace {

// What came through, so that a draw which no longer makes anything worth reading is seen.
struct Tally {
  std::uint64_t files = 0, sessions = 0, both_families = 0, filters = 0, passwords = 0, problems = 0, no_router = 0;
  std::map<Kind, std::uint64_t> valid, refused;
};

std::size_t sessions_in(const Rendered& rendered) {
  std::size_t out = 0;
  for (const auto& part : rendered.parts)
    for (std::size_t at = 0; (at = part->text.find("protocol bgp ", at)) != std::string::npos; ++at) ++out;
  return out;
}

// An invalid manifest too, if it has a closed form: a BGPFilter.
std::optional<Update> decoded(const nlohmann::json& manifest, Tally& tally) {
  const auto id = identify(manifest);
  if (!id) return std::nullopt;
  auto out = decode(*id, manifest, {});
  ++(out.errors.empty() ? tally.valid : tally.refused)[id->kind];
  if (!out.key || (!out.errors.empty() && !out.value)) return std::nullopt;
  return Update{*out.key, std::move(out.value), {}};
}

}  // namespace

TEST_CASE("BIRD accepts what is made of any resources") {
  bgp::test::need_bird();
  const auto seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const auto rounds = margay::test::from_environment("MARGAY_ITERATIONS", 80);
  WARN("MARGAY_SEED=" << seed);
  bgp::test::Directory directory;
  Tally tally;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    INFO("MARGAY_SEED=" << seed + round << " MARGAY_ITERATIONS=1");
    bgp::test::Rng rng{seed + round};
    View view{bgp::test::draw_options(rng)};
    Renderer renderer{directory.path()};
    std::vector<nlohmann::json> manifests = bgp::test::draw_cluster(rng);
    for (int step = 0; step < 4; ++step) {
      for (const auto& manifest : manifests)
        if (const auto update = decoded(manifest, tally)) view.on_update(*update);
      view.set_workloads(bgp::test::draw_workloads(rng));
      manifests.clear();
      for (int n = 0; n < 5; ++n) manifests.push_back(bgp::test::draw_manifest(rng));
      const auto router = view.router();
      if (!router) {
        ++tally.no_router;
        continue;
      }
      const Rendered rendered = renderer.render(**router);
      directory.write(rendered);
      const std::string why = bgp::test::refusal(directory);
      INFO(why);
      if (!why.empty()) REQUIRE(why == bgp::test::joined(rendered));
      REQUIRE(bgp::test::joined(rendered) == bgp::test::joined(Renderer{directory.path()}.render(**router)));
      REQUIRE(sessions_in(rendered) == (*router)->sessions.size());  // what the view lets pass is not left out without a word
      ++tally.files;
      tally.problems += view.problems().size();
      tally.filters += (*router)->filters.size();
      tally.sessions += (*router)->sessions.size();
      for (const Session& session : (*router)->sessions) {
        tally.both_families += session.on_interface();
        tally.passwords += !session.password.empty();
      }
    }
  }
  std::string kinds;
  for (const Kind kind : View::kinds()) {
    const Kind read = kind;
    kinds +=
        std::string{info(read).name} + " " + std::to_string(tally.valid[read]) + "/" + std::to_string(tally.refused[read]) + ", ";
  }
  WARN(tally.files << " configurations, " << tally.no_router << " without router; sessions " << tally.sessions
                   << ", of both families " << tally.both_families << ", with password " << tally.passwords << "; filters "
                   << tally.filters << "; problems " << tally.problems << "; valid/refused: " << kinds);
  if (rounds < 40) return;
  CHECK(tally.sessions > 2 * tally.files);
  CHECK(tally.both_families > tally.files / 4);
  CHECK(tally.passwords > tally.files / 20);
  CHECK(tally.filters > tally.files / 2);
  CHECK(tally.problems > tally.files);
  for (const Kind kind : View::kinds()) {
    INFO(info(kind).name);
    CHECK(tally.valid[kind] > 0);
  }
}
