// Health: what each component last said of itself, and the answers to /liveness and /readiness that follow.
//
// Pure but for the clock it is given. A component is live while it has spoken within its timeout, ready while it also says so.
// The whole is live or ready if every component is.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "margay/base/clock.hpp"

namespace margay::control {

class Health {
 public:
  explicit Health(const Clock& clock) : clock_{clock} {}

  // `timeout` zero: may be silent for ever.
  void add(const std::string& component, std::chrono::milliseconds timeout);
  void report(const std::string& component, bool live, bool ready, std::string detail = {});

  [[nodiscard]] bool live() const;
  [[nodiscard]] bool ready() const;
  // A table COMPONENT, TIMEOUT, LIVENESS, READINESS, DETAIL, as Felix prints it.
  [[nodiscard]] std::string table() const;

 private:
  struct Component {
    std::chrono::milliseconds timeout{};
    bool live = true, ready = false;
    std::string detail;
    Clock::time_point said{};
  };
  [[nodiscard]] bool expired(const Component& component) const;

  const Clock& clock_;
  std::map<std::string, Component> components_;
};

}  // namespace margay::control
