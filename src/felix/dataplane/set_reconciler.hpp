// SetReconciler: the sets one family should have, what the kernel has, and the changes between.
//
// Two phases, around the tables (law 2): apply_updates() creates and fills before rules may name a set, apply_deletions() removes
// what no rule names any more. A set is `usable` while the kernel holds exactly the wanted members in the wanted shape; the
// tables close what names an unusable one (law 3). That is how a set that overflows, or cannot be written, costs only its
// dependants.
//
// Changes go in place, additions of all sets first, removals after: whatever was and stays a member is a member throughout, even
// when a broad CIDR replaces narrow ones. A set of the wrong shape (type, maximum) or that cannot be read is built anew under a
// temporary name and swapped in, which rules do not notice. Where the kernel cannot swap (types differ), the set is unusable
// until the tables let go of it, then destroyed and made anew.
//
// First apply, and after errors: one listing, then the members of the wanted sets that are there; members that agree stay
// untouched. Refresh: the listing at once, members in slices of kSlice, so that no apply is long.
//
// Memory: members are kept once, packed (MemberSet); beside them only the pending difference.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dataplane/backoff.hpp"
#include "dataplane/member_set.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

class SetReconciler {
 public:
  struct Timing {
    Duration refresh = std::chrono::seconds{90};  // IpsetsRefreshInterval; zero: never
  };
  struct Counters {  // felix_ipset_*
    std::uint64_t calls = 0, errors = 0, lines_executed = 0;
  };
  struct Failure {
    std::string set;
    Error error;
  };

  SetReconciler(Family family, kernel::Sets& port, Timing timing) : family_{family}, port_{port}, timing_{timing} {}

  // ---- wanted. Members of the other family are ignored, so that callers need not sort.
  void want(kernel::SetSpec spec, const std::vector<kernel::SetMember>& members);
  void change(const std::string& name, const std::vector<kernel::SetMember>& added,
              const std::vector<kernel::SetMember>& removed);
  void unwant(const std::string& name);

  // ---- the world
  [[nodiscard]] bool pending() const { return stale_ || !dirty_.empty(); }
  [[nodiscard]] bool failing() const { return backoff_.failing(); }
  bool apply_updates(TimePoint now);
  // Failures are retried later by themselves: a set still in use harms nobody.
  bool apply_deletions(TimePoint now);
  void invalidate() { stale_ = true; }
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  // Names whose usability changed since last asked.
  [[nodiscard]] std::vector<std::pair<std::string, bool>> take_usability_changes() { return std::exchange(changes_, {}); }
  [[nodiscard]] bool usable(const std::string& name) const;
  // Takes all sets of ours of this family out of the kernel (after the tables).
  Status cleanup();

  // ---- for status, rendering and tests
  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] std::vector<Failure> failures() const;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t size() const { return sets_.size(); }
  [[nodiscard]] std::vector<kernel::SetSpec> wanted() const;                                   // sorted by name
  [[nodiscard]] std::vector<kernel::SetMember> wanted_members(const std::string& name) const;  // sorted

 private:
  enum class Kernel : std::uint8_t { Absent, Present, WrongShape };
  struct Entry {
    kernel::SetSpec spec;
    MemberSet members;
    MemberSet add, remove;  // pending, while in step
    Kernel kernel = Kernel::Absent;
    bool reread = true;  // the kernel's members are not known
    bool usable = false;
    bool doomed = false;  // to be destroyed and made anew, once nothing refers to it
    std::optional<Error> failure;
    explicit Entry(Family family) : members{family}, add{family}, remove{family} {}
    [[nodiscard]] bool in_step() const { return kernel == Kernel::Present && !reread; }
  };
  struct Batch {
    std::vector<kernel::Sets::Change> changes;
    std::vector<std::string> names;  // of the entry each change is for
    std::size_t members = 0;
  };

  [[nodiscard]] bool ours(const std::string& name) const;
  void insert(Entry& e, const kernel::SetMember& m);
  void erase(Entry& e, const kernel::SetMember& m);
  Status list();
  void start_refresh(TimePoint now);
  void read_members(Entry& e);
  bool round(TimePoint now);
  void run(Batch& batch);
  void on_failure(Entry& e, Error error);
  void rebuild(const std::string& name, Entry& e);
  void set_usable(const std::string& name, Entry& e);
  [[nodiscard]] std::string temporary_name();

  Family family_;
  kernel::Sets& port_;
  Timing timing_;

  std::unordered_map<std::string, Entry> sets_;
  std::unordered_set<std::string> dirty_;                      // names to be looked at
  std::unordered_map<std::string, kernel::SetSpec> unwanted_;  // in the kernel, to be destroyed
  std::unordered_set<std::string> doomed_, failed_;
  std::deque<std::string> to_refresh_;
  std::vector<std::pair<std::string, bool>> changes_;

  bool stale_ = true;    // list, and read every set
  bool relist_ = false;  // list only
  unsigned next_temporary_ = 0;
  std::optional<TimePoint> refresh_due_, slice_due_;
  Backoff backoff_{std::chrono::milliseconds{10}, std::chrono::seconds{10}};
  Backoff deletions_{std::chrono::seconds{1}, std::chrono::seconds{60}};
  std::optional<Error> error_;
  Counters counters_;
};

}  // namespace margay::dataplane
