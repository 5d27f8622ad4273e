#include "margay/control/notify.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <time.h>

namespace margay::control {
namespace {

// A failure to notify is systemd's to notice; there is nothing the daemon could do about it.
void send(const std::string& state) { (void)::sd_notify(0, state.c_str()); }

}  // namespace

void notify_ready(std::string_view status) { send(fmt::format("READY=1\nSTATUS={}", status)); }
void notify_status(std::string_view status) { send(fmt::format("STATUS={}", status)); }
void notify_alive() { send("WATCHDOG=1"); }
void notify_stopping() { send("STOPPING=1"); }
void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000));
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0 || microseconds == 0) return std::nullopt;
  return std::chrono::microseconds{microseconds / 2};
}

}  // namespace margay::control
