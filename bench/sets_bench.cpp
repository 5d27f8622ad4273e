// Sets: our port beside `ipset restore` with the same lines and the same hash size, in one run and a network namespace of its
// own.
//
// Prints the "sets" line as a table (medians of MARGAY_ROUNDS, default 5, variants in turn), then what many sets cost to
// create, list and read back: the kernel's part grows with the number of sets (it looks names up linearly and grows its table by
// 64 with a stall each), so the share of our process's own CPU stands beside it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ipset_sets.hpp"
#include "netlink.hpp"

using namespace margay;
using namespace margay::kernel;

namespace {

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double user_ms() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) * 1e3 + static_cast<double>(usage.ru_utime.tv_usec) / 1e3;
}

void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "sets_bench: {}\n", status.error().text);
  std::exit(1);
}

Addr address(Family family, std::uint32_t i) {
  Addr addr;
  addr.family = family;
  const auto byte = [i](unsigned shift) { return static_cast<std::uint8_t>(i >> shift); };
  if (family == Family::V4) addr.bytes = {10, byte(16), byte(8), byte(0)};
  else addr.bytes = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(16), byte(8), byte(0)};
  return addr;
}

SetMember member(Family family, SetType type, std::uint32_t i) {
  SetMember m{Cidr{address(family, i)}, 0, 0};
  if (type == SetType::HashIpPort) m.protocol = 6, m.port = static_cast<std::uint16_t>(i % 60000 + 1);
  return m;
}

std::vector<SetMember> members(Family family, SetType type, std::uint32_t count) {
  std::vector<SetMember> list;
  for (std::uint32_t i = 0; i < count; ++i) list.push_back(member(family, type, i));
  return list;
}

// Milliseconds of `ipset restore < file`, as a user would run it.
double restore_ms(const std::string& file) {
  const double begin = now_ms();
  const int in = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in, 0);
  char program[] = "ipset", verb[] = "restore";
  char* argv[] = {program, verb, nullptr};
  pid_t child = 0;
  if (::posix_spawnp(&child, "ipset", &actions, nullptr, argv, environ) != 0) std::exit(1);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in);
  if (status != 0) std::exit(1);
  return now_ms() - begin;
}

