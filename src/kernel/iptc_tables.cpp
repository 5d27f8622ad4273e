#include "iptc_tables.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <unordered_set>

#include "iptc_handle.hpp"
#include "kernel_sets.hpp"
#include "xt_encode.hpp"
#include "xtables_lock.hpp"

namespace margay::kernel {

namespace {

using Bytes = std::vector<std::byte>;

std::string where(Family family, Table table) {
  return std::string{family == Family::V4 ? "" : "ip6 "} + "table " + std::string{name(table)};
}
std::string where(const Chain& chain, std::size_t rule) { return "chain " + chain.name + " rule " + std::to_string(rule + 1); }

Result<TableInfo> get_info(int fd, Family family, Table table) {
  // The families' structures have one layout (libiptc relies on it as well).
  static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) && offsetof(ipt_getinfo, size) == offsetof(ip6t_getinfo, size));
  ipt_getinfo request{};
  std::strncpy(request.name, name(table).data(), sizeof request.name - 1);
  socklen_t size = sizeof request;
  const bool v4 = family == Family::V4;
  if (::getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IPT_SO_GET_INFO : IP6T_SO_GET_INFO, &request, &size) != 0)
    return table_error(errno, "read");
  return TableInfo{request.num_entries, request.size};
}

// ---- reading -------------------------------------------------------------------------------------------------------

// Our rules of one kernel chain, as the wanted hooks would have them lie: a run of `wanted.first` at the top (append: right
// before `last`), a run of `wanted.last` at the end. Whatever of ours stands elsewhere makes it stray.
template <class F>
void read_kernel_chain(Handle<F>& table, const std::string& chain, const Hooks* wanted, KernelSetIndex& sets, TableState& state) {
  std::vector<bool> ours;
  std::vector<std::pair<std::size_t, Rule>> rules;
  table.for_each_rule(chain, [&](const auto* entry, std::string_view target) {
    const bool mine = xt::is_our_entry(F::kFamily, entry, target);
    if (mine) rules.emplace_back(ours.size(), xt::decode(F::kFamily, entry, target, sets));
    ours.push_back(mine);
  });
  if (!wanted) {
    state.stray = state.stray || !rules.empty();
    return;
  }
  Hooks found{chain, {}, {}, wanted->append};
  const std::size_t all = ours.size();
  std::size_t last_begin = all;
  while (last_begin > 0 && all - last_begin < wanted->last.size() && ours[last_begin - 1]) --last_begin;
  std::size_t first_begin = 0, first_end = 0;
  if (wanted->append) {
    first_begin = first_end = last_begin;
    while (first_begin > 0 && first_end - first_begin < wanted->first.size() && ours[first_begin - 1]) --first_begin;
  } else {
    // Where all there is are rules of ours, those at the top count first.
    while (first_end < all && first_end < wanted->first.size() && ours[first_end]) ++first_end;
    last_begin = std::max(last_begin, first_end);
  }
  for (auto& [at, rule] : rules) {
    if (at >= first_begin && at < first_end) found.first.push_back(std::move(rule));
    else if (at >= last_begin) found.last.push_back(std::move(rule));
    else state.stray = true;
  }
  state.hooks.push_back(std::move(found));
}

template <class F>
Result<TableState> read_table(int fd, int set_fd, Table table, const std::vector<Hooks>& wanted) {
  for (int attempt = 0;; ++attempt) {
    auto before = get_info(fd, F::kFamily, table);
    if (!before) return before.error();
    auto handle = Handle<F>::open(name(table).data());
    if (!handle) return handle.error();
    auto after = get_info(fd, F::kFamily, table);
    if (!after) return after.error();
    if (!(*before == *after)) {  // somebody changed it while we read: the shape would not be that of what we hold
      if (attempt < 10) continue;
      return Error{ErrorCode::Conflict, "the table keeps changing while it is read"};
    }
    TableState state;
    state.info = *after;
    KernelSetIndex sets{set_fd};
    for (const auto& chain : handle->chains()) {
      if (handle->is_builtin(chain)) {
        const auto want = std::find_if(wanted.begin(), wanted.end(), [&](const Hooks& h) { return h.chain == chain; });
        read_kernel_chain(*handle, chain, want == wanted.end() ? nullptr : &*want, sets, state);
      } else if (is_our_chain(chain)) {
        std::vector<Rule> rules;
        handle->for_each_rule(chain, [&](const auto* entry, std::string_view target) {
          rules.push_back(xt::decode(F::kFamily, entry, target, sets));
        });
        state.chains.emplace(chain, digest(rules));
      } else if (!state.stray) {
        handle->for_each_rule(chain, [&](const auto* entry, std::string_view target) {
          state.stray = state.stray || xt::is_our_entry(F::kFamily, entry, target);
        });
      }
    }
    // In the order asked for, so that what is right compares equal as a whole.
    std::vector<Hooks> ordered;
    for (const auto& want : wanted) {
      const auto found =
          std::find_if(state.hooks.begin(), state.hooks.end(), [&](const Hooks& h) { return h.chain == want.chain; });
      if (found == state.hooks.end()) return Error{ErrorCode::Invalid, "no kernel chain " + want.chain};
      ordered.push_back(std::move(*found));
    }
    state.hooks = std::move(ordered);
    return state;
  }
}

