// Watcher and WatchSink: how a daemon hears of the datastore, whatever it is.
//
// Contract for every implementation (test/datastore/contract_*): the sink sees a stream that is equal, key by key, to the
// store's history with any prefix and any intermediate value left out; the last value of each key is always announced.
//   * on_state(Resync) … on_updates … on_state(InSync): every key that exists has been announced when InSync arrives.
//   * After an outage the same again, with only differences, and deletes for what is gone.
//   * WaitForDatastore: not reachable, or empty when first seen; nothing is announced as deleted because of it.
//   * An object that does not validate keeps the value it had; see decode.hpp for those that never had one.
// Thread: everything runs on the io_context's one thread. Calls never nest: a sink is called from the loop only.
#pragma once

#include <string>
#include <vector>

#include "margay/model/update.hpp"

namespace margay::datastore {

class WatchSink {
 public:
  virtual ~WatchSink() = default;
  virtual void on_state(SyncState state) = 0;
  virtual void on_updates(std::vector<Update> updates) = 0;
};

// Counters for metrics and for `margayctl`; taken as a copy.
struct WatchStats {
  unsigned long long resyncs_started = 0;
  unsigned long long updates = 0;
  unsigned long long objects = 0;          // manifests in force
  unsigned long long invalid_objects = 0;  // manifests that do not parse or validate now
};

class Watcher {
 public:
  virtual ~Watcher() = default;  // stops watching; the sink is not called again
  virtual void start() = 0;
  [[nodiscard]] virtual WatchStats stats() const = 0;
};

}  // namespace margay::datastore
