#include "margay/base/delta_map.hpp"

#include <map>
#include <random>

#include "support/catch.hpp"

using namespace margay;

TEST_CASE("a failed write stays pending, a written one does not") {
  DeltaMap<int, int> map;
  map.want(1, 10);
  map.want(2, 20);
  map.for_each_update([](int key, int) { return key == 1 ? Applied::Yes : Applied::No; });
  CHECK(map.pending_updates().size() == 1);
  CHECK(map.pending_updates().count(2) == 1);
  map.for_each_update([](int, int) { return Applied::Yes; });
  CHECK(map.in_sync());
  map.unwant(1);
  map.for_each_delete([](int) { return Applied::No; });
  CHECK_FALSE(map.in_sync());
  map.for_each_delete([](int) { return Applied::Yes; });
  CHECK(map.in_sync());
}

TEST_CASE("pending sets equal the naive difference after any history") {
  const unsigned seed = 20261124;
  INFO("seed " << seed);
  std::mt19937 random{seed};
  DeltaMap<int, int> map;
  std::map<int, int> want, have;
  for (int step = 0; step < 20000; ++step) {
    const int key = static_cast<int>(random() % 20), value = static_cast<int>(random() % 3);
    switch (random() % 6) {
      case 0:
        map.want(key, value);
        want[key] = value;
        break;
      case 1:
        map.unwant(key);
        want.erase(key);
        break;
      case 2:
        map.seen(key, value);
        have[key] = value;
        break;
      case 3:
        map.seen_gone(key);
        have.erase(key);
        break;
      case 4: map.replace_seen({have.begin(), have.end()}); break;
      case 5:
        map.for_each_update([&](int k, int v) {
          if (k % 2) return Applied::No;
          have[k] = v;
          return Applied::Yes;
        });
        map.for_each_delete([&](int k) {
          if (k % 2) return Applied::No;
          have.erase(k);
          return Applied::Yes;
        });
        break;
    }
    std::size_t updates = 0, deletes = 0;
    for (const auto& [k, v] : want) {
      const bool pending = !have.count(k) || have[k] != v;
      updates += pending;
      REQUIRE(map.pending_updates().count(k) == pending);
    }
    for (const auto& [k, v] : have) deletes += !want.count(k);
    REQUIRE(map.pending_updates().size() == updates);
    REQUIRE(map.pending_deletes().size() == deletes);
  }
}