// ---- writing -------------------------------------------------------------------------------------------------------

Status check(Family family, Table table, const TableChange& change) {
  const auto check_rules = [&](const std::string& chain, const std::vector<Rule>& rules) -> Status {
    for (std::size_t i = 0; i < rules.size(); ++i)
      if (auto ok = xt::validate(family, table, rules[i]); !ok)
        return ok.error().in("chain " + chain + " rule " + std::to_string(i + 1));
    return {};
  };
  const auto check_name = [&](const std::string& chain) -> Status {
    if (auto ok = xt::validate_chain_name(chain); !ok) return ok;
    if (!is_our_chain(chain)) return Error{ErrorCode::Invalid, "chain " + chain + " is not ours"};
    return {};
  };
  for (const Chain* chain : change.write) {
    if (auto ok = check_name(chain->name); !ok) return ok;
    if (auto ok = check_rules(chain->name, chain->rules); !ok) return ok;
  }
  for (const auto& chain : change.remove)
    if (auto ok = check_name(chain); !ok) return ok;
  if (!change.fix_hooks) return {};
  for (const auto& hooks : change.hooks) {
    for (const auto* rules : {&hooks.first, &hooks.last}) {
      if (auto ok = check_rules(hooks.chain, *rules); !ok) return ok;
      for (const auto& rule : *rules)  // else we would not know it again
        if (!is_our_rule(rule))
          return Error{ErrorCode::Invalid, "chain " + hooks.chain + ": a hook that is not recognisable as ours"};
    }
  }
  return {};
}

template <class F>
class Writer {
 public:
  Writer(Handle<F>& table, KernelSetIndex& sets) : table_{table}, sets_{sets} {}

  // Leaves the leading rules that are right already where they are, with their counters.
  Status write(const Chain& chain) {
    std::size_t kept = 0, present = 0;
    bool same = true;
    Status failed;
    table_.for_each_rule(chain.name, [&](const auto* entry, std::string_view target) {
      ++present;
      same = same && failed && kept < chain.rules.size();
      if (!same) return;
      failed = encode(chain.name, kept, chain.rules[kept]);
      if (failed && xt::same_entry(F::kFamily, entry, target, bytes_)) ++kept;
      else same = false;
    });
    if (!failed) return failed;
    if (kept == present && kept == chain.rules.size()) return {};
    if (kept == 0) {
      if (present != 0 && !table_.flush(chain.name)) return table_.error("flush chain " + chain.name);
    } else {
      while (present > kept)
        if (!table_.remove_rule(chain.name, --present)) return table_.error("chain " + chain.name);
    }
    for (std::size_t i = kept; i < chain.rules.size(); ++i) {
      if (auto ok = encode(chain.name, i, chain.rules[i]); !ok) return ok;
      if (!table_.append(chain.name, bytes_)) return table_.error(where(chain, i));
    }
    return {};
  }

