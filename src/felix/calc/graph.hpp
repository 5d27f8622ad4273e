// Graph: the calculation graph of one node. Updates of the cluster's resources in, what this node must enforce out.
//
// Goals: output is a function of current state, whatever the order and history of updates; work is proportional to the change;
// references are announced before their users and withdrawn after them; nothing leaves before the datastore is in sync.
// The parts and their contract: docs/design/calc-graph.md. Pure: no system calls, no clock, no logging. One thread.
//
// Use: feed on_state and on_updates as the watcher calls them (cheap: they note what changed), then flush() when the dataplane
// is ready for more. Everything between two flushes coalesces: this is the back-pressure.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "calc/counters.hpp"
#include "calc/messages.hpp"
#include "margay/model/update.hpp"

namespace margay::calc {

struct Options {
  Symbol node;                // this node's name: endpoints on it are local
  bool staged_rules = false;  // announce staged policies with their rules (and the sets those need), for `render --staged`
};

class Graph {
 public:
  Graph(Options options, MessageSink& sink);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void on_state(SyncState state);
  void on_updates(std::span<const Update> updates);

  // Emits the difference between current state and what was emitted before; nothing while held(). The first flush in sync
  // ends with InSync. Returns when the datastore's earliest event among those the emitted messages carry arrived, if any.
  std::optional<Clock::time_point> flush();

  // A flush would emit something, as far as can be told without computing it.
  [[nodiscard]] bool has_pending() const noexcept;
  // Flushes wait: until the first InSync, from a Resync to its InSync (mixtures of old and new are never enforced), and frozen().
  [[nodiscard]] bool held() const noexcept;
  // ClusterInformation says datastoreReady: false. What is enforced stays until it says otherwise.
  [[nodiscard]] bool frozen() const noexcept;
  [[nodiscard]] Counters counters() const;

 private:
  struct Nodes;
  std::unique_ptr<Nodes> nodes_;
};

}  // namespace margay::calc
