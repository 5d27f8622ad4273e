// What one changed chain costs in a table of N rules: the tables port, beside the kernel's floor and iptables-legacy-restore.
//
// All variants take turns on one table in a private network namespace, each switching one chain between two contents of 10 and
// 20 rules, so that ratios come from one run. "direct" is IPT_SO_SET_REPLACE of a blob linked from pre-encoded chains, with the
// counters mapped and added back: the least that a change can cost. Needs root.
#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

#include "iptc_handle.hpp"
#include "iptc_tables.hpp"
#include "xt_encode.hpp"

using namespace margay;
using namespace margay::kernel;

static int replaces = 0;
extern "C" int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  static const auto real = reinterpret_cast<int (*)(int, int, int, const void*, socklen_t)>(::dlsym(RTLD_NEXT, "setsockopt"));
  if (level == IPPROTO_IP && option == IPT_SO_SET_REPLACE) ++replaces;
  return real(fd, level, option, value, size);
}

namespace {

using Bytes = std::vector<std::byte>;

struct NoSets final : xt::SetIndex {
  Result<std::uint16_t> index(Family, std::string_view) override { return Error{ErrorCode::NotFound, "no sets here"}; }
  std::optional<std::string> name(std::uint16_t) override { return std::nullopt; }
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "tables_bench: %s\n", why.c_str());
  std::exit(1);
}

Addr address(unsigned number) {
  Addr a;
  a.bytes = {10, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
             static_cast<std::uint8_t>(number)};
  return a;
}
Chain rule_chain(unsigned number, unsigned rules) {
  Chain chain{"cali-po-" + std::to_string(100000 + number), {}};
  for (unsigned i = 0; i < rules; ++i)
    chain.rules.push_back(
        {.protocol = ProtocolMatch{6},
         .source = Prefix{Cidr{address(number * 20 + i)}, false},
         .matches = {PortsMatch{false, {{static_cast<std::uint16_t>(1000 + i), static_cast<std::uint16_t>(1000 + i)}}}},
         .target = Accept{}});
  return chain;
}

// ---- the direct blob -------------------------------------------------------------------------------------------------

constexpr unsigned kStandard = sizeof(ipt_entry) + XT_ALIGN(sizeof(xt_standard_target));
constexpr unsigned kError = sizeof(ipt_entry) + XT_ALIGN(sizeof(xt_error_target));

struct Encoded {  // a chain's entries with jumps left open
  Bytes bytes;
  unsigned rules = 0;
  std::vector<std::pair<unsigned, std::string>> jumps;  // offset of the verdict, chain
};
Encoded encode(const std::vector<Rule>& rules) {
  Encoded out;
  NoSets sets;
  Bytes entry;
  for (const auto& rule : rules) {
    if (!xt::encode(Family::V4, rule, sets, entry)) fail("encode");
    auto* e = reinterpret_cast<ipt_entry*>(entry.data());
    auto* t = reinterpret_cast<xt_standard_target*>(entry.data() + e->target_offset);
    std::memset(t->target.u.user.name, 0, sizeof t->target.u.user.name);
    if (const auto* to = rule.target_chain())
      out.jumps.emplace_back(static_cast<unsigned>(out.bytes.size() + e->target_offset + offsetof(xt_standard_target, verdict)),
                             *to);
    else t->verdict = -NF_ACCEPT - 1;
    out.bytes.insert(out.bytes.end(), entry.begin(), entry.end());
    ++out.rules;
  }
  return out;
}

class Direct {
 public:
  std::map<std::string, Encoded> chains;  // sorted, as iptables expects
  Encoded hooks[3];                       // INPUT, FORWARD, OUTPUT

  Direct() : fd_{::socket(AF_INET, SOCK_RAW, IPPROTO_RAW)} {}

