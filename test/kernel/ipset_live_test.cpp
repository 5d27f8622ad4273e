// The Sets port against the kernel, in a network namespace of its own.
#include <algorithm>

#include "ipset_sets.hpp"
#include "live_netns.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
using margay::test::output_of;
using margay::test::run;

namespace {

[[maybe_unused]] const margay::test::PrivateNetns kNetns;

constexpr SetType kSetTypes[] = {SetType::HashIp, SetType::HashNet, SetType::HashIpPort};

std::string set_name(Family family, std::string_view rest) {
  return std::string{"cali"} + digit(family) + "0" + std::string{rest};
}

SetSpec spec_of(Family family, SetType type, std::string_view rest = "live") {
  return SetSpec{.name = set_name(family, rest), .type = type, .family = family, .max_elements = 100000, .hash_size = 64};
}

// The i-th of many different members.
SetMember member_of(const SetSpec& spec, unsigned i) {
  Addr addr;
  addr.family = spec.family;
  addr.bytes = spec.family == Family::V4 ? std::array<std::uint8_t, 16>{10} : std::array<std::uint8_t, 16>{0xfd, 0, 0, 1};
  const std::size_t at = spec.family == Family::V4 ? 1 : 5;  // below the top byte(s)
  addr.bytes[at] = static_cast<std::uint8_t>(i >> 16), addr.bytes[at + 1] = static_cast<std::uint8_t>(i >> 8),
  addr.bytes[at + 2] = static_cast<std::uint8_t>(i);
  switch (spec.type) {
    case SetType::HashIp: return {Cidr{addr}, 0, 0};
    case SetType::HashNet: return {Cidr{addr, spec.family == Family::V4 ? 32u : 64u}, 0, 0};
    case SetType::HashIpPort:
      return {Cidr{addr}, static_cast<std::uint8_t>(i % 2 ? 6 : 17), static_cast<std::uint16_t>(i % 65535 + 1)};
  }
  std::abort();
}

std::vector<SetMember> many(const SetSpec& spec, unsigned from, unsigned to) {
  std::vector<SetMember> members;
  for (unsigned i = from; i < to; ++i) members.push_back(member_of(spec, i));
  return members;
}

std::vector<SetMember> sorted(std::vector<SetMember> members) {
  std::sort(members.begin(), members.end());
  return members;
}

template <class T>
T ok(Result<T> result) {
  INFO((result ? std::string{} : result.error().text));
  REQUIRE(result.has_value());
  return std::move(*result);
}

void ok(const Status& status) {
  INFO((status ? std::string{} : status.error().text));
  REQUIRE(status.has_value());
}

ErrorCode code(const Status& status) {
  REQUIRE_FALSE(status.has_value());
  INFO(status.error().text);
  return status.error().code;
}

Status apply_one(IpsetSets& sets, const SetSpec& spec, bool create, std::vector<SetMember> remove, std::vector<SetMember> add) {
  std::vector<Sets::Change> changes(1);
  changes[0].spec = &spec;
  changes[0].create = create;
  changes[0].remove = std::move(remove);
  changes[0].add = std::move(add);
  auto outcome = sets.apply(changes);
  REQUIRE(outcome.size() == 1);
  return outcome[0];
}

}  // namespace

TEST_CASE("sets of every type and family hold what was put in, and lose what was taken out") {
  IpsetSets sets;
  for (const Family family : kFamilies)
    for (const SetType type : kSetTypes) {
      const SetSpec spec = spec_of(family, type);
      CAPTURE(spec.name, name(type));
      ok(apply_one(sets, spec, true, {}, many(spec, 0, 5000)));
      CHECK(sorted(ok(sets.members(spec))) == sorted(many(spec, 0, 5000)));
      // Gone already and there already are no errors; removals come before additions.
      auto add = many(spec, 4000, 6000);
      add.push_back(member_of(spec, 7));
      ok(apply_one(sets, spec, false, many(spec, 0, 1000), add));
      ok(apply_one(sets, spec, false, many(spec, 0, 1000), add));
      auto wanted = many(spec, 1000, 6000);
      wanted.push_back(member_of(spec, 7));
      CHECK(sorted(ok(sets.members(spec))) == sorted(wanted));
      // The tool sees the members as we print them.
      const auto text = output_of("ipset save " + spec.name);
      for (const unsigned i : {7u, 1000u, 5999u})
        CHECK(text.find(" " + member_of(spec, i).to_string(type) + "\n") != std::string::npos);
      const auto listed = ok(sets.list());
      REQUIRE(listed.size() == 1);
      CHECK(listed[0].spec == spec);
      CHECK(listed[0].references == 0);
      ok(sets.destroy(spec.name));
      CHECK(ok(sets.list()).empty());
    }
}

