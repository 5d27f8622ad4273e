// Encoding without a kernel: round trips, what is not ours is opaque, and what is refused.
#include "xt_encode.hpp"

#include <cstring>

#include "all_rules.hpp"
#include "iptc_handle.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
using margay::test::all_rules;

namespace {

struct TwoSets final : xt::SetIndex {
  std::vector<std::string> names;
  Result<std::uint16_t> index(Family, std::string_view name) override {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return static_cast<std::uint16_t>(i);
    names.emplace_back(name);
    return static_cast<std::uint16_t>(names.size() - 1);
  }
  std::optional<std::string> name(std::uint16_t index) override {
    if (index >= names.size()) return std::nullopt;
    return names[index];
  }
};

bool standard(const Rule& rule) { return rule.target.index() <= 5; }  // Continue … Goto

xt_entry_target* target_of(Family family, std::vector<std::byte>& entry) {
  const auto at = family == Family::V4 ? reinterpret_cast<ipt_entry*>(entry.data())->target_offset
                                       : reinterpret_cast<ip6t_entry*>(entry.data())->target_offset;
  return reinterpret_cast<xt_entry_target*>(entry.data() + at);
}

// As the kernel and libiptc would show the entry: a standard target has no name, names are followed by rubbish.
std::string show(Family family, const Rule& rule, std::vector<std::byte>& entry) {
  auto* target = target_of(family, entry);
  std::string name{target->u.user.name};
  char* field = target->u.user.name;
  const std::size_t used = standard(rule) ? 0 : name.size();
  std::memset(field + used, 0, 1);
  for (std::size_t i = used + 1; i < sizeof target->u.user.name; ++i) field[i] = 'r';
  return name;
}

}  // namespace

TEST_CASE("an encoded rule decodes to itself and compares equal to itself only") {
  for (Family family : kFamilies) {
    for (const auto& [table, rules] : all_rules(family)) {
      TwoSets sets;
      std::vector<std::byte> entry, other;
      for (std::size_t i = 0; i < rules.size(); ++i) {
        INFO(to_text(family, "c", rules[i]));
        REQUIRE(xt::validate(family, table, rules[i]));
        REQUIRE(xt::encode(family, rules[i], sets, entry));
        const auto encoded = entry;
        CHECK(entry.size() % 8 == 0);
        const auto target = show(family, rules[i], entry);
        CHECK(digest({xt::decode(family, entry.data(), target, sets)}) == digest({rules[i]}));
        CHECK(xt::same_entry(family, entry.data(), target, encoded));
        const Rule& next = rules[(i + 1) % rules.size()];
        REQUIRE(xt::encode(family, next, sets, other));
        CHECK_FALSE(xt::same_entry(family, entry.data(), target, other));
        CHECK(xt::is_our_entry(family, entry.data(), target) == is_our_rule(rules[i]));
      }
    }
  }
}

TEST_CASE("every single flipped bit of an entry makes another rule of it, or none of ours") {
  TwoSets sets;
  const Family family = Family::V4;
  const auto rules = all_rules(family).at(Table::Filter);
  for (const auto& rule : rules) {
    if (rule.matches.size() == 1 && std::holds_alternative<CommentMatch>(rule.matches[0])) continue;  // long, and text is text
    std::vector<std::byte> entry;
    REQUIRE(xt::encode(family, rule, sets, entry));
    const auto target = show(family, rule, entry);
    const Digest right = digest({rule});
    const std::size_t header = sizeof(ipt_ip), data = sizeof(ipt_entry);
    const auto flip = [&](std::size_t byte) {
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = entry;
        bad[byte] ^= std::byte{static_cast<unsigned char>(1 << bit)};
        INFO(to_text(family, "c", rule) << " byte " << byte << " bit " << bit);
        CHECK(digest({xt::decode(family, bad.data(), target, sets)}) != right);
      }
    };
    for (std::size_t i = 0; i < header; ++i) flip(i);
    for (std::size_t at = data; at < reinterpret_cast<const ipt_entry*>(entry.data())->target_offset;) {
      const auto size = reinterpret_cast<const xt_entry_match*>(&entry[at])->u.match_size;
      for (std::size_t i = at + sizeof(xt_entry_match); i < at + size; ++i) flip(i);
      at += size;
    }
  }
}

TEST_CASE("a foreign extension is opaque") {
  TwoSets sets;
  std::vector<std::byte> entry;
  REQUIRE(xt::encode(Family::V4, Rule{.matches = {MarkMatch{1}}, .target = SetMark{1, 1}}, sets, entry));
  auto* match = reinterpret_cast<xt_entry_match*>(&entry[sizeof(ipt_entry)]);
  std::strcpy(match->u.user.name, "helper");
  const Rule rule = xt::decode(Family::V4, entry.data(), "MARK", sets);
  CHECK(std::get<OpaqueMatch>(rule.matches.at(0)).name == "helper");
  target_of(Family::V4, entry)->u.user.revision = 1;
  CHECK(std::holds_alternative<OpaqueTarget>(xt::decode(Family::V4, entry.data(), "MARK", sets).target));
}

TEST_CASE("chain names") {
  CHECK(xt::validate_chain_name("cali-" + std::string(23, 'x')));
  for (const std::string name : {"", "ACCEPT", "-x", "!x", "a b"}) CHECK_FALSE(xt::validate_chain_name(name));
  CHECK_FALSE(xt::validate_chain_name(std::string(29, 'x')));
}
