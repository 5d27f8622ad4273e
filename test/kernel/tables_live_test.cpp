// The tables port on the real kernel, in a private network namespace: round trips, foreign rules, rivals, limits, refusals.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dlfcn.h>

#include <map>
#include <sstream>

#include "all_rules.hpp"
#include "iptc_handle.hpp"
#include "iptc_tables.hpp"
#include "netns.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
using margay::test::all_rules;
using margay::test::prefix;
using margay::test::sh;
using margay::test::text_of;

static int replaces = 0;  // kernel table writes of this process

// Interposed: libiptc's calls come through here.
extern "C" int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  static const auto real = reinterpret_cast<int (*)(int, int, int, const void*, socklen_t)>(::dlsym(RTLD_NEXT, "setsockopt"));
  if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && option == IPT_SO_SET_REPLACE) ++replaces;
  return real(fd, level, option, value, size);
}

namespace {

const bool ready = test::enter_private_netns(
    "iptables-legacy -S && ip6tables-legacy -S && ipset list && iptables-legacy-save && ip link set lo up");

std::string program(Family family, const char* rest) {
  return std::string{family == Family::V4 ? "ip" : "ip6"} + "tables-legacy" + rest;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#') out.push_back(line);
  return out;
}
std::vector<std::string> save(Family family, Table table, const char* flags = "") {
  return lines(sh(program(family, "-save ") + flags + " -t " + std::string{name(table)}).output);
}
std::string rules_of(Family family, Table table, const std::string& chain) {
  std::string text;
  for (const auto& line : save(family, table))
    if (line.starts_with("-A " + chain + " ") || line == "-A " + chain) text += line + '\n';
  return text;
}
// iptables up to 1.8.9 names protocols as /etc/protocols does, later ones print the number of all but a few.
std::string as_older_iptables(std::string text) {
  for (auto at = text.find("-p 47"); at != text.npos; at = text.find("-p 47", at)) text.replace(at, 5, "-p gre");
  return text;
}
// Everything that is not ours, with counters.
std::vector<std::string> foreign(Family family, Table table) {
  std::vector<std::string> out;
  for (const auto& line : save(family, table, "-c"))
    if (line.find("cali") == line.npos) out.push_back(line);
  return out;
}
void restore(Family family, const std::string& text) {
  const auto result = sh(program(family, "-restore --noflush <<'END'\n") + text + "END");
  INFO(text << result.output);
  REQUIRE(result.status == 0);
}
void clean(IptcTables& tables) {
  for (Family family : kFamilies)
    for (Table table : kTables) {
      REQUIRE(tables.cleanup(family, table));
      const std::string t = " -t " + std::string{name(table)};
      sh(program(family, t.c_str()) + " -F; " + program(family, t.c_str()) + " -X");
    }
}

TableChange writing(const std::vector<Chain>& chains) {
  TableChange change;
  for (const auto& chain : chains) change.write.push_back(&chain);
  return change;
}
Result<TableInfo> put(IptcTables& tables, Family family, Table table, const std::vector<Chain>& chains) {
  return tables.apply(family, table, writing(chains), std::nullopt);
}

void make_sets() {
  for (const char* family : {"4 inet", "6 inet6"}) {
    const std::string n{family[0]}, f{family + 2};
    sh("ipset create -exist cali" + n + "0s:a hash:net family " + f + "; ipset create -exist cali" + n +
       "0s:p hash:ip,port family " + f);
  }
}

}  // namespace

TEST_CASE("every rule is read back as written, prints as its text, and is what iptables itself would write") {
  IptcTables tables;
  clean(tables);
  make_sets();
  for (Family family : kFamilies) {
    for (const auto& [table, rules] : all_rules(family)) {
      const std::vector<Chain> chains{{"cali-sub", {}}, {"cali-test", rules}};
      auto done = put(tables, family, table, chains);
      INFO((done ? std::string{} : done.error().text));
      REQUIRE(done);
      auto state = tables.read(family, table, {});
      REQUIRE(state);
      CHECK(state->info == *done);
      CHECK(state->chains.size() == 2);
      CHECK(state->chains["cali-test"] == digest(rules));
      CHECK(as_older_iptables(rules_of(family, table, "cali-test")) == to_text(family, chains[1]));
      // The program's own encoding, rule by rule: decode makes a form that differs in one byte opaque.
      for (const auto& rule : rules) {
        restore(family,
                "*" + std::string{name(table)} + "\n:cali-ref - [0:0]\n" + to_text(family, "cali-ref", rule) + "\nCOMMIT\n");
        auto reread = tables.read(family, table, {});
        REQUIRE(reread);
        INFO(to_text(family, "cali-ref", rule));
        CHECK(reread->chains["cali-ref"] == digest({rule}));
      }
      const int before = replaces;
      REQUIRE(put(tables, family, table, chains));
      CHECK(replaces == before);  // nothing differs, nothing is written
    }
  }
  clean(tables);
}