TEST_CASE("networks of different lengths live in one set") {
  IpsetSets sets;
  for (const Family family : kFamilies) {
    const SetSpec spec = spec_of(family, SetType::HashNet);
    std::vector<SetMember> members;
    for (unsigned prefix = 1; prefix <= bits(family); ++prefix) {
      Addr addr = member_of(spec, 0xffffff).net.addr;
      members.push_back({Cidr{addr, prefix}, 0, 0});
    }
    ok(apply_one(sets, spec, true, {}, members));
    CHECK(sorted(ok(sets.members(spec))) == sorted(members));
    ok(sets.destroy(spec.name));
  }
}

TEST_CASE("a set that is full says NoSpace and the other sets of the batch are still filled") {
  IpsetSets sets;
  for (const Family family : kFamilies) {
    SetSpec small = spec_of(family, SetType::HashNet, "small");
    small.max_elements = 100;
    const SetSpec other = spec_of(family, SetType::HashIp, "other");
    const SetSpec wrong = spec_of(family, SetType::HashIp, "absent");
    std::vector<Sets::Change> changes(3);
    changes[0] = {&small, true, {}, many(small, 0, 5000)};
    changes[1] = {&wrong, false, {}, many(wrong, 0, 10)};
    changes[2] = {&other, true, {}, many(other, 0, 3000)};
    const auto outcome = sets.apply(changes);
    REQUIRE(outcome.size() == 3);
    CHECK(code(outcome[0]) == ErrorCode::NoSpace);
    CHECK(code(outcome[1]) == ErrorCode::NotFound);
    ok(outcome[2]);
    CHECK(ok(sets.members(small)).size() == 100);
    CHECK(sorted(ok(sets.members(other))) == sorted(many(other, 0, 3000)));
    // After the error the session works on, also for the set that failed.
    ok(apply_one(sets, small, false, many(small, 0, 5000), many(small, 0, 100)));
    CHECK(ok(sets.members(small)).size() == 100);
    for (const auto& each : {small, other}) ok(sets.destroy(each.name));
  }
}

TEST_CASE("errors have their codes") {
  IpsetSets sets;
  for (const Family family : kFamilies) {
    const SetSpec spec = spec_of(family, SetType::HashNet), other = spec_of(family, SetType::HashIp, "other");
    ok(sets.create(spec));
    CHECK(code(sets.create(spec)) == ErrorCode::AlreadyExists);
    CHECK(code(apply_one(sets, spec, true, {}, many(spec, 0, 1))) == ErrorCode::AlreadyExists);
    CHECK(ok(sets.members(spec)).empty());
    CHECK(code(sets.swap(spec.name, "cali4absent")) == ErrorCode::NotFound);
    CHECK(code(sets.swap("cali4absent", spec.name)) == ErrorCode::NotFound);
    ok(sets.create(other));
    CHECK(code(sets.swap(spec.name, other.name)) == ErrorCode::Invalid);  // types differ
    ok(sets.destroy("cali4absent"));
    CHECK_FALSE(sets.members(spec_of(family, SetType::HashIp, "absent")).has_value());
    CHECK(sets.members(spec_of(family, SetType::HashIp, "absent")).error().code == ErrorCode::NotFound);
    // A /0 is none a hash:net can hold: the change fails, the process goes on.
    CHECK(code(apply_one(sets, spec, false, {}, {SetMember{Cidr{Addr{family, {}}, 0}, 0, 0}})) != ErrorCode::NotFound);
    CHECK(code(sets.create({.name = "", .family = family})) == ErrorCode::Invalid);
    CHECK(code(sets.destroy("")) == ErrorCode::Invalid);  // to the kernel no name is every set
    CHECK(code(sets.create({.name = std::string(32, 'x'), .family = family})) == ErrorCode::Invalid);
    const Family wrong = family == Family::V4 ? Family::V6 : Family::V4;
    CHECK(code(apply_one(sets, spec, false, {}, {member_of(spec_of(wrong, SetType::HashNet), 1)})) == ErrorCode::Invalid);
    CHECK(ok(sets.list()).size() == 2);
    ok(sets.destroy(spec.name));
    ok(sets.destroy(other.name));
  }
}

