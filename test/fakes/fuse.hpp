// Fuse: counts the calls into a group of fakes, kills the caller at a chosen one, and shows every kernel state between two calls.
//
// A kill is an exception thrown out of the port, before or after the call's effect: what kill -9 leaves behind. The code under
// test must not catch it; the test then starts a new instance on the same fakes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "margay/base/result.hpp"

namespace margay::fakes {

struct Killed {};

class Fuse {
 public:
  // Kills at the n-th call from now (1: the next). Odd or even: before or after its effect.
  void blow_in(long calls, bool after_effect) {
    left_ = calls;
    after_ = after_effect;
  }
  void repair() { left_ = 0; }
  [[nodiscard]] long calls() const { return calls_; }

  // The next `times` calls of this name ("tables.apply", "sets.create", …) answer with the error and do nothing.
  void fail(const std::string& call, Error error, int times = 1) { failures_[call] = {std::move(error), times}; }
  void heal() { failures_.clear(); }

  // Called after every call that may have changed the kernel.
  std::function<void(const std::string& call)> observer;
  // Called before a call takes effect: another program's turn.
  std::function<void(const std::string& call)> intruder;

  // The fakes call these around their effect.
  std::optional<Error> before(const std::string& call) {
    ++calls_;
    ++count_[call];
    if (left_ == 1 && !after_) {
      left_ = 0;
      throw Killed{};
    }
    if (intruder) intruder(call);
    const auto it = failures_.find(call);
    if (it != failures_.end() && it->second.second > 0) {
      --it->second.second;
      return it->second.first;
    }
    return std::nullopt;
  }
  void after(const std::string& call) {
    if (observer) observer(call);
    if (left_ > 0 && --left_ == 0 && after_) throw Killed{};
  }
  [[nodiscard]] long count(const std::string& call) const {
    const auto it = count_.find(call);
    return it == count_.end() ? 0 : it->second;
  }

 private:
  long calls_ = 0, left_ = 0;
  bool after_ = false;
  std::map<std::string, std::pair<Error, int>> failures_;
  std::map<std::string, long> count_;
};

}  // namespace margay::fakes