namespace {
const char* const kForeign4 =
    "*filter\n:OTHER - [0:0]\n:ZOO - [0:0]\n"
    "[5:300] -A INPUT -f -j DROP\n[6:400] -A FORWARD -s 10.9.0.0/255.255.0.255 -j OTHER\n[7:1] -A FORWARD -i eth+ -p tcp -m tcp "
    "--dport 80 "
    "-m recent --set --name r -j ZOO\n[8:2] -A OTHER -m state --state NEW -j RETURN\n[9:3] -A OTHER -m statistic --mode nth "
    "--every 3 --packet 0 -j LOG\n"
    "[10:4] -A ZOO -g OTHER\nCOMMIT\n";
}

TEST_CASE("foreign rules and their counters are the same before and after") {
  IptcTables tables;
  clean(tables);
  const auto made = sh("iptables-legacy-restore --noflush -c <<'END'\n" + std::string{kForeign4} + "END");
  INFO(made.output);
  REQUIRE(made.status == 0);
  const auto before = foreign(Family::V4, Table::Filter);
  REQUIRE(before.size() > 10);

  std::vector<Chain> chains{{"cali-FORWARD", {Rule{.target = Return{}}}}, {"cali-INPUT", {Rule{}}}};
  TableChange change = writing(chains);
  change.hooks = {{"FORWARD",
                   {Rule{.target = Jump{"cali-FORWARD"}}},
                   {Rule{.matches = {MarkMatch{1, 1}, CommentMatch{"cali:end"}}, .target = Accept{}}},
                   false},
                  {"INPUT", {Rule{.target = Jump{"cali-INPUT"}}}, {}, true}};
  change.fix_hooks = true;
  auto first = tables.apply(Family::V4, Table::Filter, change, std::nullopt);
  REQUIRE(first);
  CHECK(foreign(Family::V4, Table::Filter) == before);
  auto state = tables.read(Family::V4, Table::Filter, change.hooks);
  REQUIRE(state);
  CHECK_FALSE(state->stray);
  CHECK(state->hooks == change.hooks);
  const auto forward = lines(rules_of(Family::V4, Table::Filter, "FORWARD"));
  CHECK(forward.front() == "-A FORWARD -j cali-FORWARD");
  CHECK(forward.back().ends_with("--comment \"cali:end\" -j ACCEPT"));
  CHECK(lines(rules_of(Family::V4, Table::Filter, "INPUT")).back() == "-A INPUT -j cali-INPUT");

  chains[0].rules.clear();
  TableChange more = writing({chains});
  more.write = {&chains[0]};
  REQUIRE(tables.apply(Family::V4, Table::Filter, more, *first));
  CHECK(foreign(Family::V4, Table::Filter) == before);

  REQUIRE(sh("iptables-legacy -A OTHER -j cali-INPUT; iptables-legacy -I ZOO -g cali-FORWARD; iptables-legacy -A OUTPUT -m "
             "comment --comment cali:x")
              .status == 0);
  CHECK(tables.read(Family::V4, Table::Filter, change.hooks)->stray);
  REQUIRE(tables.cleanup(Family::V4, Table::Filter));
  CHECK(foreign(Family::V4, Table::Filter) == before);
  for (const auto& line : save(Family::V4, Table::Filter)) CHECK(line.find("cali") == line.npos);
  clean(tables);
}

