// Rule values to the kernel's ipt_entry / ip6t_entry bytes and back, and the checks the kernel answers only anonymously.
//
// Encoded entries are in the form libiptc takes: a standard target carries the verdict's or chain's name. The encoding is
// canonical and equals, byte for byte, what the iptables plug-ins write for to_text() of the rule (highest revision they know,
// all padding zero), so that read-back compares with memcmp and iptables-save | iptables-restore keeps our rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/kernel/rule.hpp"

namespace margay::kernel::xt {

inline constexpr std::size_t kMaxChainName = 28;

// Set names to kernel indices and back; a set keeps its index while it lives, across swaps too.
class SetIndex {
 public:
  virtual ~SetIndex() = default;
  virtual Result<std::uint16_t> index(Family family, std::string_view name) = 0;  // NotFound names the set
  virtual std::optional<std::string> name(std::uint16_t index) = 0;
};

// Everything the kernel would refuse without saying which rule, and what it would accept but iptables not understand.
[[nodiscard]] Status validate(Family family, Table table, const Rule& rule);
[[nodiscard]] Status validate_chain_name(std::string_view name);

// Replaces `out` by the entry. The rule must be valid.
[[nodiscard]] Status encode(Family family, const Rule& rule, SetIndex& sets, std::vector<std::byte>& out);

// `entry` as libiptc shows it, `target` what iptc_get_target says of it. Never fails: what we would not have written ourselves,
// in exactly these bytes, becomes an opaque match or target.
[[nodiscard]] Rule decode(Family family, const void* entry, std::string_view target, SetIndex& sets);

// True if two entries are the same rule, counters and kernel bookkeeping aside. `a` and its target as for decode, `b` encoded.
[[nodiscard]] bool same_entry(Family family, const void* a, std::string_view a_target, const std::vector<std::byte>& b);

// is_our_rule for an entry, without decoding it.
[[nodiscard]] bool is_our_entry(Family family, const void* entry, std::string_view target);

// The extensions a rule's encoded entry uses: what the kernel must know.
struct Extension {
  bool target = false;
  std::string name;
  std::uint8_t revision = 0;
  friend auto operator<=>(const Extension&, const Extension&) = default;
};
[[nodiscard]] std::vector<Extension> extensions(Family family, const Rule& rule, const std::vector<std::byte>& entry);

}  // namespace margay::kernel::xt