std::string write_lines(const char* verb, const std::string& set, SetType type, const std::vector<SetMember>& list) {
  char name[] = "/tmp/margay-bench-XXXXXX";
  const int fd = ::mkstemp(name);
  FILE* file = ::fdopen(fd, "w");
  for (const auto& m : list) fmt::print(file, "{} {} {}\n", verb, set, m.to_string(type));
  std::fclose(file);
  return name;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void bench_members(int rounds) {
  fmt::print("{:<12} {:<3} {:>7} {:<4} {:>10} {:>14} {:>7}\n", "type", "ip", "members", "", "ours ms", "ipset restore", "ratio");
  IpsetSets sets;
  for (const SetType type : {SetType::HashNet, SetType::HashIp, SetType::HashIpPort})
    for (const Family family : kFamilies)
      for (const std::uint32_t count : {10000u, 100000u}) {
        const SetSpec spec{
            .name = "cali40bench", .type = type, .family = family, .max_elements = 1048576, .hash_size = std::bit_ceil(count)};
        const auto list = members(family, type, count);
        const auto add_file = write_lines("add", spec.name, type, list), del_file = write_lines("del", spec.name, type, list);
        std::vector<double> our_add, our_del, their_add, their_del, read_back;
        for (int round = 0; round < rounds; ++round) {
          std::vector<Sets::Change> add(1), remove(1);
          add[0] = {&spec, false, {}, list};
          remove[0] = {&spec, false, list, {}};
          must(sets.create(spec));
          double begin = now_ms();
          must(sets.apply(add)[0]);
          our_add.push_back(now_ms() - begin);
          begin = now_ms();
          if (const auto found = sets.members(spec); !found || found->size() != count) std::exit(1);
          read_back.push_back(now_ms() - begin);
          begin = now_ms();
          must(sets.apply(remove)[0]);
          our_del.push_back(now_ms() - begin);
          must(sets.destroy(spec.name));
          must(sets.create(spec));
          their_add.push_back(restore_ms(add_file));
          their_del.push_back(restore_ms(del_file));
          must(sets.destroy(spec.name));
        }
        for (const auto& [verb, ours, theirs] :
             {std::tuple{"add", &our_add, &their_add}, std::tuple{"del", &our_del, &their_del}})
          fmt::print("{:<12} v{:<2} {:>7} {:<4} {:>10.2f} {:>14.2f} {:>6.1f}x\n", name(type), digit(family), count, verb,
                     median(*ours), median(*theirs), median(*theirs) / median(*ours));
        fmt::print("{:<12} v{:<2} {:>7} {:<4} {:>10.2f}\n", name(type), digit(family), count, "read", median(read_back));
        ::unlink(add_file.c_str()), ::unlink(del_file.c_str());
      }
}

void bench_many_sets() {
  fmt::print("\n{:>5} sets of 10, each family's half  {:>10} {:>10} {:>10}\n", "", "wall ms", "our CPU", "us/set");
  for (const int count : {1000, 5000, 1000, 5000}) {
    IpsetSets sets;
    std::vector<SetSpec> specs;
    for (int i = 0; i < count; ++i) {
      const Family family = kFamilies[static_cast<std::size_t>(i) % 2];
      specs.push_back({.name = fmt::format("cali{}0s{}", digit(family), i), .type = SetType::HashNet, .family = family});
    }
    std::vector<Sets::Change> changes;
    for (const auto& spec : specs) changes.push_back({&spec, true, {}, members(spec.family, spec.type, 10)});
    const auto report = [count](const char* what, double wall, double user) {
      fmt::print("{:>5} {:<32} {:>10.1f} {:>10.1f} {:>10.1f}\n", count, what, wall, user, wall * 1e3 / count);
    };
    double wall = now_ms(), user = user_ms();
    for (const auto& status : sets.apply(changes)) must(status);
    report("create and fill", now_ms() - wall, user_ms() - user);
    wall = now_ms(), user = user_ms();
    const auto listed = sets.list();
    if (!listed || listed->size() != specs.size()) std::exit(1);
    report("list headers", now_ms() - wall, user_ms() - user);
    wall = now_ms(), user = user_ms();
    for (const auto& spec : specs)
      if (const auto found = sets.members(spec); !found || found->size() != 10) std::exit(1);
    report("read members back", now_ms() - wall, user_ms() - user);
    for (auto& change : changes) change.create = false, change.add.resize(1);
    wall = now_ms(), user = user_ms();
    for (const auto& status : sets.apply(changes)) must(status);
    report("change one member each", now_ms() - wall, user_ms() - user);
    wall = now_ms(), user = user_ms();
    for (const auto& spec : specs) must(sets.destroy(spec.name));
    report("destroy", now_ms() - wall, user_ms() - user);
  }
}

void bench_routes(int rounds) {
  if (std::system("ip link add cali1 type veth peer name cali1p && ip link set cali1 up && ip link set cali1p up") != 0)
    std::exit(1);
  NetlinkLinks links;
  int link = 0;
  const auto all = links.links();
  for (const auto& each : *all)
    if (each.name == "cali1") link = each.index;
  fmt::print("\n{:>6} routes {:>10} {:>10} {:>10} (us a route)\n", "", "add", "read", "remove");
  NetlinkRoutes routes;
  for (const Family family : kFamilies)
    for (const std::uint32_t count : {1000u, 10000u}) {
      std::vector<Route> list;
      for (std::uint32_t i = 0; i < count; ++i) list.push_back({.destination = Cidr{address(family, i)}, .link = link});
      std::vector<double> add, read, remove;
      for (int round = 0; round < rounds; ++round) {
        double begin = now_ms();
        for (const auto& status : routes.apply({}, list)) must(status);
        add.push_back(now_ms() - begin);
        begin = now_ms();
        if (const auto found = routes.routes(family); !found || found->size() < count) std::exit(1);
        read.push_back(now_ms() - begin);
        begin = now_ms();
        for (const auto& status : routes.apply(list, {})) must(status);
        remove.push_back(now_ms() - begin);
      }
      const double scale = 1e3 / count;
      fmt::print("{:>6} v{:<5} {:>10.2f} {:>10.2f} {:>10.2f}\n", count, digit(family), median(add) * scale, median(read) * scale,
                 median(remove) * scale);
    }
}

}  // namespace

int main() {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("sets_bench: no private network namespace");
    return 77;
  }
  const char* wanted = std::getenv("MARGAY_ROUNDS");
  const int rounds = wanted ? std::max(1, static_cast<int>(std::strtol(wanted, nullptr, 10))) : 5;
  bench_members(rounds);
  bench_many_sets();
  bench_routes(rounds);
}