  // Takes our rules out of every chain that is not ours and puts the wanted ones in. Chains that are right are not touched.
  Status fix_hooks(const std::vector<Hooks>& hooks) {
    for (const auto& wanted : hooks)
      if (!table_.is_builtin(wanted.chain)) return Error{ErrorCode::Invalid, "no kernel chain " + wanted.chain};
    for (const auto& chain : table_.chains()) {
      if (is_our_chain(chain)) continue;
      const auto wanted = std::find_if(hooks.begin(), hooks.end(), [&](const Hooks& h) { return h.chain == chain; });
      const bool none = wanted == hooks.end();
      std::vector<Bytes> first, last;
      if (!none) {
        if (auto ok = encode_all(chain, wanted->first, first); !ok) return ok;
        if (auto ok = encode_all(chain, wanted->last, last); !ok) return ok;
      }
      if (auto ok = fix_chain(chain, first, last, !none && wanted->append); !ok) return ok;
    }
    return {};
  }

  // The chains are flushed already. Foreign rules that still lead to one go with it.
  Status remove(const std::vector<std::string>& chains) {
    const bool referenced = std::any_of(chains.begin(), chains.end(), [&](const auto& c) { return table_.references(c) != 0; });
    if (referenced) {
      for (const auto& chain : table_.chains()) {
        if (is_our_chain(chain)) continue;
        std::vector<std::size_t> doomed;
        std::size_t at = 0;
        table_.for_each_rule(chain, [&](const auto*, std::string_view target) {
          if (is_our_chain(target) && std::find(chains.begin(), chains.end(), target) != chains.end()) doomed.push_back(at);
          ++at;
        });
        for (; !doomed.empty(); doomed.pop_back())
          if (!table_.remove_rule(chain, doomed.back())) return table_.error("chain " + chain);
      }
    }
    for (const auto& chain : chains) {
      if (table_.references(chain) != 0) return still_used(chain);
      if (!table_.remove_chain(chain)) return table_.error("delete chain " + chain);
    }
    return {};
  }

 private:
  Status encode(const std::string& chain, std::size_t at, const Rule& rule) {
    const auto place = [&] { return "chain " + chain + " rule " + std::to_string(at + 1); };
    // libiptc would take an unknown chain for a kernel module's target, and the kernel say ENOENT of nothing in particular.
    if (const auto* to = rule.target_chain(); to && *to != known_chain_) {
      if (!table_.is_chain(*to)) return Error{ErrorCode::NotFound, "chain " + *to + " does not exist"}.in(place());
      if (table_.is_builtin(*to)) return Error{ErrorCode::Invalid, "jump to kernel chain " + *to}.in(place());
      known_chain_ = *to;
    }
    if (auto ok = xt::encode(F::kFamily, rule, sets_, bytes_); !ok) return ok.error().in(place());
    return {};
  }

  Status encode_all(const std::string& chain, const std::vector<Rule>& rules, std::vector<Bytes>& out) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (auto ok = encode(chain, i, rules[i]); !ok) return ok;
      out.push_back(bytes_);
    }
    return {};
  }

  Status fix_chain(const std::string& chain, const std::vector<Bytes>& first, const std::vector<Bytes>& last, bool append) {
    std::vector<std::size_t> mine;
    std::size_t all = 0;
    table_.for_each_rule(chain, [&](const auto* entry, std::string_view target) {
      if (xt::is_our_entry(F::kFamily, entry, target)) mine.push_back(all);
      ++all;
    });
    if (mine.empty() && first.empty() && last.empty()) return {};
    if (mine.size() == first.size() + last.size()) {
      const std::size_t first_begin = append ? all - last.size() - first.size() : 0, last_begin = all - last.size();
      std::size_t at = 0;
      bool right = true;
      table_.for_each_rule(chain, [&](const auto* entry, std::string_view target) {
        if (at >= last_begin) right = right && xt::same_entry(F::kFamily, entry, target, last[at - last_begin]);
        else if (at >= first_begin && at < first_begin + first.size())
          right = right && xt::same_entry(F::kFamily, entry, target, first[at - first_begin]);
        ++at;
      });
      if (right) return {};
    }
    for (; !mine.empty(); mine.pop_back())
      if (!table_.remove_rule(chain, mine.back())) return table_.error("chain " + chain);
    if (append) {
      for (const auto& entry : first)
        if (!table_.append(chain, entry)) return table_.error("chain " + chain);
    } else {
      for (auto entry = first.rbegin(); entry != first.rend(); ++entry)
        if (!table_.insert(chain, *entry)) return table_.error("chain " + chain);
    }
    for (const auto& entry : last)
      if (!table_.append(chain, entry)) return table_.error("chain " + chain);
    return {};
  }

  Error still_used(const std::string& chain) {
    for (const auto& other : table_.chains()) {
      bool found = false;
      table_.for_each_rule(other, [&](const auto*, std::string_view target) { found = found || target == chain; });
      if (found) return {ErrorCode::Invalid, "cannot delete chain " + chain + ": chain " + other + " leads to it"};
    }
    return {ErrorCode::Invalid, "cannot delete chain " + chain + ": still referenced"};
  }

  Handle<F>& table_;
  KernelSetIndex& sets_;
  Bytes bytes_;
  std::string known_chain_;  // the last jump target looked up
};

