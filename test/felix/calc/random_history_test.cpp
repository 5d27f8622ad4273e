// Random histories: after any of them, what the messages add up to is what a calculation from scratch says.
// MARGAY_SEED fixes the seed, MARGAY_ITERATIONS the number of histories.

#include <cstdlib>
#include <iostream>

#include "calc/graph.hpp"
#include "naive.hpp"
#include "random_world.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

void history(std::uint64_t seed, int steps) {
  calc::test::RandomWorld world{seed};
  calc::test::Mirror mirror;
  Graph graph{{.node = "here"}, mirror};
  calc::test::Resources resources;
  std::vector<Update> batch;
  bool mixed = true;

  graph.on_state(SyncState::Resync);
  for (int step = 0; step < steps; ++step) {
    Update update = world.draw();
    if (update.value) resources.insert_or_assign(update.key, *update.value);
    else resources.erase(update.key);
    batch.push_back(update);
    if (world.chance(0.05)) batch.push_back(update);  // said twice
    if (world.chance(0.5)) {
      graph.on_updates(batch);
      batch.clear();
    }
    if (world.chance(0.03)) {
      mixed = !mixed;
      graph.on_state(mixed ? SyncState::Resync : SyncState::InSync);
    }
    if (world.chance(0.01)) graph.on_state(SyncState::WaitForDatastore);
    if (!world.chance(0.25)) continue;
    graph.on_updates(std::exchange(batch, {}));

    const std::size_t messages = mirror.messages;
    const bool pending = graph.has_pending();
    mirror.begin_flush();
    graph.flush();
    CAPTURE(step);
    if (mixed) {
      REQUIRE(mirror.messages == messages);
      continue;
    }
    if (!pending) REQUIRE(mirror.messages == messages);
    REQUIRE_FALSE(graph.has_pending());
    REQUIRE(mirror.in_sync);
    REQUIRE(calc::test::difference(calc::test::compute(resources, "here"), mirror.state) == "");
  }

  // All of it again, in one go to a graph that knows nothing: the same.
  calc::test::Mirror fresh_mirror;
  Graph fresh{{.node = "here"}, fresh_mirror};
  std::vector<Update> all;
  for (auto it = resources.rbegin(); it != resources.rend(); ++it) all.push_back({it->first, it->second});
  fresh.on_updates(all);
  fresh.on_state(SyncState::InSync);
  fresh.flush();
  REQUIRE(calc::test::difference(calc::test::compute(resources, "here"), fresh_mirror.state) == "");

  // And nothing is left when all is gone.
  for (Update& update : all) update.value.reset();
  fresh.on_updates(all);
  fresh_mirror.begin_flush();
  fresh.flush();
  REQUIRE(calc::test::difference(calc::test::State{}, fresh_mirror.state) == "");
  const Counters counters = fresh.counters();
  REQUIRE(counters.active_local_selectors == 0);
  REQUIRE(counters.active_local_policies == 0);
  REQUIRE(counters.label_index_endpoints == 0);
  REQUIRE(counters.label_index_classes == 0);
  REQUIRE(counters.label_index_selectors_optimized + counters.label_index_selectors_unoptimized == 0);
  REQUIRE(counters.hosts + counters.workload_endpoints + counters.policies + counters.profiles + counters.tiers == 0);
}

}  // namespace

TEST_CASE("after any history the messages add up to a calculation from scratch") {
  const std::uint64_t seed = margay::test::from_environment("MARGAY_SEED", std::random_device{}());
  const std::uint64_t histories = margay::test::from_environment("MARGAY_ITERATIONS", 25);
  std::cout << "calc random histories: MARGAY_SEED=" << seed << " MARGAY_ITERATIONS=" << histories << '\n';
  for (std::uint64_t i = 0; i < histories; ++i) {
    CAPTURE(seed + i);
    history(seed + i, 400);
  }
}
