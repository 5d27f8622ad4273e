// Attendant: what every daemon waits for beside its work: signals, and the moments at which systemd's watchdog wants to hear of
// it.
#pragma once

#include <functional>
#include <memory>

#include "margay/base/log.hpp"
#include "margay/control/health.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::control {

class Attendant {
 public:
  // From the loop: `reload` on SIGHUP, `end` on SIGTERM and SIGINT (logged under `domain`). The watchdog hears of us while
  // `health` is live. `health` outlives this.
  Attendant(boost::asio::io_context& io, const Health& health, log::Domain domain, std::function<void()> reload,
            std::function<void()> end);
  ~Attendant();
  Attendant(const Attendant&) = delete;
  Attendant& operator=(const Attendant&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace margay::control