TEST_CASE("a set that a rule refers to is busy, and a swap changes what the rule sees") {
  IpsetSets sets;
  for (const Family family : kFamilies) {
    const SetSpec spec = spec_of(family, SetType::HashNet), fresh = spec_of(family, SetType::HashNet, "fresh");
    ok(apply_one(sets, spec, true, {}, many(spec, 0, 10)));
    ok(apply_one(sets, fresh, true, {}, many(fresh, 50, 70)));
    const std::string tables = family == Family::V4 ? "iptables-legacy" : "ip6tables-legacy";
    REQUIRE(run(tables + " -A FORWARD -m set --match-set " + spec.name + " src -j DROP") == 0);
    CHECK(code(sets.destroy(spec.name)) == ErrorCode::Busy);
    ok(sets.swap(spec.name, fresh.name));
    CHECK(sorted(ok(sets.members(spec))) == sorted(many(spec, 50, 70)));
    ok(sets.destroy(fresh.name));
    for (const auto& each : ok(sets.list())) {
      CHECK(each.spec.name == spec.name);
      CHECK(each.references == 1);
    }
    REQUIRE(run(tables + " -F FORWARD") == 0);
    ok(sets.destroy(spec.name));
  }
}

TEST_CASE("foreign sets are neither listed nor touched; our names with a foreign shape are listed as such") {
  REQUIRE(run("ipset create KUBE-X hash:ip && ipset add KUBE-X 1.2.3.4 && ipset create caliother hash:ip") == 0);
  REQUIRE(run("ipset create cali40list list:set && ipset create cali40timeout hash:net timeout 60") == 0);
  REQUIRE(run("ipset create cali40nomatch hash:net && ipset add cali40nomatch 10.0.0.0/8 nomatch") == 0);
  REQUIRE(run("ipset create cali40plain hash:net maxelem 1234 counters && ipset add cali40plain 10.0.0.0/8") == 0);
  IpsetSets sets;
  auto listed = ok(sets.list());
  std::sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.spec.name < b.spec.name; });
  REQUIRE(listed.size() == 4);
  CHECK(listed[0].spec.name == "cali40list");
  CHECK(listed[0].spec.max_elements == 0);
  CHECK(listed[1].spec.name == "cali40nomatch");
  CHECK(listed[2].spec.name == "cali40plain");
  CHECK(listed[2].spec.max_elements == 1234);
  CHECK(listed[3].spec.name == "cali40timeout");
  CHECK(listed[3].spec.max_elements == 0);
  for (const char* each : {"cali40list", "cali40nomatch", "cali40timeout"}) {
    CAPTURE(each);
    const auto members = sets.members({.name = each, .type = SetType::HashNet, .family = Family::V4});
    REQUIRE_FALSE(members.has_value());
    CHECK(members.error().code == ErrorCode::Unsupported);
  }
  CHECK(ok(sets.members({.name = "cali40plain", .type = SetType::HashNet, .family = Family::V4})).size() == 1);
  for (const auto& each : listed) ok(sets.destroy(each.spec.name));
  CHECK(output_of("ipset save KUBE-X").find("add KUBE-X 1.2.3.4\n") != std::string::npos);
  CHECK(run("ipset destroy KUBE-X && ipset destroy caliother") == 0);
}

TEST_CASE("many sets are created, filled and listed in one apply") {
  IpsetSets sets;
  std::vector<SetSpec> specs;
  for (const Family family : kFamilies)
    for (int i = 0; i < 150; ++i) specs.push_back(spec_of(family, kSetTypes[i % 3], std::to_string(i)));
  std::vector<Sets::Change> changes;
  for (const auto& spec : specs) changes.push_back({&spec, true, {}, many(spec, 0, 10)});
  for (const auto& status : sets.apply(changes)) ok(status);
  CHECK(ok(sets.list()).size() == specs.size());
  for (const auto& spec : specs) {
    CHECK(ok(sets.members(spec)).size() == 10);
    ok(sets.destroy(spec.name));
  }
  CHECK(ok(sets.list()).empty());
}