TEST_CASE("hooks that others move, copy or flush are seen and put right") {
  IptcTables tables;
  clean(tables);
  for (Family family : kFamilies) {
    for (bool append : {false, true}) {
      sh(program(family, " -F") + "; " + program(family, " -A FORWARD -j ACCEPT") + "; " +
         program(family, " -A FORWARD -j DROP"));
      std::vector<Chain> chains{{"cali-FORWARD", {}}};
      TableChange change = writing(chains);
      change.hooks = {{"FORWARD",
                       {Rule{.target = Jump{"cali-FORWARD"}}, Rule{.in = Interface{"x"}, .target = Jump{"cali-FORWARD"}}},
                       {Rule{.matches = {CommentMatch{"cali:a"}}, .target = Accept{}},
                        Rule{.out = Interface{"x"}, .target = Jump{"cali-FORWARD"}}},
                       append}};
      change.fix_hooks = true;
      const auto right = [&] {
        auto state = tables.read(family, Table::Filter, change.hooks);
        REQUIRE(state);
        return !state->stray && state->hooks == change.hooks;
      };
      CHECK_FALSE(right());
      REQUIRE(tables.apply(family, Table::Filter, change, std::nullopt));
      CHECK(right());
      const auto wanted = rules_of(family, Table::Filter, "FORWARD");
      const std::string i = program(family, " ");
      for (const std::string& meddling :
           {i + "-I FORWARD -p tcp", i + "-A FORWARD -p tcp", i + "-D FORWARD -j cali-FORWARD", i + "-F FORWARD",
            i + "-A FORWARD -j cali-FORWARD", i + "-I OUTPUT -j cali-FORWARD", i + "-I FORWARD 3 -j cali-FORWARD"}) {
        REQUIRE(sh(meddling).status == 0);
        INFO(meddling << " append " << append);
        // A rule above ours matters only where ours are to be first, one below only where they are to be last.
        CHECK(right() == (append && meddling == i + "-I FORWARD -p tcp"));
        REQUIRE(tables.apply(family, Table::Filter, change, std::nullopt));
        CHECK(right());
        const int before = replaces;
        REQUIRE(tables.apply(family, Table::Filter, change, std::nullopt));
        CHECK(replaces == before);
      }
      sh(i + "-F");
      REQUIRE(tables.apply(family, Table::Filter, change, std::nullopt));
      CHECK(right());  // only ours in the chain
      clean(tables);
    }
  }
}

TEST_CASE("removed chains take foreign references with them; other chains of ours must not lead to them") {
  IptcTables tables;
  clean(tables);
  std::vector<Chain> chains{{"cali-a", {Rule{.target = Jump{"cali-b"}}}}, {"cali-b", {}}};
  REQUIRE(put(tables, Family::V4, Table::Filter, chains));
  REQUIRE(sh("iptables-legacy -N OTHER; iptables-legacy -A OTHER -j ACCEPT; iptables-legacy -I OTHER -j cali-b; iptables-legacy "
             "-A FORWARD -g cali-b")
              .status == 0);
  TableChange change;
  change.remove = {"cali-b", "cali-never-there"};
  auto refused = tables.apply(Family::V4, Table::Filter, change, std::nullopt);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "table filter: cannot delete chain cali-b: chain cali-a leads to it");
  change.remove = {"cali-b", "cali-a"};
  REQUIRE(tables.apply(Family::V4, Table::Filter, change, std::nullopt));
  CHECK(rules_of(Family::V4, Table::Filter, "OTHER") == "-A OTHER -j ACCEPT\n");
  CHECK(rules_of(Family::V4, Table::Filter, "FORWARD").empty());
  CHECK(tables.read(Family::V4, Table::Filter, {})->chains.empty());
  clean(tables);
}

TEST_CASE("leading rules that stay keep their counters") {
  IptcTables tables;
  clean(tables);
  restore(Family::V4, "*filter\n:cali-a - [0:0]\nCOMMIT\n");
  sh("iptables-legacy-restore -c --noflush <<'E'\n*filter\n[1:10] -A cali-a -s 10.0.0.1/32\n[2:20] -A cali-a -s "
     "10.0.0.2/32\n[3:30] -A cali-a -s 10.0.0.3/32\nCOMMIT\nE");
  const Rule one{.source = prefix("10.0.0.1")}, two{.source = prefix("10.0.0.2")}, other{.source = prefix("10.0.0.9")};
  REQUIRE(put(tables, Family::V4, Table::Filter, {{"cali-a", {one, two, other}}}));
  std::vector<std::string> counted;
  for (const auto& line : save(Family::V4, Table::Filter, "-c"))
    if (line.find("-A cali-a") != line.npos) counted.push_back(line);
  CHECK(counted == std::vector<std::string>{"[1:10] -A cali-a -s 10.0.0.1/32", "[2:20] -A cali-a -s 10.0.0.2/32",
                                            "[0:0] -A cali-a -s 10.0.0.9/32"});
  clean(tables);
}

