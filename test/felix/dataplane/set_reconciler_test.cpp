#include "dataplane/set_reconciler.hpp"

#include <cstdlib>
#include <iostream>
#include <random>

#include "fakes/fake_tables.hpp"
#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace std::chrono_literals;
using kernel::SetMember, kernel::SetSpec, kernel::SetType;

namespace {

SetMember net(const char* text) { return {.net = *Cidr::parse(text)}; }
SetSpec spec(const char* name, std::uint32_t max = 1048576, SetType type = SetType::HashNet) {
  return {.name = name, .type = type, .family = Family::V4, .max_elements = max};
}

struct Bench {
  fakes::Fuse fuse;
  fakes::FakeSets kernel{fuse};
  fakes::ManualClock clock;
  SetReconciler sets{Family::V4, kernel, {}};
  bool up(SetReconciler& s) { return s.apply_updates(clock.now()); }
  bool up() { return up(sets); }
  bool down() { return sets.apply_deletions(clock.now()); }
  std::set<SetMember> in(const char* name) { return kernel.sets.at(name).members; }
};

}  // namespace

TEST_CASE("many sets are made and filled in one batch, empty ones too, members of the other family left out") {
  Bench b;
  for (int i = 0; i < 500; ++i)
    b.sets.want(spec(("cali40s:" + std::to_string(i)).c_str()), {net("10.0.0.1/32"), net("fd00::/64")});
  b.sets.want(spec("cali40empty"), {});
  REQUIRE(b.up());
  CHECK(b.fuse.count("sets.apply") == 1);
  CHECK(b.fuse.count("sets.members") == 0);
  CHECK(b.kernel.sets.size() == 501);
  CHECK(b.in("cali40s:7").size() == 1);
  CHECK(b.sets.take_usability_changes().size() == 501);
}

TEST_CASE("a delta is just that delta, additions before removals") {
  Bench b;
  b.sets.want(spec("cali40s"), {net("10.0.0.0/8"), net("1.1.1.1/32")});
  REQUIRE(b.up());
  b.fuse.observer = [&](const std::string& call) {
    if (call == "sets.apply/cali40s")
      CHECK((b.in("cali40s").count(net("10.0.0.0/8")) || b.in("cali40s").count(net("10.0.0.0/9"))));
  };
  b.sets.change("cali40s", {net("10.0.0.0/9"), net("10.128.0.0/9")}, {net("10.0.0.0/8")});
  REQUIRE(b.up());
  CHECK(b.in("cali40s") == std::set{net("10.0.0.0/9"), net("10.128.0.0/9"), net("1.1.1.1/32")});
  CHECK(b.fuse.count("sets.apply") == 3);
  b.sets.change("cali40s", {net("2.2.2.2/32")}, {});
  b.sets.change("cali40s", {}, {net("2.2.2.2/32")});
  REQUIRE(b.up());
  CHECK(b.fuse.count("sets.apply") == 3);
}

TEST_CASE("a new process keeps what agrees, mends what does not, removes what nobody wants after the tables") {
  Bench b;
  b.kernel.sets["cali40s"] = {spec("cali40s"), {net("1.1.1.1/32"), net("2.2.2.2/32")}};
  b.kernel.sets["cali40t0"] = {spec("cali40t0"), {}};
  b.kernel.sets["cali4t3"] = {spec("cali4t3"), {}};
  b.kernel.sets["cali60s"] = {spec("cali60s"), {}};
  b.kernel.sets["other"] = {spec("other"), {}};
  b.sets.want(spec("cali40s"), {net("2.2.2.2/32"), net("3.3.3.3/32")});
  REQUIRE(b.up());
  CHECK(b.in("cali40s") == std::set{net("2.2.2.2/32"), net("3.3.3.3/32")});
  CHECK(b.kernel.sets.size() == 5);
  REQUIRE(b.down());
  CHECK(b.kernel.sets.size() == 3);
  CHECK(b.kernel.sets.count("cali60s"));
}

TEST_CASE("another maximum, or contents that cannot be read: built anew and swapped in") {
  Bench b;
  b.kernel.sets["cali40a"] = {spec("cali40a", 1000), {net("1.1.1.1/32")}};
  b.kernel.sets["cali40b"] = {spec("cali40b"), {net("1.1.1.1/32")}};
  b.kernel.references = {{"cali40a", 2}, {"cali40b", 1}};
  b.kernel.unreadable = {"cali40b"};
  b.sets.want(spec("cali40a"), {net("2.2.2.2/32")});
  b.sets.want(spec("cali40b"), {net("2.2.2.2/32")});
  REQUIRE(b.up());
  CHECK(b.kernel.sets.at("cali40a").spec.max_elements == 1048576);
  CHECK(b.in("cali40a") == std::set{net("2.2.2.2/32")});
  CHECK(b.in("cali40b") == std::set{net("2.2.2.2/32")});
  REQUIRE(b.down());
  CHECK(b.kernel.sets.size() == 2);
  CHECK(b.sets.usable("cali40a"));
}

TEST_CASE("a set of another type waits until the tables let go, then is made anew") {
  Bench b;
  b.kernel.sets["cali40a"] = {spec("cali40a", 1048576, SetType::HashIp), {}};
  b.kernel.references = {{"cali40a", 1}};
  b.sets.want(spec("cali40a"), {net("10.0.0.0/8")});
  CHECK(b.up());
  CHECK_FALSE(b.sets.usable("cali40a"));
  CHECK_FALSE(b.down());
  b.kernel.references.clear();
  b.clock.advance(2s);
  CHECK(b.down());
  CHECK(b.sets.pending());
  CHECK(b.up());
  CHECK(b.sets.usable("cali40a"));
  CHECK(b.in("cali40a") == std::set{net("10.0.0.0/8")});
}

