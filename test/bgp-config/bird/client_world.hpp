// A client under test and what it heard, run until something is so.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "bird/bird_client.hpp"
#include "support/catch.hpp"

namespace margay::test {

struct ClientWorld {
  boost::asio::io_context io{1};

  // Handles events until `done`, at most `patience`.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds patience = std::chrono::seconds{20}) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      io.restart();
      io.run_one_until(end);
    }
    return true;
  }
  // One command and its outcome.
  Result<bgp::Reply> ask(bgp::Bird& bird, std::string command) {
    std::optional<Result<bgp::Reply>> heard;
    bird.command(std::move(command), [&](Result<bgp::Reply> reply) { heard = std::move(reply); });
    CHECK_FALSE(heard);  // never from within
    REQUIRE(run_until([&] { return heard.has_value(); }));
    return std::move(*heard);
  }
};

}  // namespace margay::test
