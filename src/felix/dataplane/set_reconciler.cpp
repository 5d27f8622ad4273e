#include "dataplane/set_reconciler.hpp"

#include <algorithm>
#include <bit>

#include "rules/names.hpp"

namespace margay::dataplane {
namespace {

constexpr int kRounds = 3;                      // within one apply
constexpr std::size_t kBatchMembers = 200'000;  // bounds the memory of one call
constexpr std::size_t kSlice = 64;              // sets re-read per apply by the refresh
constexpr Duration kSliceGap = std::chrono::milliseconds{100};

// Enough buckets from the start: growing while it is filled costs the kernel four times the insertion (kernel-limits D).
std::uint32_t hash_size(std::size_t members, std::uint32_t max_elements) {
  const std::size_t wanted = std::clamp<std::size_t>(members, 64, std::max<std::size_t>(64, max_elements));
  return static_cast<std::uint32_t>(std::bit_ceil(wanted));
}

}  // namespace

bool SetReconciler::ours(const std::string& name) const {
  return name.size() > 5 && name.starts_with("cali") && name[4] == digit(family_);
}

// ---- wanted --------------------------------------------------------------------------------------------------------

void SetReconciler::insert(Entry& e, const kernel::SetMember& m) {
  if (m.net.family() != family_ || !e.members.insert(m) || !e.in_step()) return;
  if (!e.remove.erase(m)) e.add.insert(m);
}

void SetReconciler::erase(Entry& e, const kernel::SetMember& m) {
  if (m.net.family() != family_ || !e.members.erase(m) || !e.in_step()) return;
  if (!e.add.erase(m)) e.remove.insert(m);
}

void SetReconciler::want(kernel::SetSpec spec, const std::vector<kernel::SetMember>& members) {
  const std::string name = spec.name;
  MARGAY_ASSERT(ours(name) && spec.family == family_);
  const auto [it, fresh] = sets_.try_emplace(name, family_);
  Entry& e = it->second;
  if (fresh) {
    if (const auto there = unwanted_.find(name); there != unwanted_.end()) {
      e.kernel = there->second == spec ? Kernel::Present : Kernel::WrongShape;
      unwanted_.erase(there);
    }
  } else if (!(e.spec == spec)) {
    // What is there may have either shape by now (a listing decides), so it is compared again.
    if (e.kernel != Kernel::Absent) e.kernel = Kernel::WrongShape;
    e.add.clear();
    e.remove.clear();
  }
  e.spec = std::move(spec);
  MemberSet wanted{family_};
  for (const auto& m : members) {
    if (m.net.family() == family_) wanted.insert(m);
  }
  if (e.in_step()) {
    for (const auto& m : e.members.all()) {
      if (!wanted.contains(m)) erase(e, m);
    }
    wanted.for_each([&](const kernel::SetMember& m) { insert(e, m); });
  } else {
    e.members = std::move(wanted);
  }
  dirty_.insert(name);
}

void SetReconciler::change(const std::string& name, const std::vector<kernel::SetMember>& added,
                           const std::vector<kernel::SetMember>& removed) {
  const auto it = sets_.find(name);
  if (it == sets_.end()) return;
  for (const auto& m : removed) erase(it->second, m);
  for (const auto& m : added) insert(it->second, m);
  if (!it->second.in_step() || !it->second.add.empty() || !it->second.remove.empty()) dirty_.insert(name);
}

void SetReconciler::unwant(const std::string& name) {
  const auto it = sets_.find(name);
  if (it == sets_.end()) return;
  if (it->second.kernel != Kernel::Absent) unwanted_[name] = it->second.spec;
  if (it->second.usable) changes_.emplace_back(name, false);
  doomed_.erase(name);
  failed_.erase(name);
  dirty_.erase(name);
  sets_.erase(it);
}

// ---- the world -----------------------------------------------------------------------------------------------------

Status SetReconciler::list() {
  ++counters_.calls;
  auto headers = port_.list();
  if (!headers) {
    ++counters_.errors;
    return std::move(headers).error().in("list");
  }
  unwanted_.clear();
  std::unordered_map<std::string, const kernel::SetSpec*> there;
  for (const auto& header : *headers) {
    if (!ours(header.spec.name)) continue;
    if (sets_.count(header.spec.name)) there[header.spec.name] = &header.spec;
    else unwanted_[header.spec.name] = header.spec;
  }
  for (auto& [name, e] : sets_) {
    const auto it = there.find(name);
    const Kernel now = it == there.end() ? Kernel::Absent : *it->second == e.spec ? Kernel::Present : Kernel::WrongShape;
    if (now == e.kernel && !stale_) continue;
    e.kernel = now;
    e.reread = true;
    dirty_.insert(name);
  }
  stale_ = false;
  relist_ = false;
  return {};
}

void SetReconciler::start_refresh(TimePoint now) {
  refresh_due_ = now + timing_.refresh;
  relist_ = true;
  to_refresh_.clear();
  for (const auto& [name, e] : sets_) to_refresh_.push_back(name);
}

// Leaves the entry in step with its difference pending, or marked for rebuilding.
void SetReconciler::read_members(Entry& e) {
  ++counters_.calls;
  auto there = port_.members(e.spec);
  if (!there) {
    ++counters_.errors;
    if (there.error().code == ErrorCode::NotFound) relist_ = true;
    e.kernel = there.error().code == ErrorCode::NotFound ? Kernel::Absent : Kernel::WrongShape;
    return;
  }
  e.add.clear();
  e.remove.clear();
  MemberSet missing = e.members;
  for (const auto& m : *there) {
    if (!missing.erase(m)) e.remove.insert(m);
  }
  e.add = std::move(missing);
  e.reread = false;
}

std::string SetReconciler::temporary_name() {
  for (;;) {
    std::string name = rules::temporary_set_name(family_, next_temporary_++);
    if (!unwanted_.count(name) && !sets_.count(name)) return name;
  }
}

void SetReconciler::on_failure(Entry& e, Error error) {
  ++counters_.errors;
  e.reread = true;
  relist_ = true;
  e.failure = std::move(error);
}

void SetReconciler::run(Batch& batch) {
  if (batch.changes.empty()) return;
  ++counters_.calls;
  const auto statuses = port_.apply(batch.changes);
  MARGAY_ASSERT(statuses.size() == batch.changes.size());
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    Entry& e = sets_.at(batch.names[i]);
    const auto& change = batch.changes[i];
    counters_.lines_executed += change.create + change.add.size() + change.remove.size();
    if (!statuses[i]) {
      on_failure(e, statuses[i].error());
    } else if (!e.failure) {
      if (change.create) {
        e.kernel = Kernel::Present;
        e.reread = false;
      }
      if (!change.add.empty() || change.create) e.add.clear();
      if (!change.remove.empty() || change.create) e.remove.clear();
    }
  }
  batch = {};
}

