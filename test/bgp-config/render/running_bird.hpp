// A BIRD that runs in the calling thread's network namespace, for live tests.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "kernel/live_netns.hpp"

namespace margay::bgp::test {

class RunningBird {
 public:
  RunningBird(std::string conf, std::string base) : conf_{std::move(conf)}, base_{std::move(base)} {
    started_ = margay::test::run(fmt::format("{} -c {} -s {}.ctl -P {}.pid 2>{}.err", BIRD, conf_, base_, base_, base_)) == 0;
  }
  ~RunningBird() {
    pid_t pid = 0;
    std::ifstream{base_ + ".pid"} >> pid;
    // At once: a BIRD that ends in order removes its socket while the directory is being removed.
    if (pid > 0) ::kill(pid, SIGKILL);
  }
  RunningBird(const RunningBird&) = delete;
  RunningBird& operator=(const RunningBird&) = delete;
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] std::string ask(const std::string& what) const {
    return margay::test::output_of(fmt::format("{}c -s {}.ctl '{}'", BIRD, base_, what));
  }

 private:
  std::string conf_, base_;
  bool started_ = false;
};

template <class Holds>
bool eventually(Holds holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return true;
}

}  // namespace margay::bgp::test
