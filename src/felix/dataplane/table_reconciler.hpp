// TableReconciler: what one table of one family should hold of ours, what it holds, and the smallest commit between the two.
//
// Goals. Cost of an apply is the size of the change (law 5): wanted chains carry their digest, their jump targets and the sets
// they use; each change touches only counters and a dirty set. A chain is programmed while it is reachable: from a hook, from a
// programmed chain, or forced (policies needed everywhere). One commit per apply, so that no packet sees half of a change.
//
// Closed by construction (law 3). A chain somebody jumps to but nobody defined is programmed as one Drop. A rule naming a set
// that is not usable (absent, overfull, not what is wanted) would make the kernel refuse the whole commit, or match wrongly: its
// chain is cut there and ends in Drop, so what stood before the rule still decides and only what depends on the set is closed. In
// nat, where nothing may be dropped, the rule is left out instead.
//
// Failure. Conflict: read, diff, commit again, a few times. Refused: read and commit once more, then find the refused chains by
// halving; those keep their old contents (law 7) or, if new, are closed; the rest is applied. What failed stays dirty and is
// retried with back-off; failing for kFatalAfter without one success asks for a restart (law 8), with everything left closed.
//
// Rejected: a per-rule identity in comments (kernel-limits A3: three times the price of each replace); an apply that walks all
// chains; trusting IPT_SO_GET_INFO alone for drift, as an edit of equal shape does not show in it (decision 0060).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dataplane/backoff.hpp"
#include "margay/base/clock.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

class TableReconciler {
 public:
  struct Timing {
    Duration refresh = std::chrono::seconds{180};  // IptablesRefreshInterval; zero: never
    Duration drift = std::chrono::seconds{1};      // how often the table's shape is looked at; zero: never
    Duration fatal_after = std::chrono::seconds{60};
  };
  struct Counters {  // felix_iptables_*
    std::uint64_t restore_calls = 0, restore_errors = 0, save_calls = 0, save_errors = 0, lines_executed = 0, drifts = 0;
  };

  TableReconciler(Family family, kernel::Table table, kernel::Tables& port, const Clock& clock, Timing timing);

  // ---- wanted. Cheap; nothing happens before apply().
  void set_hooks(std::vector<kernel::Hooks> hooks);
  void want(kernel::Chain chain);
  void unwant(const std::string& name);
  void force(const std::string& name, bool forced);  // programmed though nothing refers to it
  // Every set named by a rule is unusable until said otherwise.
  void set_usable(const std::string& set, bool usable);

  // ---- the world
  // There is, or may be, something to do at once.
  [[nodiscard]] bool pending() const { return stale_ || hooks_dirty_ || !dirty_.empty(); }
  // Reads back what needs it, commits the difference. True: the kernel holds what is wanted, as far as known.
  bool apply(TimePoint now);
  // Forget what was seen: the next apply() reads back.
  void invalidate() { stale_ = true; }
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  // Nothing could be committed for so long that a restart is the better hope. A few refused chains are not that.
  [[nodiscard]] bool fatal(TimePoint now) const {
    return !partial_ && backoff_.failures() >= 10 && backoff_.failing_for(now) >= timing_.fatal_after;
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // The first apply: whether the table holds no chain of ours at all.
  [[nodiscard]] Result<bool> untouched();
  Status cleanup();

  // ---- for status, rendering and tests
  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] kernel::Table table() const { return table_; }
  [[nodiscard]] const std::vector<kernel::Hooks>& hooks() const { return hooks_; }
  // Chains to be programmed, sorted by name, with unusable sets closed.
  [[nodiscard]] std::vector<kernel::Chain> programmed() const;
  // The kernel holds this chain exactly as wanted (if it is wanted and reachable at all).
  [[nodiscard]] bool in_force(const std::string& name) const;
  // The same for it and all it leads to.
  [[nodiscard]] bool in_force_deep(const std::string& name) const;
  // Programmed chains that stand closed, or refused, instead of what was wanted.
  [[nodiscard]] std::size_t closed_chains() const { return closed_.size() + (partial_ ? 1 : 0); }
  // Held what was wanted, but for refused chains, at least once since the start.
  [[nodiscard]] bool ever_programmed() const { return ever_programmed_; }
  [[nodiscard]] bool failing() const { return backoff_.failing(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Chains the kernel refused, holding old contents or closed.
  [[nodiscard]] std::vector<std::string> refused() const;

 private:
  struct Entry {
    std::optional<kernel::Chain> chain;   // as wanted; absent: only referred to
    kernel::Digest digest = 0;            // of effective()
    std::vector<std::string> targets;     // distinct chains it jumps to, as far as effective
    std::vector<std::string> sets;        // distinct sets it names, all of them
    std::optional<kernel::Chain> closed;  // stands in while a set of it is unusable, or it is missing
    std::uint32_t references = 0;         // by hooks and programmed chains
    bool forced = false;
    bool counted = false;  // its targets are counted: it is programmed
    bool refused = false;  // the kernel would not take it
  };
  struct Plan {
    kernel::TableChange change;
    [[nodiscard]] bool empty() const { return change.write.empty() && change.remove.empty() && !change.fix_hooks; }
  };

  Entry& entry(const std::string& name);
  [[nodiscard]] static const kernel::Chain& effective(const Entry& e) { return e.closed ? *e.closed : *e.chain; }
  void redo(const std::string& name, Entry& e);
  void refer(const std::string& name);
  void unrefer(const std::string& name);
  void settle(const std::string& name, Entry& e);
  void drop_if_unused(const std::string& name);
  [[nodiscard]] Plan plan();
  Status read();
  Status commit(const kernel::TableChange& change);
  void committed(const kernel::TableChange& change);
  Status apply_halving(const Plan& plan);
  Status write_part(std::vector<const kernel::Chain*> part);
  bool fail(Error error, TimePoint now);
  bool succeed(TimePoint now, bool tried_refused);

  Family family_;
  kernel::Table table_;
  kernel::Tables& port_;
  const Clock& clock_;
  Timing timing_;

  std::unordered_map<std::string, Entry> chains_;
  std::unordered_map<std::string, std::unordered_set<std::string>> users_of_set_;
  std::unordered_set<std::string> usable_sets_;
  std::vector<kernel::Hooks> hooks_;

  std::unordered_map<std::string, kernel::Digest> seen_;
  std::unordered_set<std::string> dirty_;   // names whose wanted and seen may differ
  std::unordered_set<std::string> closed_;  // programmed, with a stand-in
  bool hooks_dirty_ = true;
  bool ever_programmed_ = false;
  bool stale_ = true;
  std::optional<kernel::TableInfo> info_;  // the shape when last seen
  std::optional<TimePoint> refresh_due_, drift_due_, reread_due_;
  Duration read_cost_{};
  Backoff backoff_{std::chrono::milliseconds{10}, std::chrono::seconds{10}};
  bool partial_ = false;  // the last failure was of single chains
  std::optional<Error> error_;
  Counters counters_;
};

}  // namespace margay::dataplane
