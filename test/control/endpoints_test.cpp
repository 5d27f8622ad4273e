#include "margay/control/endpoints.hpp"

#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::control;

TEST_CASE("each door answers what it is for, and says what that is") {
  const fakes::ManualClock clock;
  Health health{clock};
  health.add("Loop", std::chrono::milliseconds{0});
  const Endpoints endpoints{health, [] { return std::string{"metric 1\n"}; },
                            [](std::string_view path) {
                              return path == "/v1/status" ? std::optional{Response{200, "application/json", "{}"}} : std::nullopt;
                            },
                            " /v1/status"};
  const auto get = [&](Door door, const char* target) { return endpoints.answer({"GET", target, {}}, door); };

  CHECK(get(Door::Health, "/liveness").status == 200);
  CHECK(get(Door::Health, "/readiness").status == 503);
  CHECK(get(Door::Health, "/readiness").body == health.table());
  health.report("Loop", true, true);
  CHECK(get(Door::Health, "/readiness?verbose=1").status == 200);
  CHECK(get(Door::Metrics, "/metrics").body == "metric 1\n");
  CHECK(get(Door::Local, "/v1/status").body == "{}");
  for (const char* path : {"/liveness", "/readiness", "/metrics"}) CHECK(get(Door::Local, path).status == 200);

  CHECK(get(Door::Health, "/metrics").body == "known here: /liveness /readiness\n");
  CHECK(get(Door::Health, "/v1/status").status == 404);
  CHECK(get(Door::Metrics, "/readiness").body == "known here: /metrics\n");
  CHECK(get(Door::Metrics, "/v1/status").status == 404);
  CHECK(get(Door::Local, "/other").body == "known here: /liveness /readiness /metrics /v1/status\n");
  CHECK(endpoints.answer({"POST", "/liveness", {}}, Door::Local).status == 405);
}
