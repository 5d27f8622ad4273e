#include "dataplane/table_reconciler.hpp"

#include <algorithm>
#include <utility>

namespace margay::dataplane {
namespace {

constexpr int kAttempts = 6;         // commits within one apply() against writers who do not hold the lock
constexpr int kReadCostFactor = 50;  // a read each second at most, and at most 2 % of one CPU

kernel::Rule drop_rule() { return {.target = kernel::Drop{}}; }

// The kernel's answer says that something in the change is wrong, as opposed to "not now".
bool is_refusal(ErrorCode code) {
  return code == ErrorCode::Invalid || code == ErrorCode::Unsupported || code == ErrorCode::NotFound;
}

void make_distinct(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

bool same_hooks(const std::vector<kernel::Hooks>& wanted, const std::vector<kernel::Hooks>& seen) {
  const auto find = [](const std::vector<kernel::Hooks>& in, const std::string& chain) -> const kernel::Hooks* {
    const auto it = std::find_if(in.begin(), in.end(), [&](const auto& h) { return h.chain == chain; });
    return it == in.end() ? nullptr : &*it;
  };
  for (const auto& want : wanted) {
    const auto* have = find(seen, want.chain);
    if (!have) {
      if (!want.first.empty() || !want.last.empty()) return false;
    } else if (have->first != want.first || have->last != want.last) {
      return false;
    }
  }
  return std::all_of(seen.begin(), seen.end(),
                     [&](const auto& have) { return (have.first.empty() && have.last.empty()) || find(wanted, have.chain); });
}

}  // namespace

TableReconciler::TableReconciler(Family family, kernel::Table table, kernel::Tables& port, const Clock& clock, Timing timing)
    : family_{family}, table_{table}, port_{port}, clock_{clock}, timing_{timing} {}

// ---- wanted --------------------------------------------------------------------------------------------------------

TableReconciler::Entry& TableReconciler::entry(const std::string& name) { return chains_[name]; }

void TableReconciler::refer(const std::string& name) {
  Entry& e = entry(name);
  ++e.references;
  settle(name, e);
}

void TableReconciler::unrefer(const std::string& name) {
  const auto it = chains_.find(name);
  MARGAY_ASSERT(it != chains_.end() && it->second.references > 0);
  --it->second.references;
  settle(name, it->second);
}

// Brings `counted` in line with whether the chain is to be programmed, and passes that on to the chains it jumps to.
void TableReconciler::settle(const std::string& name, Entry& e) {
  const bool programmed = e.references > 0 || e.forced;
  if (programmed && e.closed) closed_.insert(name);
  else if (!programmed) closed_.erase(name);
  if (programmed == e.counted) {
    drop_if_unused(name);
    return;
  }
  dirty_.insert(name);
  e.counted = programmed;
  if (programmed) {
    if (!e.chain && !e.closed) redo(name, e);
    else
      for (const auto& target : std::vector<std::string>{e.targets}) refer(target);
  } else {
    e.refused = false;
    for (const auto& target : std::vector<std::string>{e.targets}) unrefer(target);
    drop_if_unused(name);
  }
}

void TableReconciler::drop_if_unused(const std::string& name) {
  const auto it = chains_.find(name);
  if (it != chains_.end() && !it->second.chain && it->second.references == 0 && !it->second.forced) chains_.erase(it);
}

// Recomputes what stands for the chain after it, or a set it names, changed.
void TableReconciler::redo(const std::string& name, Entry& e) {
  const bool nat = table_ == kernel::Table::Nat;
  const auto unusable = [&](const kernel::Rule& rule) {
    if (e.sets.empty()) return false;
    for (const auto set : rule.sets()) {
      if (!usable_sets_.count(std::string{set})) return true;
    }
    return false;
  };
  e.closed.reset();
  if (!e.chain) {
    e.closed = kernel::Chain{name, nat ? std::vector<kernel::Rule>{} : std::vector<kernel::Rule>{drop_rule()}};
  } else if (std::any_of(e.chain->rules.begin(), e.chain->rules.end(), unusable)) {
    kernel::Chain closed{name, {}};
    for (const auto& rule : e.chain->rules) {
      if (!unusable(rule)) {
        closed.rules.push_back(rule);
      } else if (!nat) {
        closed.rules.push_back(drop_rule());
        break;
      }
    }
    e.closed = std::move(closed);
  }
  if (e.counted && e.closed) closed_.insert(name);
  else closed_.erase(name);
  const kernel::Chain& now = effective(e);
  std::vector<std::string> targets;
  for (const auto& rule : now.rules) {
    if (const auto* target = rule.target_chain()) targets.push_back(*target);
  }
  make_distinct(targets);
  e.digest = kernel::digest(now.rules);
  e.refused = false;
  const std::vector<std::string> before = std::exchange(e.targets, std::move(targets));
  if (e.counted) {
    dirty_.insert(name);
    // New before old: a chain in both stays as it is.
    for (const auto& target : std::vector<std::string>{e.targets}) refer(target);
    for (const auto& target : before) unrefer(target);
  }
}

void TableReconciler::want(kernel::Chain chain) {
  Entry& e = entry(chain.name);
  if (e.chain && e.chain->rules == chain.rules) return;
  const std::string name = chain.name;
  std::vector<std::string> sets;
  for (const auto& rule : chain.rules) {
    for (const auto set : rule.sets()) sets.emplace_back(set);
  }
  make_distinct(sets);
  if (sets != e.sets) {
    for (const auto& set : e.sets) {
      const auto it = users_of_set_.find(set);
      it->second.erase(name);
      if (it->second.empty()) users_of_set_.erase(it);
    }
    for (const auto& set : sets) users_of_set_[set].insert(name);
    e.sets = std::move(sets);
  }
  e.chain = std::move(chain);
  redo(name, e);
}

void TableReconciler::unwant(const std::string& name) {
  const auto it = chains_.find(name);
  if (it == chains_.end() || !it->second.chain) return;
  Entry& e = it->second;
  for (const auto& set : e.sets) {
    const auto users = users_of_set_.find(set);
    users->second.erase(name);
    if (users->second.empty()) users_of_set_.erase(users);
  }
  e.sets.clear();
  e.chain.reset();
  redo(name, e);
  drop_if_unused(name);
}

void TableReconciler::force(const std::string& name, bool forced) {
  Entry& e = entry(name);
  e.forced = forced;
  settle(name, e);
}

void TableReconciler::set_usable(const std::string& set, bool usable) {
  const bool changed = usable ? usable_sets_.insert(set).second : usable_sets_.erase(set) > 0;
  const auto users = users_of_set_.find(set);
  if (!changed || users == users_of_set_.end()) return;
  for (const auto& name : std::vector<std::string>(users->second.begin(), users->second.end())) redo(name, entry(name));
}

void TableReconciler::set_hooks(std::vector<kernel::Hooks> hooks) {
  if (hooks == hooks_) return;
  const auto targets = [](const std::vector<kernel::Hooks>& from) {
    std::vector<std::string> out;
    for (const auto& hook : from) {
      for (const auto* rules : {&hook.first, &hook.last}) {
        for (const auto& rule : *rules) {
          if (const auto* target = rule.target_chain()) out.push_back(*target);
        }
      }
    }
    return out;
  };
  const auto before = targets(hooks_);
  hooks_ = std::move(hooks);
  for (const auto& target : targets(hooks_)) refer(target);
  for (const auto& target : before) unrefer(target);
  hooks_dirty_ = true;
}

// ---- the world -----------------------------------------------------------------------------------------------------

Status TableReconciler::read() {
  const TimePoint start = clock_.now();
  ++counters_.save_calls;
  auto state = port_.read(family_, table_, hooks_);
  if (!state) {
    ++counters_.save_errors;
    return std::move(state).error().in("read");
  }
  seen_ = std::move(state->chains);
  info_ = state->info;
  hooks_dirty_ = state->stray || !same_hooks(hooks_, state->hooks);
  dirty_.clear();
  for (const auto& [name, e] : chains_) {
    if (!e.counted) continue;
    const auto it = seen_.find(name);
    if (it == seen_.end() || it->second != e.digest) dirty_.insert(name);
  }
  for (const auto& [name, digest] : seen_) {
    const auto it = chains_.find(name);
    if (it == chains_.end() || !it->second.counted) dirty_.insert(name);
  }
  stale_ = false;
  const TimePoint end = clock_.now();
  read_cost_ = end - start;
  if (timing_.refresh > Duration::zero()) refresh_due_ = end + timing_.refresh;
  reread_due_ = end + std::max(timing_.drift, read_cost_ * kReadCostFactor);
  return {};
}

TableReconciler::Plan TableReconciler::plan() {
  Plan plan;
  for (auto it = dirty_.begin(); it != dirty_.end();) {
    const auto want = chains_.find(*it);
    const auto have = seen_.find(*it);
    const bool wanted = want != chains_.end() && want->second.counted;
    if (wanted && (have == seen_.end() || have->second != want->second.digest)) {
      if (!want->second.refused) plan.change.write.push_back(&effective(want->second));
    } else if (!wanted && have != seen_.end()) {
      plan.change.remove.push_back(*it);
    } else {
      it = dirty_.erase(it);
      continue;
    }
    ++it;
  }
  std::sort(plan.change.write.begin(), plan.change.write.end(), [](auto* a, auto* b) { return a->name < b->name; });
  std::sort(plan.change.remove.begin(), plan.change.remove.end());
  plan.change.hooks = hooks_;
  plan.change.fix_hooks = hooks_dirty_;
  return plan;
}

Status TableReconciler::commit(const kernel::TableChange& change) {
  ++counters_.restore_calls;
  auto info = port_.apply(family_, table_, change, info_);
  if (!info) {
    ++counters_.restore_errors;
    return std::move(info).error().in("commit");
  }
  info_ = *info;
  for (const auto* chain : change.write) {
    const auto want = chains_.find(chain->name);
    const bool whole = want != chains_.end() && want->second.counted && &effective(want->second) == chain;
    seen_[chain->name] = whole ? want->second.digest : kernel::digest(chain->rules);
    counters_.lines_executed += chain->rules.size() + 1;
    if (whole) {
      dirty_.erase(chain->name);
      want->second.refused = false;
    }
  }
  for (const auto& name : change.remove) {
    seen_.erase(name);
    dirty_.erase(name);
    ++counters_.lines_executed;
  }
  if (change.fix_hooks) hooks_dirty_ = false;
  return {};
}

// Writes these chains; on a refusal halves until the refused ones stand alone. An error is about the table, not about a chain.
Status TableReconciler::write_part(std::vector<const kernel::Chain*> part) {
  if (part.empty()) return {};
  kernel::TableChange change;
  change.write = part;
  Status status = commit(change);
  for (int i = 0; !status && status.error().code == ErrorCode::Conflict && i < kAttempts; ++i) {
    if (auto again = read(); !again) return again;
    status = commit(change);
  }
  if (status || !is_refusal(status.error().code)) return status;
  if (part.size() == 1) {
    entry(part.front()->name).refused = true;
    dirty_.insert(part.front()->name);
    return {};
  }
  const auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
  if (auto first = write_part({part.begin(), middle}); !first) return first;
  return write_part({middle, part.end()});
}

// The kernel never says which rule it refused. New chains first, closed and not yet referred to, so that every jump has a
// target; then their contents; then the chains that refer to them; last, hooks and what is to go.
Status TableReconciler::apply_halving(const Plan& whole) {
  std::vector<kernel::Chain> stubs;
  std::vector<const kernel::Chain*> fresh, known;
  for (const auto* chain : whole.change.write) {
    const bool is_new = !seen_.count(chain->name);
    (is_new ? fresh : known).push_back(chain);
    if (is_new)
      stubs.push_back({chain->name, table_ == kernel::Table::Nat ? std::vector<kernel::Rule>{} : std::vector{drop_rule()}});
  }
  if (!stubs.empty()) {
    kernel::TableChange change;
    for (const auto& stub : stubs) change.write.push_back(&stub);
    if (auto status = commit(change); !status) return status;
  }
  if (auto status = write_part(fresh); !status) return status;
  if (auto status = write_part(known); !status) return status;
  kernel::TableChange rest;
  rest.hooks = hooks_;
  rest.fix_hooks = hooks_dirty_;
  if (rest.fix_hooks) {
    if (auto status = commit(rest); !status) return status;
  }
  rest.fix_hooks = false;
  for (const auto& name : whole.change.remove) {
    if (seen_.count(name)) rest.remove.push_back(name);
  }
  if (rest.remove.empty()) return {};
  // A refused chain's old contents may still jump to one of these; they go when it is mended.
  const bool any_refused = !refused().empty();
  auto status = commit(rest);
  return any_refused && !status && is_refusal(status.error().code) ? Status{} : status;
}

bool TableReconciler::fail(Error error, TimePoint now) {
  error_ = std::move(error).in(std::string{"table "} + std::string{kernel::name(table_)} + " v" + digit(family_));
  partial_ = false;
  stale_ = true;
  backoff_.on_failure(now);
  return false;
}

bool TableReconciler::succeed(TimePoint now, bool tried_refused) {
  if (timing_.drift > Duration::zero() && (!drift_due_ || now >= *drift_due_)) drift_due_ = now + timing_.drift;
  ever_programmed_ = true;
  const auto bad = refused();
  partial_ = !bad.empty();
  if (!partial_) {
    backoff_.on_success();
    return true;
  }
  error_ = Error{ErrorCode::Invalid, "table " + std::string{kernel::name(table_)} + " v" + digit(family_) + ": " +
                                         std::to_string(bad.size()) + " chains refused, the first is " + bad.front()};
  if (tried_refused) backoff_.on_failure(now);
  return false;
}

bool TableReconciler::apply(TimePoint now) {
  error_.reset();
  if (refresh_due_ && now >= *refresh_due_) stale_ = true;
  if (!stale_ && drift_due_ && now >= *drift_due_) {
    const auto info = port_.info(family_, table_);
    const bool moved = info && info_ && *info != *info_;
    counters_.drifts += moved;
    if (!info || moved || now >= *reread_due_) stale_ = true;
  }
  const bool retry_refused = !backoff_.failing() || now >= *backoff_.due();
  if (retry_refused && partial_) {
    for (const auto& name : dirty_) {
      if (const auto it = chains_.find(name); it != chains_.end()) it->second.refused = false;
    }
  }
  bool halve = false, halved = false;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (stale_) {
      if (auto status = read(); !status) return fail(std::move(status).error(), now);
    }
    const Plan todo = plan();
    if (todo.empty() || halved) return succeed(now, retry_refused || halved);
    const Status status = halve ? apply_halving(todo) : commit(todo.change);
    if (status) {
      if (!halve) return succeed(now, retry_refused);
      halved = true;
      continue;
    }
    stale_ = true;
    if (status.error().code == ErrorCode::Conflict) continue;
    if (is_refusal(status.error().code) && !halve) {
      halve = true;
    } else if (attempt > 0) {
      return fail(status.error(), now);
    }
  }
  return fail({ErrorCode::Conflict, "the table keeps changing under us"}, now);
}

Result<bool> TableReconciler::untouched() {
  if (stale_) {
    if (auto status = read(); !status) return std::move(status).error();
  }
  return seen_.empty();
}

Status TableReconciler::cleanup() {
  stale_ = true;
  return port_.cleanup(family_, table_);
}

std::optional<TimePoint> TableReconciler::next_wakeup() const {
  if (backoff_.failing()) return backoff_.due();
  return earlier(drift_due_, refresh_due_);
}

// ---- looking -------------------------------------------------------------------------------------------------------

std::vector<kernel::Chain> TableReconciler::programmed() const {
  std::vector<kernel::Chain> out;
  for (const auto& [name, e] : chains_) {
    if (e.counted) out.push_back(effective(e));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

bool TableReconciler::in_force(const std::string& name) const {
  const auto want = chains_.find(name);
  if (want == chains_.end() || !want->second.counted) return true;
  if (want->second.closed) return false;
  const auto have = seen_.find(name);
  return have != seen_.end() && have->second == want->second.digest;
}

bool TableReconciler::in_force_deep(const std::string& name) const {
  const auto want = chains_.find(name);
  if (want == chains_.end() || !want->second.counted) return false;
  std::unordered_set<std::string> reached{name};
  std::vector<std::string> todo{name};
  while (!todo.empty()) {
    const std::string next = std::move(todo.back());
    todo.pop_back();
    if (!in_force(next)) return false;
    for (const auto& target : chains_.at(next).targets) {
      if (reached.insert(target).second) todo.push_back(target);
    }
  }
  return true;
}

std::vector<std::string> TableReconciler::refused() const {
  std::vector<std::string> out;
  for (const auto& name : dirty_) {
    const auto it = chains_.find(name);
    if (it != chains_.end() && it->second.refused) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace margay::dataplane
