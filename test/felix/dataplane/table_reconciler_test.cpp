#include "dataplane/table_reconciler.hpp"

#include "fakes/fake_tables.hpp"
#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace std::chrono_literals;
using kernel::Chain, kernel::Rule, kernel::Jump, kernel::Drop, kernel::Table;

namespace {

Rule jump(std::string to) { return {.target = Jump{std::move(to)}}; }
Rule drop() { return {.target = Drop{}}; }
Rule accept() { return {.target = kernel::Accept{}}; }
Rule from_set(std::string set) { return {.matches = {kernel::SetMatch{.set = std::move(set)}}, .target = kernel::Return{}}; }

struct Bench {
  fakes::Fuse fuse;
  fakes::FakeSets sets{fuse};
  fakes::FakeTables tables{fuse, sets};
  fakes::ManualClock clock;
  TableReconciler filter{Family::V4, Table::Filter, tables, clock, {}};

  Bench() {
    filter.set_hooks({{.chain = "FORWARD", .first = {jump("cali-FORWARD")}}});
    filter.want({"cali-FORWARD", {jump("cali-a"), accept()}});
    filter.want({"cali-a", {drop()}});
  }
  const std::vector<Rule>* chain(const std::string& name) {
    const auto& all = tables.of(Family::V4, Table::Filter);
    const auto it = all.find(name);
    return it == all.end() ? nullptr : &it->second;
  }
  bool apply() { return filter.apply(clock.now()); }
};

}  // namespace

TEST_CASE("the first apply programs hooks and what they reach in one commit") {
  Bench b;
  b.filter.want({"cali-unused", {accept()}});
  REQUIRE(b.apply());
  CHECK(b.tables.commits == 1);
  CHECK(b.chain("cali-FORWARD"));
  CHECK(b.chain("cali-a"));
  CHECK_FALSE(b.chain("cali-unused"));
  CHECK(b.chain("FORWARD")->front() == jump("cali-FORWARD"));
}

TEST_CASE("nothing to change, no commit; one changed chain, one chain written") {
  Bench b;
  REQUIRE(b.apply());
  REQUIRE(b.apply());
  CHECK(b.tables.commits == 1);
  b.filter.want({"cali-a", {accept(), drop()}});
  REQUIRE(b.apply());
  CHECK(b.tables.commits == 2);
  CHECK(b.tables.last_written == std::vector<std::string>{"cali-a"});
}

TEST_CASE("a chain goes when the last reference goes, and its own targets with it") {
  Bench b;
  b.filter.want({"cali-a", {jump("cali-b")}});
  b.filter.want({"cali-b", {jump("cali-c")}});
  b.filter.want({"cali-c", {drop()}});
  REQUIRE(b.apply());
  CHECK(b.chain("cali-c"));
  b.filter.want({"cali-a", {drop()}});
  REQUIRE(b.apply());
  CHECK_FALSE(b.chain("cali-b"));
  CHECK_FALSE(b.chain("cali-c"));
  b.filter.force("cali-b", true);
  REQUIRE(b.apply());
  CHECK(b.chain("cali-c"));
  b.filter.force("cali-b", false);
  REQUIRE(b.apply());
  CHECK_FALSE(b.chain("cali-b"));
}

TEST_CASE("a chain that nobody defined is closed until somebody does") {
  Bench b;
  b.filter.want({"cali-a", {jump("cali-missing")}});
  REQUIRE(b.apply());
  CHECK(*b.chain("cali-missing") == std::vector{drop()});
  CHECK_FALSE(b.filter.in_force("cali-missing"));
  b.filter.want({"cali-missing", {accept()}});
  REQUIRE(b.apply());
  CHECK(*b.chain("cali-missing") == std::vector{accept()});
  b.filter.unwant("cali-missing");
  REQUIRE(b.apply());
  CHECK(*b.chain("cali-missing") == std::vector{drop()});
}

TEST_CASE("a rule whose set is unusable closes its chain from there on, and only that chain") {
  Bench b;
  b.filter.want({"cali-a", {jump("cali-p"), jump("cali-q")}});
  b.filter.want({"cali-p", {accept(), from_set("cali40x"), jump("cali-r")}});
  b.filter.want({"cali-q", {accept()}});
  b.filter.want({"cali-r", {accept()}});
  REQUIRE(b.apply());
  CHECK(*b.chain("cali-p") == std::vector{accept(), drop()});
  CHECK(*b.chain("cali-q") == std::vector{accept()});
  CHECK_FALSE(b.chain("cali-r"));
  CHECK_FALSE(b.filter.in_force("cali-p"));
  b.sets.sets["cali40x"];
  b.filter.set_usable("cali40x", true);
  REQUIRE(b.apply());
  CHECK(b.chain("cali-p")->size() == 3);
  CHECK(b.chain("cali-r"));
  CHECK(b.filter.in_force("cali-p"));
  b.filter.set_usable("cali40x", false);
  REQUIRE(b.apply());
  CHECK(b.chain("cali-p")->size() == 2);
}

TEST_CASE("a new process adopts what is there and removes what is not wanted") {
  Bench b;
  REQUIRE(b.apply());
  auto& kernel = b.tables.tables[{Family::V4, Table::Filter}];
  kernel["cali-old"] = {accept()};
  kernel["FORWARD"].push_back(accept());
  kernel["FORWARD"].push_back(jump("cali-old"));
  TableReconciler again{Family::V4, Table::Filter, b.tables, b.clock, {}};
  again.set_hooks(b.filter.hooks());
  again.want({"cali-FORWARD", {jump("cali-a"), accept()}});
  again.want({"cali-a", {drop()}});
  REQUIRE(again.apply(b.clock.now()));
  CHECK(b.tables.last_written.empty());
  CHECK_FALSE(b.chain("cali-old"));
  CHECK(*b.chain("FORWARD") == std::vector{jump("cali-FORWARD"), accept()});
}