// Full contents under a temporary name, then swap: rules that name the set see old or new, never part.
void SetReconciler::rebuild(const std::string& name, Entry& e) {
  kernel::SetSpec temporary = e.spec;
  temporary.name = temporary_name();
  temporary.hash_size = hash_size(e.members.size(), e.spec.max_elements);
  unwanted_[temporary.name] = temporary;
  counters_.calls += 2;
  counters_.lines_executed += e.members.size() + 2;
  const auto filled = port_.apply({{.spec = &temporary, .create = true, .remove = {}, .add = e.members.all()}});
  if (!filled.front()) return on_failure(e, filled.front().error());
  if (auto swapped = port_.swap(name, temporary.name); !swapped) {
    if (swapped.error().code == ErrorCode::NotFound) {
      relist_ = true;
      return on_failure(e, std::move(swapped).error());
    }
    e.doomed = true;  // its type differs, most likely
    doomed_.insert(name);
    e.failure = std::move(swapped).error();
    return;
  }
  e.kernel = Kernel::Present;
  e.reread = false;
  e.add.clear();
  e.remove.clear();
}

void SetReconciler::set_usable(const std::string& name, Entry& e) {
  const bool usable = e.in_step() && e.add.empty() && e.remove.empty() && !e.failure;
  if (usable == e.usable) return;
  e.usable = usable;
  changes_.emplace_back(name, usable);
}

// One pass over what is dirty. True if all of it is done, or cannot be done for now.
bool SetReconciler::round(TimePoint now) {
  if (stale_ || relist_) {
    if (stale_ && timing_.refresh > Duration::zero()) refresh_due_ = now + timing_.refresh;
    if (auto status = list(); !status) {
      error_ = std::move(status).error();
      return false;
    }
  }
  Batch grow, shrink;
  const std::vector<std::string> names(dirty_.begin(), dirty_.end());
  for (const auto& name : names) {
    Entry& e = sets_.at(name);
    e.failure.reset();
    if (e.members.size() > e.spec.max_elements) {
      e.failure = Error{ErrorCode::NoSpace,
                        std::to_string(e.members.size()) + " members, room for " + std::to_string(e.spec.max_elements)};
      e.reread = true;
      continue;
    }
    if (e.doomed) {
      e.failure = Error{ErrorCode::Busy, "a set of another type is in the way"};
      continue;
    }
    if (e.kernel == Kernel::Present && e.reread) read_members(e);
    if (e.kernel == Kernel::Absent) {
      e.spec.hash_size = hash_size(e.members.size(), e.spec.max_elements);
      grow.members += e.members.size();
      grow.changes.push_back({.spec = &e.spec, .create = true, .remove = {}, .add = e.members.all()});
      grow.names.push_back(name);
    } else if (e.kernel == Kernel::WrongShape) {
      rebuild(name, e);
    } else {
      const bool tight = e.members.size() + e.remove.size() > e.spec.max_elements;
      if (!e.add.empty() || (tight && !e.remove.empty())) {
        grow.members += e.add.size();
        grow.changes.push_back({.spec = &e.spec, .create = false, .remove = {}, .add = e.add.all()});
        if (tight) grow.changes.back().remove = e.remove.all();
        grow.names.push_back(name);
      }
      if (!tight && !e.remove.empty()) {
        shrink.changes.push_back({.spec = &e.spec, .create = false, .remove = e.remove.all(), .add = {}});
        shrink.names.push_back(name);
      }
    }
    if (grow.members > kBatchMembers) run(grow);
  }
  run(grow);
  run(shrink);
  for (const auto& name : names) {
    Entry& e = sets_.at(name);
    set_usable(name, e);
    if (e.failure) failed_.insert(name);
    else failed_.erase(name);
    // What is full stays as it is until it changes or the refresh comes by.
    const bool done = e.usable || (e.failure && (e.failure->code == ErrorCode::NoSpace || e.doomed));
    if (done) dirty_.erase(name);
    if (!done && e.failure) error_ = e.failure->in("set " + name);
  }
  return dirty_.empty();
}

