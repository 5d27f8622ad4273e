#include "margay/control/attendant.hpp"

#include <csignal>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "margay/control/notify.hpp"

namespace margay::control {

using boost::system::error_code;

struct Attendant::Impl {
  void wait_signals() {
    signals.async_wait([this](error_code aborted, int signal) {
      if (aborted) return;
      if (signal == SIGHUP) {
        reload();
        return wait_signals();
      }
      log::info(domain, "ending on a signal", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      end();
    });
  }

  void wait_watchdog() {
    const auto interval = watchdog_interval();
    if (!interval) return;
    watchdog.expires_after(*interval);
    watchdog.async_wait([this](error_code aborted) {
      if (aborted) return;
      if (health.live()) notify_alive();
      wait_watchdog();
    });
  }

  const Health& health;
  log::Domain domain;
  std::function<void()> reload, end;
  boost::asio::signal_set signals;
  boost::asio::steady_timer watchdog;
};

Attendant::Attendant(boost::asio::io_context& io, const Health& health, log::Domain domain, std::function<void()> reload,
                     std::function<void()> end)
    : impl_{new Impl{health, domain, std::move(reload), std::move(end), boost::asio::signal_set{io, SIGTERM, SIGINT, SIGHUP},
                     boost::asio::steady_timer{io}}} {
  impl_->wait_signals();
  impl_->wait_watchdog();
}
Attendant::~Attendant() = default;

}  // namespace margay::control