TEST_CASE("a flushed table is back at the next drift look, an edit of equal shape too") {
  Bench b;
  REQUIRE(b.apply());
  const auto good = b.tables.tables;
  b.tables.tables[{Family::V4, Table::Filter}]["cali-a"].clear();
  REQUIRE(b.apply());
  CHECK(b.tables.tables != good);  // not due yet
  b.clock.advance(1s);
  CHECK(b.filter.next_wakeup() <= b.clock.now());
  REQUIRE(b.apply());
  CHECK(b.tables.tables == good);
  CHECK(b.filter.counters().drifts == 1);
  b.tables.tables[{Family::V4, Table::Filter}]["cali-a"] = {accept()};
  b.clock.advance(2s);
  REQUIRE(b.apply());
  CHECK(b.tables.tables == good);
}

TEST_CASE("a table that is dear to read is read back more seldom, at two per cent of a CPU") {
  Bench b;
  const auto seconds_until_mended = [&](Clock::duration cost) {
    b.fuse.intruder = [&, cost](const std::string& call) {
      if (call == "tables.read") b.clock.advance(cost);
    };
    b.filter.invalidate();
    REQUIRE(b.apply());
    const auto good = b.tables.tables;
    b.tables.tables[{Family::V4, Table::Filter}]["cali-a"] = {accept()};  // of equal shape
    int seconds = 0;
    for (; b.tables.tables != good && seconds < 100; ++seconds) {
      b.clock.advance(1s);
      REQUIRE(b.apply());
    }
    return seconds;
  };
  CHECK(seconds_until_mended(1ms) == 1);
  CHECK(seconds_until_mended(40ms) == 2);  // some 40,000 rules
  CHECK(seconds_until_mended(200ms) == 10);
}

TEST_CASE("a conflict is read again and won") {
  Bench b;
  REQUIRE(b.apply());
  int turns = 3;
  b.fuse.intruder = [&](const std::string& call) {
    if (call == "tables.apply" && turns-- > 0) b.tables.tables[{Family::V4, Table::Filter}]["FORWARD"].push_back(accept());
  };
  b.filter.want({"cali-a", {accept()}});
  REQUIRE(b.apply());
  CHECK(*b.chain("cali-a") == std::vector{accept()});
  CHECK(b.chain("FORWARD")->size() == 4);
}

TEST_CASE("an error leaves the change pending with back-off, and a minute of it asks for a restart") {
  Bench b;
  REQUIRE(b.apply());
  b.fuse.fail("tables.apply", {ErrorCode::Io, "no"}, 1000000);
  b.filter.want({"cali-a", {accept()}});
  CHECK_FALSE(b.apply());
  REQUIRE(b.filter.error());
  CHECK(b.filter.pending());
  CHECK_FALSE(b.filter.fatal(b.clock.now()));
  for (int i = 0; i < 100 && !b.filter.fatal(b.clock.now()); ++i) {
    const auto due = b.filter.next_wakeup();
    REQUIRE(due);
    REQUIRE(*due > b.clock.now());
    b.clock.advance(*due - b.clock.now());
    CHECK_FALSE(b.apply());
  }
  CHECK(b.filter.fatal(b.clock.now()));
  b.fuse.heal();
  REQUIRE(b.apply());
  CHECK_FALSE(b.filter.fatal(b.clock.now()));
  CHECK(*b.chain("cali-a") == std::vector{accept()});
}

TEST_CASE("a chain the kernel refuses keeps its old rules or is closed; the others are applied") {
  Bench b;
  b.filter.want({"cali-a", {jump("cali-old"), jump("cali-ok")}});
  b.filter.want({"cali-old", {accept()}});
  b.filter.want({"cali-ok", {accept()}});
  REQUIRE(b.apply());
  const Rule bad{.matches = {kernel::LimitMatch{.rate = 7}}, .target = kernel::Return{}};
  b.tables.poison = {bad};
  b.filter.want({"cali-old", {accept(), bad}});
  b.filter.want({"cali-new", {accept(), bad}});
  b.filter.want({"cali-ok", {drop(), accept()}});
  b.filter.want({"cali-a", {jump("cali-old"), jump("cali-ok"), jump("cali-new"), jump("cali-fine")}});
  b.filter.want({"cali-fine", {accept()}});
  CHECK_FALSE(b.apply());
  CHECK(b.filter.refused() == std::vector<std::string>{"cali-new", "cali-old"});
  CHECK(*b.chain("cali-old") == std::vector{accept()});
  CHECK(*b.chain("cali-ok") == std::vector{drop(), accept()});
  CHECK(*b.chain("cali-fine") == std::vector{accept()});
  CHECK_FALSE(b.filter.in_force("cali-old"));
  CHECK(*b.chain("cali-new") == std::vector{drop()});
  CHECK(b.chain("cali-a")->size() == 4);
  b.tables.poison.clear();
  b.clock.advance(1min);
  REQUIRE(b.apply());
  CHECK(b.chain("cali-old")->size() == 2);
  CHECK(b.chain("cali-new")->size() == 2);
  CHECK(b.filter.refused().empty());
}