TEST_CASE("an overfull set is unusable, its neighbours are not; it recovers when it shrinks") {
  Bench b;
  b.sets.want(spec("cali40ok", 2), {net("1.1.1.1/32"), net("2.2.2.2/32")});
  b.sets.want(spec("cali40full", 2), {net("1.1.1.1/32"), net("2.2.2.2/32"), net("3.3.3.3/32")});
  CHECK(b.up());
  CHECK(b.sets.usable("cali40ok"));
  CHECK_FALSE(b.sets.usable("cali40full"));
  REQUIRE(b.sets.failures().size() == 1);
  CHECK(b.sets.failures().front().error.code == ErrorCode::NoSpace);
  b.sets.change("cali40full", {}, {net("2.2.2.2/32")});
  CHECK(b.up());
  CHECK(b.sets.usable("cali40full"));
  // At the brim, a replacement removes first.
  b.sets.change("cali40full", {net("4.4.4.4/32")}, {net("1.1.1.1/32")});
  CHECK(b.up());
  CHECK(b.sets.usable("cali40full"));
  CHECK(b.in("cali40full") == std::set{net("3.3.3.3/32"), net("4.4.4.4/32")});
}

TEST_CASE("a failed write makes its set unusable, stays pending and is retried; the others are written") {
  Bench b;
  b.sets.want(spec("cali40a"), {net("1.1.1.1/32")});
  b.sets.want(spec("cali40b"), {net("1.1.1.1/32")});
  REQUIRE(b.up());
  (void)b.sets.take_usability_changes();
  b.fuse.fail("sets.apply/cali40a", {ErrorCode::Io, "no"}, 100);
  b.sets.change("cali40a", {net("2.2.2.2/32")}, {});
  b.sets.change("cali40b", {net("2.2.2.2/32")}, {});
  CHECK_FALSE(b.up());
  CHECK(b.in("cali40b").size() == 2);
  CHECK(b.sets.take_usability_changes() == std::vector<std::pair<std::string, bool>>{{"cali40a", false}});
  CHECK(b.sets.pending());
  REQUIRE(b.sets.next_wakeup());
  b.fuse.heal();
  CHECK(b.up());
  CHECK(b.in("cali40a").size() == 2);
  CHECK(b.sets.usable("cali40a"));
}

TEST_CASE("destroyed and altered sets are mended by the refresh, in slices") {
  Bench b;
  for (int i = 0; i < 200; ++i) b.sets.want(spec(("cali40s:" + std::to_string(i)).c_str()), {net("10.0.0.1/32")});
  REQUIRE(b.up());
  b.kernel.sets.erase("cali40s:3");
  for (int i = 4; i < 200; ++i) b.kernel.sets["cali40s:" + std::to_string(i)].members = {net("6.6.6.6/32")};
  b.clock.advance(90s);
  REQUIRE(b.sets.next_wakeup() <= b.clock.now());
  REQUIRE(b.up());
  CHECK(b.kernel.sets.count("cali40s:3"));
  const auto first = b.fuse.count("sets.members");
  CHECK(first <= 64);
  for (int i = 0; i < 3; ++i) {
    b.clock.advance(100ms);
    REQUIRE(b.up());
  }
  for (const auto& [name, set] : b.kernel.sets) CHECK(set.members == std::set{net("10.0.0.1/32")});
  CHECK(*b.sets.next_wakeup() - b.clock.now() > 80s);
}

TEST_CASE("a set in use is not destroyed now, but later") {
  Bench b;
  b.sets.want(spec("cali40a"), {});
  REQUIRE(b.up());
  b.kernel.references = {{"cali40a", 1}};
  b.sets.unwant("cali40a");
  REQUIRE(b.up());
  CHECK_FALSE(b.down());
  REQUIRE(b.sets.next_wakeup());
  b.kernel.references.clear();
  b.clock.advance(1s);
  CHECK(b.down());
  CHECK(b.kernel.sets.empty());
}

TEST_CASE("packed members behave as a set") {
  const char* given = std::getenv("MARGAY_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::atoi(given)) : 4711;
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 rng{seed};
  for (const Family family : kFamilies) {
    MemberSet packed{family};
    std::set<SetMember> plain;
    for (int i = 0; i < 20000; ++i) {
      Addr a{.family = family};
      a.bytes[0] = 10;
      a.bytes[family == Family::V4 ? 3 : 15] = static_cast<std::uint8_t>(rng());
      SetMember m{.net = Cidr{a, bits(family) - static_cast<unsigned>(rng() % 3)},
                  .protocol = static_cast<std::uint8_t>(rng() % 2 * 6),
                  .port = static_cast<std::uint16_t>(rng() % 2 * 65535)};
      if (rng() % 2) REQUIRE(packed.insert(m) == plain.insert(m).second);
      else REQUIRE(packed.erase(m) == (plain.erase(m) == 1));
      REQUIRE(packed.size() == plain.size());
      REQUIRE(packed.contains(m) == (plain.count(m) == 1));
    }
    auto all = packed.all();
    std::sort(all.begin(), all.end());
    CHECK(all == std::vector<SetMember>(plain.begin(), plain.end()));
  }
}
