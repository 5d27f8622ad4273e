// A WatchSink that keeps the state a reader would have, and a loop that runs until a claim about it holds.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fake_decoder.hpp"
#include "margay/datastore/watch.hpp"

namespace margay::test {

class RecordingSink final : public datastore::WatchSink {
 public:
  void on_state(SyncState state) override {
    states.push_back(state);
    if (on_state_hook) on_state_hook(state);
  }
  void on_updates(std::vector<Update> updates) override {
    ++batches;
    for (Update& update : updates) {
      ++count;
      last_arrival = std::chrono::steady_clock::now();
      const std::string key = update.key.to_string();
      history.push_back(key + "=" + value_of(update.value));
      if (update.value) values[key] = value_of(update.value);
      else values.erase(key);
    }
  }
  [[nodiscard]] bool in_sync() const { return !states.empty() && states.back() == SyncState::InSync; }
  [[nodiscard]] bool waiting() const { return !states.empty() && states.back() == SyncState::WaitForDatastore; }

  std::vector<SyncState> states;
  std::map<std::string, std::string> values;
  std::vector<std::string> history;
  std::size_t count = 0, batches = 0;
  std::chrono::steady_clock::time_point last_arrival{};
  std::function<void(SyncState)> on_state_hook;
};

// Runs the loop until `done`, at most `limit`; false if it never was.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done,
                      std::chrono::milliseconds limit = std::chrono::seconds{20}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  io.restart();
  while (!done()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= end) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(end - now);
  }
  return true;
}

}  // namespace margay::test
