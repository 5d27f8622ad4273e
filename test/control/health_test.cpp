#include "margay/control/health.hpp"

#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::control;
using namespace std::chrono_literals;

TEST_CASE("the whole is ready when every component is, and live while every one has spoken in time") {
  fakes::ManualClock clock;
  Health health{clock};
  health.add("Graph", 0ms);
  health.add("Loop", 90s);
  CHECK(health.live());
  CHECK_FALSE(health.ready());
  health.report("Graph", true, true, "in sync");
  CHECK_FALSE(health.ready());
  health.report("Loop", true, true);
  CHECK(health.ready());
  clock.advance(90s);
  CHECK(health.live());
  clock.advance(1ms);
  CHECK_FALSE(health.live());
  CHECK_FALSE(health.ready());
  health.report("Loop", true, true);
  CHECK(health.ready());
  health.report("Graph", true, false, "waiting for the datastore");
  CHECK(health.live());
  CHECK_FALSE(health.ready());
}

TEST_CASE("the table says who is late and why one is not ready") {
  fakes::ManualClock clock;
  Health health{clock};
  health.add("CalculationGraph", 0ms);
  health.add("Loop", 1500ms);
  health.report("CalculationGraph", true, false, "waiting for the datastore");
  clock.advance(2s);
  CHECK(health.table() ==
        "COMPONENT         TIMEOUT    LIVENESS    READINESS      DETAIL\n"
        "CalculationGraph  -          live        not ready      waiting for the datastore\n"
        "Loop              1.5s       timed out   timed out      \n");
}
