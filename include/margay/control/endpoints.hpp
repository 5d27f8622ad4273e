// Endpoints: what every daemon answers over HTTP: /liveness, /readiness and /metrics, and what it has besides on its local
// socket.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "margay/control/health.hpp"
#include "margay/control/http_server.hpp"

namespace margay::control {

// Where a request came in decides what it may ask for.
enum class Door { Local, Health, Metrics };

class Endpoints {
 public:
  // `more`: further paths of the local socket; nothing for a path it does not know. `known`: how they are named in a 404, each
  // with a space before it.
  using More = std::function<std::optional<Response>(std::string_view path)>;

  // `health` outlives this; `metrics` makes Prometheus text.
  Endpoints(const Health& health, std::function<std::string()> metrics, More more = {}, std::string known = {});

  [[nodiscard]] Response answer(const Request& request, Door door) const;
  // For a server; this outlives it.
  [[nodiscard]] Handler handler(Door door) const {
    return [this, door](const Request& request) { return answer(request, door); };
  }

 private:
  const Health& health_;
  std::function<std::string()> metrics_;
  More more_;
  std::string known_;
};

}  // namespace margay::control
