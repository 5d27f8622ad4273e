#include "margay/control/endpoints.hpp"

namespace margay::control {
namespace {

constexpr auto kText = "text/plain; charset=utf-8";

}  // namespace

Endpoints::Endpoints(const Health& health, std::function<std::string()> metrics, More more, std::string known)
    : health_{health}, metrics_{std::move(metrics)}, more_{std::move(more)}, known_{std::move(known)} {}

Response Endpoints::answer(const Request& request, Door door) const {
  const std::string_view path = std::string_view{request.target}.substr(0, request.target.find('?'));
  if (request.method != "GET") return {405, kText, "only GET is answered here\n"};
  if (door != Door::Metrics) {
    if (path == "/liveness") return {health_.live() ? 200u : 503u, kText, health_.table()};
    if (path == "/readiness") return {health_.ready() ? 200u : 503u, kText, health_.table()};
  }
  if (door != Door::Health && path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_()};
  if (door == Door::Local && more_)
    if (auto response = more_(path)) return std::move(*response);
  switch (door) {
    case Door::Health: return {404, kText, "known here: /liveness /readiness\n"};
    case Door::Metrics: return {404, kText, "known here: /metrics\n"};
    case Door::Local: break;
  }
  return {404, kText, "known here: /liveness /readiness /metrics" + known_ + "\n"};
}

}  // namespace margay::control
