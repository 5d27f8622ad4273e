// A clock that tests move by hand.
#pragma once

#include "margay/base/clock.hpp"

namespace margay::fakes {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] time_point now() const override { return now_; }
  void advance(duration by) { now_ += by; }

 private:
  time_point now_{std::chrono::hours{1}};
};

}  // namespace margay::fakes