bool SetReconciler::apply_updates(TimePoint now) {
  error_.reset();
  if (refresh_due_ && now >= *refresh_due_) start_refresh(now);
  slice_due_.reset();
  for (std::size_t i = 0; i < kSlice && !to_refresh_.empty(); ++i) {
    if (const auto it = sets_.find(to_refresh_.front()); it != sets_.end()) {
      it->second.reread = true;
      it->second.add.clear();
      it->second.remove.clear();
      dirty_.insert(it->first);
    }
    to_refresh_.pop_front();
  }
  if (!to_refresh_.empty()) slice_due_ = now + kSliceGap;
  bool done = false;
  for (int i = 0; i < kRounds && !done; ++i) done = round(now);
  if (done) backoff_.on_success();
  else backoff_.on_failure(now);
  return done;
}

bool SetReconciler::apply_deletions(TimePoint now) {
  if (deletions_.failing() && now < *deletions_.due()) return false;
  bool all = true;
  for (auto it = unwanted_.begin(); it != unwanted_.end();) {
    ++counters_.calls;
    const auto status = port_.destroy(it->first);
    if (status || status.error().code == ErrorCode::NotFound) {
      ++counters_.lines_executed;
      it = unwanted_.erase(it);
    } else {
      all = false;
      ++it;
    }
  }
  for (auto it = doomed_.begin(); it != doomed_.end();) {
    ++counters_.calls;
    const auto status = port_.destroy(*it);
    if (!status && status.error().code != ErrorCode::NotFound) {
      all = false;
      ++it;
      continue;
    }
    Entry& e = sets_.at(*it);
    e.doomed = false;
    e.kernel = Kernel::Absent;
    e.failure.reset();
    failed_.erase(*it);
    dirty_.insert(*it);
    it = doomed_.erase(it);
  }
  if (all) deletions_.on_success();
  else deletions_.on_failure(now);
  return all;
}

std::optional<TimePoint> SetReconciler::next_wakeup() const {
  auto due = earlier(refresh_due_, slice_due_);
  if (backoff_.failing()) due = earlier(due, backoff_.due());
  if (deletions_.failing()) due = earlier(due, deletions_.due());
  return due;
}

Status SetReconciler::cleanup() {
  stale_ = true;
  auto headers = port_.list();
  if (!headers) return std::move(headers).error();
  Status result;
  for (const auto& header : *headers) {
    if (!ours(header.spec.name)) continue;
    auto status = port_.destroy(header.spec.name);
    if (!status && status.error().code != ErrorCode::NotFound) result = std::move(status).error().in(header.spec.name);
  }
  return result;
}

// ---- looking -------------------------------------------------------------------------------------------------------

bool SetReconciler::usable(const std::string& name) const {
  const auto it = sets_.find(name);
  return it != sets_.end() && it->second.usable;
}

std::vector<SetReconciler::Failure> SetReconciler::failures() const {
  std::vector<Failure> out;
  for (const auto& name : failed_) {
    if (const auto& e = sets_.at(name); e.failure) out.push_back({name, *e.failure});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.set < b.set; });
  return out;
}

std::vector<kernel::SetSpec> SetReconciler::wanted() const {
  std::vector<kernel::SetSpec> out;
  for (const auto& [name, e] : sets_) out.push_back(e.spec);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

std::vector<kernel::SetMember> SetReconciler::wanted_members(const std::string& name) const {
  const auto it = sets_.find(name);
  if (it == sets_.end()) return {};
  auto out = it->second.members.all();
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace margay::dataplane