TEST_CASE("a refusal names the rule and changes nothing") {
  IptcTables tables;
  clean(tables);
  make_sets();
  REQUIRE(put(tables, Family::V4, Table::Filter, {{"cali-a", {Rule{.target = Accept{}}}}}));
  const auto before = save(Family::V4, Table::Filter);
  const auto refuse = [&](std::vector<Chain> chains, ErrorCode code, const std::string& text, Table table = Table::Filter) {
    auto answer = put(tables, Family::V4, table, chains);
    INFO(text);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == code);
    INFO(answer.error().text);
    CHECK(answer.error().text.find(text) != std::string::npos);
    CHECK(save(Family::V4, Table::Filter) == before);
  };
  refuse({{"cali-a", {Rule{}, Rule{.matches = {SetMatch{"cali40s:none"}}}}}}, ErrorCode::NotFound,
         "chain cali-a rule 2: set cali40s:none does not exist");
  refuse({{"cali-a", {Rule{.matches = {SetMatch{"cali60s:a"}}}}}}, ErrorCode::Invalid, "other family");
  refuse({{"cali-a", {Rule{.target = Jump{"cali-none"}}}}}, ErrorCode::NotFound,
         "chain cali-a rule 1: chain cali-none does not exist");
  refuse({{"cali-a", {Rule{.target = Jump{"FORWARD"}}}}}, ErrorCode::Invalid, "kernel chain FORWARD");
  refuse({{"OTHER", {}}}, ErrorCode::Invalid, "not ours");
  refuse({{"cali-" + text_of(24), {}}}, ErrorCode::Invalid, "28");
  refuse({{"cali-a", {Rule{.in = Interface{text_of(16)}}}}}, ErrorCode::Invalid, "interface");
  refuse({{"cali-a", {Rule{.matches = {CommentMatch{text_of(256)}}}}}}, ErrorCode::Invalid, "comment");
  refuse({{"cali-a", {Rule{.target = Log{text_of(30)}}}}}, ErrorCode::Invalid, "log prefix");
  refuse({{"cali-a", {Rule{.matches = {SetMatch{text_of(32)}}}}}}, ErrorCode::Invalid, "set name");
  refuse({{"cali-a", {Rule{.matches = {PortsMatch{false, {{1, 1}}}}}}}}, ErrorCode::Invalid, "protocol");
  refuse({{"cali-a", {Rule{.matches = {RpfilterMatch{}}}}}}, ErrorCode::Invalid, "rpfilter");
  refuse({{"cali-a", {Rule{.target = Reject{true}}}}}, ErrorCode::Invalid, "tcp");
  refuse({{"cali-a", {Rule{.target = Masquerade{}}}}}, ErrorCode::Invalid, "nat");
  refuse({{"cali-a", {Rule{.matches = {OpaqueMatch{"recent"}}}}}}, ErrorCode::Invalid, "recent");

  // The kernel looks for loops only where a packet can come.
  restore(Family::V4, "*filter\n-A FORWARD -j cali-a\nCOMMIT\n");
  const auto hooked = save(Family::V4, Table::Filter);
  auto loop = put(tables, Family::V4, Table::Filter,
                  {{"cali-a", {Rule{.target = Jump{"cali-b"}}}}, {"cali-b", {Rule{.target = Goto{"cali-a"}}}}});
  REQUIRE_FALSE(loop);
  CHECK(loop.error().code == ErrorCode::Invalid);
  INFO(loop.error().text);
  CHECK(loop.error().text.find("cali-a") != std::string::npos);
  CHECK(loop.error().text.find("cali-b") != std::string::npos);
  CHECK(loop.error().text.find("loop") != std::string::npos);
  CHECK(save(Family::V4, Table::Filter) == hooked);
  clean(tables);
}

TEST_CASE("names at their limits work") {
  IptcTables tables;
  clean(tables);
  const std::string chain = "cali-" + text_of(23), set = "cali40" + text_of(25);
  REQUIRE(sh("ipset create " + set + " hash:net").status == 0);
  const std::vector<Chain> chains{{chain, {Rule{.in = Interface{text_of(15)}, .matches = {SetMatch{set}}, .target = Accept{}}}},
                                  {"cali-j", {Rule{.target = Goto{chain}}}}};
  REQUIRE(put(tables, Family::V4, Table::Filter, chains));
  auto state = tables.read(Family::V4, Table::Filter, {});
  CHECK(state->chains[chain] == digest(chains[0].rules));
  CHECK(state->chains["cali-j"] == digest(chains[1].rules));
  clean(tables);
  CHECK(sh("ipset destroy " + set).status == 0);  // no reference left
}

