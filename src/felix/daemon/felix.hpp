// Felix: the daemon's loop. Wires watcher → graph → dataplane, waits on the kernel's notices, signals and timers, and applies.
//
//   watcher ─ on_updates ─→ graph ──┐                        one thread; whatever happens marks something dirty and asks for a
//   netlink, timers ─→ dataplane ───┼─→ turn(): flush, apply, tell      turn; a turn comes at once where the daemon was idle, and
//   when its signals, control socket ────────┘                        throttle allows where it is busy
//
// Start. The control socket, the watcher and, on a host that never had chains of ours, the closed base chains come first. Once
// the datastore is in sync the configuration is resolved, the dataplane built, and the first turn reads the kernel back and
// applies. Nothing else touches the kernel before that (law 1).
//
// End. SIGTERM and SIGINT leave the kernel as it is. A setting that changed and cannot change in place ends with 129; tables that
// cannot be programmed for long end with 1; the supervisor starts anew, and what is programmed goes on deciding meanwhile.
#pragma once

#include <memory>

#include "daemon/options.hpp"
#include "margay/settings/settings.hpp"

namespace margay::daemon {

// Blocks until the daemon's end; the answer is the process's exit code (contracts §1).
[[nodiscard]] int run_felix(const Options& options, const settings::Settings& settings);

// `margay-felix --cleanup`: all that is ours out of the kernel.
[[nodiscard]] int run_cleanup(const settings::Settings& settings);

}  // namespace margay::daemon