  // Replaces the table; entries from `changed` (exclusive of its head) on are counted anew, those behind it shifted.
  void replace(const std::string& changed, unsigned old_rules) {
    unsigned total = 0, entries = 0, changed_at = 0;
    std::map<std::string, unsigned> body;
    for (const auto& hook : hooks) total += static_cast<unsigned>(hook.bytes.size()) + kStandard, entries += hook.rules + 1;
    for (const auto& [chain, encoded] : chains) {
      if (chain == changed) changed_at = entries + 1;
      body.emplace_hint(body.end(), chain, total + kError);
      total += kError + static_cast<unsigned>(encoded.bytes.size()) + kStandard;
      entries += encoded.rules + 2;
    }
    total += kError, entries += 1;
    buffer_.assign(sizeof(ipt_replace) + total, std::byte{0});
    auto* head = reinterpret_cast<ipt_replace*>(buffer_.data());
    std::byte* base = buffer_.data() + sizeof(ipt_replace);
    unsigned at = 0;
    const auto put_entry = [&](unsigned bytes) {
      auto* e = reinterpret_cast<ipt_entry*>(base + at);
      e->target_offset = sizeof(ipt_entry);
      e->next_offset = static_cast<std::uint16_t>(bytes);
      auto* t = reinterpret_cast<xt_entry_target*>(base + at + sizeof(ipt_entry));
      t->u.target_size = static_cast<std::uint16_t>(bytes - sizeof(ipt_entry));
      at += bytes;
      return t;
    };
    const auto put_standard = [&](int verdict) {
      reinterpret_cast<xt_standard_target*>(put_entry(kStandard))->verdict = verdict;
    };
    const auto put_error = [&](const char* name) {
      auto* t = reinterpret_cast<xt_error_target*>(put_entry(kError));
      std::strcpy(t->target.u.user.name, "ERROR");
      std::strcpy(t->errorname, name);
    };
    const auto put_body = [&](const Encoded& encoded) {
      if (!encoded.bytes.empty()) std::memcpy(base + at, encoded.bytes.data(), encoded.bytes.size());
      for (const auto& [offset, chain] : encoded.jumps) {
        const int verdict = static_cast<int>(body.at(chain));
        std::memcpy(base + at + offset, &verdict, sizeof verdict);
      }
      at += static_cast<unsigned>(encoded.bytes.size());
    };
    for (unsigned i = 0; i < 3; ++i) {
      head->hook_entry[i + 1] = at;
      put_body(hooks[i]);
      head->underflow[i + 1] = at;
      put_standard(-NF_ACCEPT - 1);
    }
    for (const auto& [chain, encoded] : chains) {
      put_error(chain.c_str());
      put_body(encoded);
      put_standard(XT_RETURN);
    }
    put_error("ERROR");

    ipt_getinfo info{};
    std::strcpy(info.name, "filter");
    socklen_t size = sizeof info;
    if (::getsockopt(fd_, IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) != 0) fail("GET_INFO");
    old_.resize(info.num_entries);
    std::strcpy(head->name, "filter");
    head->valid_hooks = info.valid_hooks;
    head->num_entries = entries;
    head->size = total;
    head->num_counters = info.num_entries;
    head->counters = old_.data();
    if (::setsockopt(fd_, IPPROTO_IP, IPT_SO_SET_REPLACE, buffer_.data(), static_cast<socklen_t>(buffer_.size())) != 0)
      fail(std::string{"SET_REPLACE: "} + std::strerror(errno));

    counters_.assign(sizeof(xt_counters_info) + entries * sizeof(xt_counters), std::byte{0});
    auto* add = reinterpret_cast<xt_counters_info*>(counters_.data());
    std::strcpy(add->name, "filter");
    add->num_counters = entries;
    auto* counter = reinterpret_cast<xt_counters*>(counters_.data() + sizeof(xt_counters_info));
    if (changed.empty()) return;
    const unsigned now = chains.at(changed).rules;
    std::copy_n(old_.begin(), changed_at + std::min(now, old_rules), counter);
    std::copy(old_.begin() + changed_at + old_rules, old_.end(), counter + changed_at + now);
    if (::setsockopt(fd_, IPPROTO_IP, IPT_SO_SET_ADD_COUNTERS, counters_.data(), static_cast<socklen_t>(counters_.size())) != 0)
      fail(std::string{"ADD_COUNTERS: "} + std::strerror(errno));
  }

 private:
  int fd_;
  Bytes buffer_, counters_;
  std::vector<xt_counters> old_;
};