// A refused commit is anonymous. What can be found out: an extension this kernel does not have, a jump loop.
template <class F>
Error explain(int error, int fd, Handle<F>& table, KernelSetIndex& sets, const TableChange& change) {
  if (error == ELOOP) {
    if (auto loop = table.find_loop(); !loop.empty()) return {ErrorCode::Invalid, "commit: jump loop through " + loop};
  } else if (error == ENOENT || error == EPROTOTYPE || error == EINVAL || error == EPROTONOSUPPORT) {
    Bytes bytes;
    for (const Chain* chain : change.write) {
      for (std::size_t i = 0; i < chain->rules.size(); ++i) {
        if (!xt::encode(F::kFamily, chain->rules[i], sets, bytes)) continue;
        for (const auto& extension : xt::extensions(F::kFamily, chain->rules[i], bytes)) {
          if (F::has_extension(fd, extension.target, extension.name, extension.revision)) continue;
          return Error{ErrorCode::Unsupported, "this kernel has no " + std::string{extension.target ? "target " : "match "} +
                                                   extension.name + " revision " + std::to_string(extension.revision)}
              .in("commit: " + where(*chain, i));
        }
      }
    }
  }
  Error answer = table_error(error, "commit");
  if (error == EINVAL && change.write.size() == 1) answer.text += " (chain " + change.write.front()->name + ")";
  return answer;
}

template <class F>
Result<TableInfo> apply_locked(int fd, int set_fd, Table table, const TableChange& change,
                               const std::optional<TableInfo>& expected) {
  auto before = get_info(fd, F::kFamily, table);
  if (!before) return before.error();
  if (expected && !(*before == *expected)) return Error{ErrorCode::Conflict, "the table was changed by another program"};
  auto handle = Handle<F>::open(name(table).data());
  if (!handle) return handle.error();

  KernelSetIndex sets{set_fd};
  Writer<F> writer{*handle, sets};
  for (const Chain* chain : change.write)
    if (!handle->is_chain(chain->name) && !handle->create(chain->name)) return handle->error("create chain " + chain->name);
  std::vector<std::string> doomed;
  std::unordered_set<std::string_view> seen;
  for (const auto& chain : change.remove) {
    if (!handle->is_chain(chain) || !seen.insert(chain).second) continue;
    if (!handle->flush(chain)) return handle->error("flush chain " + chain);
    doomed.push_back(chain);
  }
  for (const Chain* chain : change.write)
    if (auto ok = writer.write(*chain); !ok) return ok.error();
  if (change.fix_hooks)
    if (auto ok = writer.fix_hooks(change.hooks); !ok) return ok.error();
  if (auto ok = writer.remove(doomed); !ok) return ok.error();

  // Once more, right before: a writer without the lock. The kernel itself notices only another number of entries (EAGAIN).
  auto now = get_info(fd, F::kFamily, table);
  if (!now) return now.error();
  if (!(*now == *before)) return Error{ErrorCode::Conflict, "the table was changed by another program"};
  if (const int error = handle->commit(); error != 0) {
    // libiptc replaces the table, then adds the counters back; if a writer without the lock came in between, that second step is
    // refused (EINVAL) although the first was done. The shape tells, save where it came back to what it was: see apply().
    if (auto after = get_info(fd, F::kFamily, table); error == EINVAL && after && !(*after == *before))
      return Error{ErrorCode::Conflict, "the table was changed by another program"};
    return explain(error, fd, *handle, sets, change);
  }
  return get_info(fd, F::kFamily, table);
}

