#include "dataplane/apply_loop.hpp"

#include "support/catch.hpp"

using namespace margay::dataplane;
using namespace std::chrono_literals;

namespace {
const TimePoint kStart{1h};
}

TEST_CASE("an idle loop sleeps; a change is applied at once") {
  ApplyLoop loop;
  CHECK_FALSE(loop.ready_at(kStart));
  loop.on_change();
  CHECK(loop.ready(kStart));
  loop.on_apply(kStart);
  CHECK_FALSE(loop.ready_at(kStart));
}

TEST_CASE("a storm spends ten tokens at once, then one each 100 ms, and the burst comes back") {
  ApplyLoop loop;
  TimePoint now = kStart;
  int applies = 0;
  for (; now < kStart + 1s; now += 1ms) {
    loop.on_change();
    if (!loop.ready(now)) {
      REQUIRE(loop.ready_at(now) > now);
      continue;
    }
    loop.on_apply(now);
    ++applies;
  }
  CHECK(applies == 19);
  now += 10s;
  for (int i = 0; i < 10; ++i) {
    loop.on_change();
    CHECK(loop.ready(now));
    loop.on_apply(now);
  }
  loop.on_change();
  CHECK_FALSE(loop.ready(now));
  CHECK(loop.ready_at(now) == now + 100ms);
}

TEST_CASE("the dataplane's own timer is kept") {
  ApplyLoop loop;
  loop.on_wakeup(kStart + 1s);
  CHECK(loop.ready_at(kStart) == kStart + 1s);
  CHECK_FALSE(loop.ready(kStart));
  CHECK(loop.ready(kStart + 1s));
  loop.on_apply(kStart + 1s);
  loop.on_wakeup(std::nullopt);
  CHECK_FALSE(loop.ready_at(kStart + 2s));
}
