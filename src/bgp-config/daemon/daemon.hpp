// The daemon's loop: datastore and felix's workload files → view → renderer → publisher → BIRD, and what BIRD says → status.
//
//   watcher ───────→ view ─ router ─→ renderer ─→ publisher ─→ configuration directory, BIRD's socket
//   workload files ──↗  ↑ quarantine ←──────────── refused          │
//   BIRD, every few seconds ─→ watch ─→ configure again ────────────┘    one thread
//
// Start and end. Nothing is written before the datastore is in sync; BIRD may start before or after us, and keeps what it has
// when we end: a restart configures nothing that BIRD is known to run. An idle daemon publishes a change at once; a busy one
// every 100 ms.
#pragma once

#include "daemon/options.hpp"
#include "margay/settings/settings.hpp"

namespace margay::bgp {

// Blocks until the daemon's end; the answer is the process's exit code (contracts §1).
[[nodiscard]] int run_daemon(const Options& options, const settings::Settings& settings);

}  // namespace margay::bgp
