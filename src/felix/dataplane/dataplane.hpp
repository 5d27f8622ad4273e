// Dataplane: from the graph's messages and the kernel's events to the kernel, and back what is in force.
//
//   on_message ─→ managers (note) ─┐                         ┌─ Plane v4: tables ×4, sets, routes ─┐
//   on_event   ─→ links, routes ───┤  apply(): managers      │                                     ├─→ ports
//                                  └─ complete() ──────────→ └─ Plane v6: the same ────────────────┘
//
// apply(), in this order (why: docs/design/dataplane.md):
//   links if unknown · managers complete · sets up · tables raw, mangle, nat, filter · addresses, routes, neighbours, sysctls ·
//   conntrack of departed addresses · sets down · who is in force now
//
// Nothing touches the kernel before InSync (law 1), but for apply_closed_base() on a host that has no chain of ours yet. One
// thread. Calls block for as long as the kernel takes. A failed part is pending, retried at next_wakeup(); the rest is applied.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "calc/messages.hpp"
#include "dataplane/address_reconciler.hpp"
#include "dataplane/config.hpp"
#include "dataplane/link_sysctls.hpp"
#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

class EndpointManager;
class PolicyManager;

struct Failure {
  std::string what;
  Error error;
};

// A workload of which something changed that others are told. `enforced`: its chains, all they lead to and their sets are in the
// kernel, in every family.
struct EndpointChange {
  calc::EndpointId id;
  Ref<WorkloadEndpoint> endpoint;  // null: gone
  bool enforced = false;
  bool link_up = false;
  Symbol bgp_peer;  // the BGPPeer by which it is a BGP peer; empty: it is none
};

struct Outcome {
  bool applied = false;           // false: still gated, nothing was touched
  bool ok = false;                // applied, and everything wanted is in the kernel
  bool fatal = false;             // tables could not be programmed for long: end the process, closed, for a restart
  std::vector<Failure> failures;  // one an item
  std::vector<EndpointChange> endpoints;
};

class Dataplane final : public calc::MessageSink {
 public:
  Dataplane(Config config, Ports ports);
  ~Dataplane() override;

  // ---- in. Cheap.
  void on_message(calc::Message message) override;
  void on_event(const kernel::KernelEvent& event);
  void on_events_lost();
  [[nodiscard]] bool in_sync() const { return in_sync_; }

  // ---- out
  // At start, before in-sync: closes workload interfaces on a host that has no chain of ours (law 1). Otherwise does nothing.
  Status apply_closed_base();
  Outcome apply();
  // There is something to apply at once.
  [[nodiscard]] bool pending() const;
  // Earliest time at which apply() has something to do without a new message or event: refreshes, drift, retries.
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  // Takes all that is ours out of the kernel. Every part is tried; the first error is returned.
  Status cleanup();
  // For `render`: completes the managers as if all sets could be filled; touches no port. Then look at planes().
  void render();

  // ---- looking
  [[nodiscard]] const Planes& planes() const { return planes_; }
  [[nodiscard]] std::size_t endpoint_count() const;
  [[nodiscard]] bool enforced(const calc::EndpointId& id) const;
  [[nodiscard]] const std::unordered_map<std::string, std::uint64_t>& message_counts() const { return message_counts_; }
  [[nodiscard]] std::uint64_t failures() const { return failure_count_; }  // felix_int_dataplane_failures

 private:
  struct State {
    bool enforced = false;
    bool link_up = false;
    Symbol bgp_peer;
    Ref<WorkloadEndpoint> endpoint;
    friend bool operator==(const State&, const State&) = default;
  };
  Status read_links();
  void on_link(const kernel::Link& link, bool removed);
  void complete();
  bool apply_tables(Plane& plane, TimePoint now, Outcome& outcome);
  void pass_on_usability(Plane& plane);
  void report(Outcome& outcome, bool tables_ok);
  [[nodiscard]] State state_of(const calc::EndpointId& id, bool tables_ok) const;
  [[nodiscard]] bool all_open() const;

  const Config config_;
  Ports ports_;
  Planes planes_;
  LinkSysctls sysctls_;
  AddressReconciler addresses_;
  std::vector<std::unique_ptr<Manager>> managers_;
  PolicyManager* policies_ = nullptr;  // in managers_
  EndpointManager* endpoints_ = nullptr;

  bool in_sync_ = false;
  bool links_stale_ = true;
  bool dirty_ = true;
  bool completed_ = false;  // managers ran once: what is wanted is more than the closed base
  std::unordered_map<int, kernel::Link> links_;
  std::vector<Addr> departed_;  // conntrack entries yet to go
  Backoff links_backoff_{std::chrono::milliseconds{100}, std::chrono::seconds{10}};
  Backoff conntrack_backoff_{std::chrono::milliseconds{100}, std::chrono::seconds{10}};
  std::unordered_map<calc::EndpointId, State> states_;
  std::unordered_set<calc::EndpointId> unenforced_;
  bool was_good_ = false;
  std::unordered_map<std::string, std::uint64_t> message_counts_;
  std::uint64_t failure_count_ = 0;
};

}  // namespace margay::dataplane
