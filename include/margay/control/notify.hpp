// What systemd is told: ready, alive, reloading, stopping. Nothing happens where systemd is not listening.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace margay::control {

void notify_ready(std::string_view status);
void notify_status(std::string_view status);
void notify_alive();
void notify_reloading();
void notify_stopping();
// How often at the most systemd wants to hear of us (half its timeout); absent: it does not watch.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace margay::control
