// Backoff: when to try again after failures in a row; doubles from first to cap, one success forgets all.
#pragma once

#include <algorithm>
#include <optional>

#include "margay/base/clock.hpp"

namespace margay::dataplane {

using TimePoint = Clock::time_point;
using Duration = Clock::duration;

class Backoff {
 public:
  Backoff(Duration first, Duration cap) : first_{first}, cap_{cap} {}

  void on_success() {
    failures_ = 0;
    due_.reset();
    since_.reset();
  }
  void on_failure(TimePoint now) {
    if (!since_) since_ = now;
    due_ = now + std::min(cap_, first_ * (1u << std::min(failures_, 20u)));
    ++failures_;
  }
  [[nodiscard]] bool failing() const { return failures_ > 0; }
  [[nodiscard]] unsigned failures() const { return failures_; }
  [[nodiscard]] std::optional<TimePoint> due() const { return due_; }
  [[nodiscard]] Duration failing_for(TimePoint now) const { return since_ ? now - *since_ : Duration::zero(); }

 private:
  Duration first_, cap_;
  unsigned failures_ = 0;
  std::optional<TimePoint> due_, since_;
};

// The earlier of two times, either of which may be absent.
[[nodiscard]] inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace margay::dataplane