double measure(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}
// This thread's time on a CPU, kernel time too: what a busy machine does not stretch.
double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
struct Samples {
  std::vector<double> wall, cpu;
  void take(const std::function<void()>& work) {
    const double before = cpu_ms();
    wall.push_back(measure(work));
    cpu.push_back(cpu_ms() - before);
  }
};
// libiptc alone: the change as a program without a port would make it.
void bare(const std::string& chain, const std::vector<Bytes>& entries) {
  auto handle = Handle<Iptc4>::open("filter");
  if (!handle || !handle->flush(chain)) fail("libiptc");
  for (const auto& entry : entries) handle->append(chain, entry);
  if (handle->commit() != 0) fail("libiptc commit");
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(unsigned rules, int rounds) {
  IptcTables tables;
  if (auto ok = tables.cleanup(Family::V4, Table::Filter); !ok) fail(ok.error().text);
  std::vector<Chain> chains;
  Chain dispatch{"cali-FORWARD", {}};
  for (unsigned i = 0; i < rules / 10; ++i) {
    chains.push_back(rule_chain(i, 10));
    dispatch.rules.push_back({.destination = Prefix{Cidr{address(i * 20)}, false}, .target = Jump{chains.back().name}});
  }
  chains.push_back(dispatch);
  TableChange all;
  for (const auto& chain : chains) all.write.push_back(&chain);
  all.hooks = {{"FORWARD", {Rule{.target = Jump{"cali-FORWARD"}}}, {}, false}};
  all.fix_hooks = true;
  const double whole = measure([&] {
    if (auto done = tables.apply(Family::V4, Table::Filter, all, std::nullopt); !done) fail(done.error().text);
  });

  Direct direct;
  for (const auto& chain : chains) direct.chains[chain.name] = encode(chain.rules);
  direct.hooks[1] = encode(all.hooks[0].first);

  const unsigned victim = rules / 20;
  const Chain contents[2] = {rule_chain(victim, 10), rule_chain(victim, 20)};
  const std::string& name = contents[0].name;
  int now = 0;
  std::vector<Bytes> entries[2];
  NoSets sets;
  for (int i : {0, 1})
    for (const auto& rule : contents[i].rules)
      if (entries[i].emplace_back(); !xt::encode(Family::V4, rule, sets, entries[i].back())) fail("encode");
  Samples direct_time, bare_time, apply_time, restore_time, idle_time, read_time;
  const auto next = [&]() -> const Chain& { return contents[now ^= 1]; };
  for (int round = 0; round < rounds; ++round) {
    const auto old_rules = static_cast<unsigned>(contents[now].rules.size());
    const Chain& first = next();
    direct_time.take([&] {
      direct.chains[name] = encode(first.rules);
      direct.replace(name, old_rules);
    });
    next();
    bare_time.take([&] { bare(name, entries[now]); });
    TableChange change;
    change.write = {&next()};
    auto shape = tables.info(Family::V4, Table::Filter);
    apply_time.take([&] {
      shape = tables.apply(Family::V4, Table::Filter, change, *shape);
      if (!shape) fail(shape.error().text);
    });
    const int before = replaces;
    idle_time.take([&] {
      if (auto done = tables.apply(Family::V4, Table::Filter, change, *shape); !done) fail(done.error().text);
    });
    if (replaces != before) fail("a change of nothing was written");
    read_time.take([&] {
      auto state = tables.read(Family::V4, Table::Filter, all.hooks);
      if (!state || state->stray || state->chains.at(name) != digest(contents[now].rules)) fail("read back differs");
    });
    const std::string text = "*filter\n:" + name + " - [0:0]\n" + to_text(Family::V4, next()) + "COMMIT\n";
    restore_time.take([&] {
      FILE* pipe = ::popen("iptables-legacy-restore --noflush", "w");
      if (!pipe || std::fputs(text.c_str(), pipe) < 0 || ::pclose(pipe) != 0) fail("iptables-legacy-restore");
    });
    direct.chains[name] = encode(contents[now].rules);
  }
  const double d = median(direct_time.wall), l = median(bare_time.wall), a = median(apply_time.wall),
               r = median(restore_time.wall);
  const double dc = median(direct_time.cpu), lc = median(bare_time.cpu), ac = median(apply_time.cpu);
  std::printf("%7u %8.2f %8.2f %8.2f %8.2f  %5.2f %5.2f  %5.2f %5.2f  %5.2f  %8.2f %8.2f %8.2f\n", rules, d, l, a, r, l / d,
              a / d, lc / dc, ac / dc, r / a, median(idle_time.wall), median(read_time.wall), whole);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
    std::puts("tables_bench: needs root and a network namespace");
    return 77;
  }
  const std::string lock = "/tmp/margay-bench-" + std::to_string(::getpid()) + ".lock";
  ::setenv("XTABLES_LOCKFILE", lock.c_str(), 1);
  const int rounds = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 15;
  if (rounds < 1) fail("usage: tables-bench [ROUNDS]");
  std::printf("one chain changed (10 <-> 20 rules), median of %d rounds in turn, ms of wall time\n", rounds);
  std::printf("%7s %8s %8s %8s %8s  %11s  %11s  %5s  %8s %8s %8s\n", "", "", "", "", "", "wall/direct", "cpu/direct", "rest.",
              "no", "", "");
  std::printf("%7s %8s %8s %8s %8s  %5s %5s  %5s %5s  %5s  %8s %8s %8s\n", "rules", "direct", "libiptc", "apply", "restore",
              "iptc", "apply", "iptc", "apply", "/appl", "change", "read", "whole");
  for (unsigned rules : {1000u, 10000u, 50000u}) run(rules, rounds);
  ::unlink(lock.c_str());
  return 0;
}
