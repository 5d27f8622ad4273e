// ApplyLoop: when the dataplane may apply. A pure state machine over time points: the daemon asks ready_at(), sets one timer, and
// tells what happened. No clock, no timer, no dataplane in it.
//
// An idle daemon applies at once. Applies in quick succession spend tokens (10, one more every 100 ms; policy-rendering §5.7):
// under a storm of changes ten applies a second run, each with all that came meanwhile. Timers of the dataplane (refresh, drift,
// retries) need no token: they are spaced by themselves.
#pragma once

#include <algorithm>
#include <optional>

#include "dataplane/backoff.hpp"

namespace margay::dataplane {

class ApplyLoop {
 public:
  struct Limits {
    unsigned burst = 10;
    Duration refill = std::chrono::milliseconds{100};
  };
  ApplyLoop() : ApplyLoop{Limits{}} {}
  explicit ApplyLoop(Limits limits) : limits_{limits}, tokens_{limits.burst} {}

  // A message or event made something to do.
  void on_change() { changed_ = true; }
  // The dataplane's next_wakeup() after an apply, or after anything that may have moved it. In the past or now: at once, for a
  // token.
  void on_wakeup(std::optional<TimePoint> due) { due_ = due; }

  // When to call apply(); not before the given time. Nothing: sleep until told more.
  [[nodiscard]] std::optional<TimePoint> ready_at(TimePoint now) const {
    const bool at_once = changed_ || (due_ && *due_ <= now);
    if (!at_once) return due_;
    return tokens_at(now) > 0 ? now : refilled_ + limits_.refill;
  }
  [[nodiscard]] bool ready(TimePoint now) const {
    const auto at = ready_at(now);
    return at && *at <= now;
  }

  // Call right before apply().
  void on_apply(TimePoint now) {
    const unsigned tokens = tokens_at(now);
    if (tokens >= limits_.burst) refilled_ = now;
    else refilled_ += limits_.refill * ((now - refilled_) / limits_.refill);
    tokens_ = tokens > 0 ? tokens - 1 : 0;
    changed_ = false;
    due_.reset();
  }

 private:
  [[nodiscard]] unsigned tokens_at(TimePoint now) const {
    if (tokens_ >= limits_.burst || now <= refilled_) return tokens_;
    const auto gained = (now - refilled_) / limits_.refill;
    return static_cast<unsigned>(std::min<long long>(limits_.burst, static_cast<long long>(tokens_) + gained));
  }
  Limits limits_;
  unsigned tokens_;
  TimePoint refilled_{};
  bool changed_ = false;
  std::optional<TimePoint> due_;
};

}  // namespace margay::dataplane