// More than are looked up one by one: the rest are found in one listing of all, sets of the other family among them.
TEST_CASE("rules may name many sets") {
  IptcTables tables;
  clean(tables);
  std::string lines;
  Chain chain{"cali-many", {}};
  for (unsigned i = 0; i < 60; ++i) {
    const std::string name = "cali40many" + std::to_string(i), other = "cali60many" + std::to_string(i);
    lines += "create " + name + " hash:net family inet\ncreate " + other + " hash:net family inet6\n";
    chain.rules.push_back({.matches = {SetMatch{name}}, .target = Accept{}});
  }
  REQUIRE(sh("ipset restore <<'END'\n" + lines + "END").status == 0);
  REQUIRE(put(tables, Family::V4, Table::Filter, {chain}));
  CHECK(tables.read(Family::V4, Table::Filter, {})->chains[chain.name] == digest(chain.rules));
  const auto text = save(Family::V4, Table::Filter, "");
  for (unsigned i = 0; i < 60; ++i) {  // in the order wanted, by the kernel's own account
    const std::string line = "-A cali-many -m set --match-set cali40many" + std::to_string(i) + " src -j ACCEPT";
    CHECK(std::count(text.begin(), text.end(), line) == 1);
  }
  chain.rules.push_back({.matches = {SetMatch{"cali60many1"}}, .target = Accept{}});
  CHECK(put(tables, Family::V4, Table::Filter, {chain}).error().code == ErrorCode::Invalid);
  chain.rules.back() = {.matches = {SetMatch{"cali40nowhere"}}, .target = Accept{}};
  CHECK(put(tables, Family::V4, Table::Filter, {chain}).error().code == ErrorCode::NotFound);
  clean(tables);
  for (unsigned i = 0; i < 60; ++i)
    sh("ipset destroy cali40many" + std::to_string(i) + "; ipset destroy cali60many" + std::to_string(i));
}

TEST_CASE("a changed table is a conflict, a held lock is busy") {
  IptcTables tables{std::chrono::milliseconds{30}};
  clean(tables);
  auto info = tables.info(Family::V4, Table::Filter);
  REQUIRE(info);
  REQUIRE(sh("iptables-legacy -A FORWARD -p tcp").status == 0);
  const std::vector<Chain> chains{{"cali-a", {}}};
  auto conflict = tables.apply(Family::V4, Table::Filter, writing(chains), *info);
  REQUIRE_FALSE(conflict);
  CHECK(conflict.error().code == ErrorCode::Conflict);
  CHECK(tables.read(Family::V4, Table::Filter, {})->chains.empty());

  const int fd = ::open(std::getenv("XTABLES_LOCKFILE"), O_RDONLY | O_CREAT, 0600);
  REQUIRE(::flock(fd, LOCK_EX) == 0);
  auto busy = put(tables, Family::V4, Table::Filter, chains);
  REQUIRE_FALSE(busy);
  CHECK(busy.error().code == ErrorCode::Busy);
  CHECK(tables.cleanup(Family::V4, Table::Filter).error().code == ErrorCode::Busy);
  ::close(fd);
  CHECK(put(tables, Family::V4, Table::Filter, chains));
  clean(tables);
}

namespace {

// What the reconciler does: write; on a conflict, or when a look shows something else, read and write again.
struct Ours {
  IptcTables& tables;
  std::map<std::string, Chain> wanted;
  std::optional<TableInfo> shape;
  int conflicts = 0, repairs = 0;

  void settle() {
    for (int attempt = 0; attempt < 10000; ++attempt) {
      auto state = tables.read(Family::V4, Table::Filter, {});
      if (!state) {
        REQUIRE(state.error().code == ErrorCode::Conflict);
        ++conflicts;
        continue;
      }
      TableChange change;
      for (const auto& [chain, value] : wanted) {
        const auto there = state->chains.find(chain);
        if (there == state->chains.end() || there->second != digest(value.rules)) change.write.push_back(&value);
      }
      if (change.write.empty()) {
        shape = state->info;
        return;
      }
      ++repairs;
      auto done = tables.apply(Family::V4, Table::Filter, change, state->info);
      if (!done) {
        REQUIRE(done.error().code == ErrorCode::Conflict);
        ++conflicts;
      }
    }
    FAIL("never settles");
  }
  void write(const Chain& chain) {
    wanted[chain.name] = chain;
    TableChange change;
    change.write = {&chain};
    auto done = tables.apply(Family::V4, Table::Filter, change, shape);
    if (done) {
      shape = *done;
      return;
    }
    INFO(done.error().text);
    REQUIRE(done.error().code == ErrorCode::Conflict);
    ++conflicts;
    settle();
  }
};

Chain some_chain(int i) {
  Chain chain{"cali-" + std::to_string(i % 20), {}};
  for (int r = 0; r <= i % 7; ++r)
    chain.rules.push_back({.source = Prefix{Cidr{*Addr::parse("10.0.0." + std::to_string((i + r) % 250))}}, .target = Accept{}});
  return chain;
}

bool running(pid_t child, int& status) { return ::waitpid(child, &status, WNOHANG) == 0; }

}  // namespace