// The kernel makes a table when it is first asked about; cleaning up should not.
bool table_exists(Family family, Table table) {
  std::ifstream names{family == Family::V4 ? "/proc/thread-self/net/ip_tables_names" : "/proc/thread-self/net/ip6_tables_names"};
  if (!names) return false;
  for (std::string line; std::getline(names, line);)
    if (line == name(table)) return true;
  return false;
}

template <class F>
Status cleanup_locked(int fd, int set_fd, Table table) {
  TableChange change;
  change.fix_hooks = true;
  auto handle = Handle<F>::open(name(table).data());
  if (!handle) return handle.error();
  for (const auto& chain : handle->chains())
    if (is_our_chain(chain)) change.remove.push_back(chain);
  auto done = apply_locked<F>(fd, set_fd, table, change, std::nullopt);
  return done ? Status{} : Status{done.error()};
}

}  // namespace

IptcTables::~IptcTables() {
  for (int fd : sockets_)
    if (fd >= 0) ::close(fd);
}

Result<int> IptcTables::socket_of(Family family) {
  int& fd = sockets_[index(family)];
  if (fd < 0) fd = ::socket(family == Family::V4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd >= 0) return fd;
  if (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT) return Error{ErrorCode::Unavailable, "this host has no such IP family"};
  return Error{errno == EPERM ? ErrorCode::Permission : ErrorCode::Io, std::string{"raw socket: "} + std::strerror(errno)};
}

Result<TableInfo> IptcTables::info(Family family, Table table) {
  auto fd = socket_of(family);
  if (!fd) return fd.error().in(where(family, table));
  auto answer = get_info(*fd, family, table);
  return answer ? answer : Result<TableInfo>{answer.error().in(where(family, table))};
}

Result<TableState> IptcTables::read(Family family, Table table, const std::vector<Hooks>& wanted) {
  auto fd = socket_of(family);
  if (!fd) return fd.error().in(where(family, table));
  auto set_fd = socket_of(Family::V4);
  if (!set_fd) return set_fd.error().in(where(family, table));
  auto state =
      family == Family::V4 ? read_table<Iptc4>(*fd, *set_fd, table, wanted) : read_table<Iptc6>(*fd, *set_fd, table, wanted);
  return state ? std::move(state) : Result<TableState>{state.error().in(where(family, table))};
}

Result<TableInfo> IptcTables::apply(Family family, Table table, const TableChange& change,
                                    const std::optional<TableInfo>& expected) {
  const auto fail = [&](const Error& error) { return Result<TableInfo>{error.in(where(family, table))}; };
  if (auto ok = check(family, table, change); !ok) return fail(ok.error());
  auto fd = socket_of(family);
  if (!fd) return fail(fd.error());
  auto set_fd = socket_of(Family::V4);
  if (!set_fd) return fail(set_fd.error());
  auto lock = XtablesLock::take(lock_timeout_);
  if (!lock) return fail(lock.error());
  // Twice refused: then it is the rule, not a race that another writer won for the moment.
  for (int attempt = 0;; ++attempt) {
    auto done = family == Family::V4 ? apply_locked<Iptc4>(*fd, *set_fd, table, change, expected)
                                     : apply_locked<Iptc6>(*fd, *set_fd, table, change, expected);
    if (done) return done;
    if (done.error().code != ErrorCode::Invalid || attempt == 2) return fail(done.error());
  }
}

Status IptcTables::cleanup(Family family, Table table) {
  const auto fail = [&](const Error& error) { return Status{error.in(where(family, table))}; };
  if (!table_exists(family, table)) return {};
  auto fd = socket_of(family);
  if (!fd) return fail(fd.error());
  auto set_fd = socket_of(Family::V4);
  if (!set_fd) return fail(set_fd.error());
  auto lock = XtablesLock::take(lock_timeout_);
  if (!lock) return fail(lock.error());
  Status done;
  for (int attempt = 0; attempt < 10; ++attempt) {
    done = family == Family::V4 ? cleanup_locked<Iptc4>(*fd, *set_fd, table) : cleanup_locked<Iptc6>(*fd, *set_fd, table);
    if (done || done.error().code != ErrorCode::Conflict) break;
  }
  return done ? done : fail(done.error());
}

}  // namespace margay::kernel
