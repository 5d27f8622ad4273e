// iptables rules as values: what the renderer makes, the evaluator runs, the tables port programs and reads back.
//
// A Rule holds one xtables entry: header matches, extension matches in order, one target. Values are canonical: two rules that
// the kernel would hold identically compare equal (a /0 prefix is no prefix; ports are in the order given). A rule's identity is
// its value: nothing is kept in comments. to_text gives iptables-save form for people and goldens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "margay/base/ip.hpp"

namespace margay::kernel {

enum class Table : std::uint8_t { Raw, Mangle, Nat, Filter };
inline constexpr Table kTables[] = {Table::Raw, Table::Mangle, Table::Nat, Table::Filter};
[[nodiscard]] std::string_view name(Table table) noexcept;  // "raw", …

// ---- matches -------------------------------------------------------------------------------------------------------

// -i / -o. "cali+" in iptables is name "cali", wildcard true.
struct Interface {
  std::string name;
  bool wildcard = false;
  bool negated = false;
  friend bool operator==(const Interface&, const Interface&) = default;
};

struct Prefix {  // -s / -d
  Cidr cidr;
  bool negated = false;
  friend bool operator==(const Prefix&, const Prefix&) = default;
};

struct ProtocolMatch {  // -p
  std::uint8_t number = 0;
  bool negated = false;
  friend bool operator==(const ProtocolMatch&, const ProtocolMatch&) = default;
};

struct MarkMatch {  // mark rev 1: (mark & mask) == value
  std::uint32_t value = 0, mask = 0xffffffff;
  bool negated = false;
  friend bool operator==(const MarkMatch&, const MarkMatch&) = default;
};

// conntrack rev 3, states only. Bits are ours; kernel/xt_encode maps them to XT_CONNTRACK_STATE_*.
struct ConntrackMatch {
  enum State : std::uint8_t { Invalid = 1, Established = 2, Related = 4, New = 8, Untracked = 16, SourceNat = 32, DestNat = 64 };
  std::uint8_t states = 0;
  bool negated = false;
  friend bool operator==(const ConntrackMatch&, const ConntrackMatch&) = default;
};

struct SetMatch {  // set rev 4
  std::string set;
  bool source = true;           // first dimension; of a two-dimensional set both have the same side
  std::uint8_t dimensions = 1;  // 1: src, 2: src,src
  bool negated = false;
  friend bool operator==(const SetMatch&, const SetMatch&) = default;
};

struct PortsMatch {  // multiport rev 1: at most 15 slots, a range takes two. Needs a protocol with ports.
  struct Range {
    std::uint16_t min = 0, max = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };
  bool source = false;
  std::vector<Range> ranges;
  bool negated = false;
  friend bool operator==(const PortsMatch&, const PortsMatch&) = default;
};

struct IcmpTypeMatch {  // icmp / icmp6 rev 0, by the table's family. Needs the protocol.
  std::uint8_t type = 0;
  std::optional<std::uint8_t> code;  // absent: any
  bool negated = false;
  friend bool operator==(const IcmpTypeMatch&, const IcmpTypeMatch&) = default;
};

struct AddrTypeMatch {  // addrtype rev 1, LOCAL only
  bool source = false;
  bool negated = false;
  bool limit_iface_out = false;
  friend bool operator==(const AddrTypeMatch&, const AddrTypeMatch&) = default;
};

struct RpfilterMatch {  // rpfilter rev 0 --invert --validmark: the reverse path check FAILS. raw and mangle only.
  friend bool operator==(const RpfilterMatch&, const RpfilterMatch&) = default;
};

struct LimitMatch {        // limit rev 0
  std::uint32_t rate = 1;  // per unit
  enum class Unit : std::uint8_t { Second, Minute, Hour, Day } unit = Unit::Second;
  std::uint32_t burst = 5;
  friend bool operator==(const LimitMatch&, const LimitMatch&) = default;
};

struct ConnlimitMatch {  // -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above N --connlimit-mask 0
  std::uint32_t above = 0;
  friend bool operator==(const ConnlimitMatch&, const ConnlimitMatch&) = default;
};

struct CommentMatch {  // comment rev 0; at most one a rule, at most 255 bytes, already sanitised
  std::string text;
  friend bool operator==(const CommentMatch&, const CommentMatch&) = default;
};

// A foreign extension or form in a rule read back: never equal to anything we render.
struct OpaqueMatch {
  std::string name;
  std::uint64_t digest = 0;
  friend bool operator==(const OpaqueMatch&, const OpaqueMatch&) { return false; }
};

using Match = std::variant<MarkMatch, ConntrackMatch, SetMatch, PortsMatch, IcmpTypeMatch, AddrTypeMatch, RpfilterMatch,
                           LimitMatch, ConnlimitMatch, CommentMatch, OpaqueMatch>;

// ---- targets -------------------------------------------------------------------------------------------------------

struct Continue {
  friend bool operator==(const Continue&, const Continue&) = default;
};  // no target: counts only
struct Accept {
  friend bool operator==(const Accept&, const Accept&) = default;
};
struct Drop {
  friend bool operator==(const Drop&, const Drop&) = default;
};
struct Return {
  friend bool operator==(const Return&, const Return&) = default;
};
struct Jump {
  std::string chain;
  friend bool operator==(const Jump&, const Jump&) = default;
};
struct Goto {
  std::string chain;
  friend bool operator==(const Goto&, const Goto&) = default;
};
struct Reject {  // filter only; default icmp(6)-port-unreachable
  bool tcp_reset = false;
  friend bool operator==(const Reject&, const Reject&) = default;
};
struct SetMark {  // MARK rev 2 --set-xmark: mark = (mark & ~mask) ^ value
  std::uint32_t value = 0, mask = 0;
  friend bool operator==(const SetMark&, const SetMark&) = default;
};
struct Log {
  std::string prefix;
  std::uint8_t level = 5;
  friend bool operator==(const Log&, const Log&) = default;
};
struct Nflog {
  std::uint16_t group = 0;
  std::string prefix;
  std::uint32_t size = 80;
  friend bool operator==(const Nflog&, const Nflog&) = default;
};
struct NoTrack {
  friend bool operator==(const NoTrack&, const NoTrack&) = default;
};                   // CT rev 2 --notrack; raw only
struct Masquerade {  // nat only
  std::optional<PortsMatch::Range> ports;
  bool random_fully = false;
  friend bool operator==(const Masquerade&, const Masquerade&) = default;
};
struct SourceNat {  // SNAT, nat only
  Addr address;
  std::optional<PortsMatch::Range> ports;
  bool random_fully = false;
  friend bool operator==(const SourceNat&, const SourceNat&) = default;
};
struct DestNat {  // DNAT rev 2, nat only
  Addr address;
  std::optional<std::uint16_t> port;
  friend bool operator==(const DestNat&, const DestNat&) = default;
};
struct SetDscp {
  std::uint8_t value = 0;
  friend bool operator==(const SetDscp&, const SetDscp&) = default;
};  // mangle
struct OpaqueTarget {
  std::string name;
  std::uint64_t digest = 0;
  friend bool operator==(const OpaqueTarget&, const OpaqueTarget&) { return false; }
};

using Target = std::variant<Continue, Accept, Drop, Return, Jump, Goto, Reject, SetMark, Log, Nflog, NoTrack, Masquerade,
                            SourceNat, DestNat, SetDscp, OpaqueTarget>;

// ---- rules and chains ----------------------------------------------------------------------------------------------

struct Rule {
  std::optional<Interface> in, out;
  std::optional<ProtocolMatch> protocol;
  std::optional<Prefix> source, destination;
  std::vector<Match> matches;
  Target target = Continue{};
  friend bool operator==(const Rule&, const Rule&) = default;

  // The chain this rule jumps or goes to, or null.
  [[nodiscard]] const std::string* target_chain() const noexcept;
  // The set each set match names.
  [[nodiscard]] std::vector<std::string_view> sets() const;
};

struct Chain {
  std::string name;  // at most 28 characters
  std::vector<Rule> rules;
  friend bool operator==(const Chain&, const Chain&) = default;
};

// One rule in iptables-save form, "-A CHAIN …"; of a chain, one line a rule.
[[nodiscard]] std::string to_text(Family family, std::string_view chain, const Rule& rule);
[[nodiscard]] std::string to_text(Family family, const Chain& chain);

// A digest of the rules' values, for comparing programmed with wanted chains. Equal rules have equal digests; a rule with an
// opaque part has a digest that no rule of ours has.
using Digest = std::uint64_t;
[[nodiscard]] Digest digest(const std::vector<Rule>& rules);

// True for chain names that belong to us: they start with "cali" (contracts §5).
[[nodiscard]] bool is_our_chain(std::string_view name) noexcept;
// True for a rule that, in a kernel chain, is ours: it jumps or goes to a chain of ours or carries a comment "cali:…".
[[nodiscard]] bool is_our_rule(const Rule& rule) noexcept;

}  // namespace margay::kernel