TEST_CASE("beside a program that rewrites the table under the lock, neither loses anything") {
  IptcTables tables;
  clean(tables);
  REQUIRE(sh("iptables-legacy -N OTHER").status == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::execlp("sh", "sh", "-c",
             "i=0; while [ $i -lt 120 ]; do iptables-legacy -w -A OTHER -s 10.1.0.$i || exit 1; i=$((i+1)); done", nullptr);
    ::_exit(127);
  }
  Ours ours{tables, {}, std::nullopt};
  int status = 0, rounds = 0;
  while (running(child, status)) ours.write(some_chain(rounds++));
  REQUIRE(status == 0);
  CHECK(rounds > 0);
  CHECK(ours.conflicts > 0);
  auto state = tables.read(Family::V4, Table::Filter, {});
  REQUIRE(state);
  for (const auto& [chain, value] : ours.wanted) CHECK(state->chains[chain] == digest(value.rules));
  CHECK(lines(rules_of(Family::V4, Table::Filter, "OTHER")).size() == 120);
  WARN(rounds << " writes, " << ours.conflicts << " conflicts, " << ours.repairs << " repairs");
  clean(tables);
}

TEST_CASE("beside a program that rewrites the table without the lock, ours come right") {
  IptcTables tables;
  clean(tables);
  REQUIRE(sh("iptables-legacy -N OTHER; iptables-legacy -A OTHER -j ACCEPT").status == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // adds and takes away a rule, at full speed, no lock, no retry
    ipt_entry plain{};
    std::vector<std::byte> entry(sizeof(ipt_entry) + XT_ALIGN(sizeof(xt_standard_target)));
    plain.target_offset = sizeof(ipt_entry);
    plain.next_offset = static_cast<std::uint16_t>(entry.size());
    std::memcpy(entry.data(), &plain, sizeof plain);
    xt_entry_target target{};
    target.u.target_size = XT_ALIGN(sizeof(xt_standard_target));
    std::strcpy(target.u.user.name, "DROP");
    std::memcpy(entry.data() + sizeof plain, &target, sizeof target);
    for (int i = 0; i < 3000; ++i) {
      auto handle = Handle<Iptc4>::open("filter");
      if (!handle) ::_exit(1);
      if (i % 2 == 0) handle->append("OTHER", entry);
      else handle->remove_rule("OTHER", 0);
      static_cast<void>(handle->commit());
    }
    ::_exit(0);
  }
  Ours ours{tables, {}, std::nullopt};
  int status = 0, rounds = 0;
  while (running(child, status)) ours.write(some_chain(rounds++));
  REQUIRE(status == 0);
  CHECK(rounds > 0);
  CHECK(ours.conflicts > 0);
  ours.settle();  // the drift check: what was overwritten by a stale copy of equal shape
  auto state = tables.read(Family::V4, Table::Filter, {});
  REQUIRE(state);
  for (const auto& [chain, value] : ours.wanted) CHECK(state->chains[chain] == digest(value.rules));
  WARN(rounds << " writes, " << ours.conflicts << " conflicts, " << ours.repairs << " repairs");
  clean(tables);
}

TEST_CASE("cleaning up makes no table that was not there") {
  IptcTables tables;
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  IptcTables fresh;
  REQUIRE(fresh.cleanup(Family::V4, Table::Nat));
  CHECK(sh("cat /proc/net/ip_tables_names").output.find("nat") == std::string::npos);
  REQUIRE(fresh.info(Family::V4, Table::Nat));
  CHECK(sh("cat /proc/net/ip_tables_names").output.find("nat") != std::string::npos);
}
