// A packet evaluator over rule values: what the kernel's legacy tables would do with a packet, rule by rule.
//
// Goals: an oracle for randomised tests (millions of packets: about a microsecond each), later the engine of `margayctl explain`.
// Design: a Ruleset is compiled once (chain names to numbers, prefixes to masked words, sets to hash tables), then any number of
// packets run through it. Semantics are ip_tables' (net/ipv4/netfilter/ip_tables.c: ipt_do_table) and the hook order of
// include/uapi/linux/netfilter_ipv4.h:
//
//   forwarded   raw, mangle, nat PREROUTING → mangle, filter FORWARD → mangle, nat POSTROUTING
//   to us       raw, mangle, nat PREROUTING → mangle, filter, nat INPUT
//   from us     raw, mangle, nat, filter OUTPUT → mangle, nat POSTROUTING
//
// Connection tracking, routing and time are not simulated: the packet says its state, its interfaces and whether a limit lets it
// through. In raw a packet has no connection yet, so its state there is INVALID (or UNTRACKED after NOTRACK), as in the kernel.
// The nat table sees New packets only. Foreign (opaque) matches never match; foreign targets do nothing.
// Rejected: simulating on encoded entries (slower, and no text for the trace); one evaluator per table (marks and NAT cross).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/result.hpp"
#include "margay/kernel/rule.hpp"
#include "margay/kernel/set.hpp"

namespace margay::kernel {

struct Packet {
  Addr source, destination;  // of the ruleset's family
  std::uint8_t protocol = 6;
  std::uint16_t source_port = 0, destination_port = 0;  // of protocols with ports
  std::uint8_t icmp_type = 0, icmp_code = 0;
  bool tcp_syn = true;                                // SYN without FIN, RST, ACK: what the connection limit counts
  std::string in, out;                                // interfaces; hooks that have none see none
  ConntrackMatch::State state = ConntrackMatch::New;  // Invalid, Established, Related, New or Untracked
  bool source_nat = false, dest_nat = false;          // its connection is NATed already
  std::uint32_t mark = 0;
  bool rpf_ok = true;             // the reverse path check passes
  bool within_limit = true;       // what every limit match says
  std::uint32_t connections = 0;  // of this source, for the connection limit
};

struct KernelChain {
  std::string name;         // "FORWARD", …
  std::vector<Rule> rules;  // all of them, foreign ones too
  bool drop_policy = false;
};

struct TableRules {
  Table table = Table::Filter;
  std::vector<KernelChain> kernel;  // those missing are empty with policy ACCEPT
  std::vector<Chain> chains;
};

struct SetContents {
  SetSpec spec;
  std::vector<SetMember> members;
};

struct Ruleset {
  Family family = Family::V4;
  std::vector<TableRules> tables;
  std::vector<SetContents> sets;
  // addrtype LOCAL: an address of this host; with an interface, of that interface. Unset: nothing is local.
  std::function<bool(const Addr& address, std::string_view interface)> is_local;
};

enum class Path : std::uint8_t { Forward, Input, Output };
enum class Verdict : std::uint8_t { Accept, Drop, Reject };

struct NatResult {
  std::optional<Addr> destination;
  std::optional<std::uint16_t> destination_port;
  std::optional<Addr> source;  // SNAT; with MASQUERADE absent: the out interface's address
  bool masquerade = false;
  std::optional<PortsMatch::Range> source_ports;
};

struct Outcome {
  Verdict verdict = Verdict::Accept;
  // Where it was dropped or rejected, or last accepted; rule npos: by policy.
  static constexpr std::size_t kPolicy = static_cast<std::size_t>(-1);
  Table table = Table::Filter;
  std::string_view chain;  // lives as long as the evaluator
  std::size_t rule = kPolicy;
  std::uint32_t mark = 0;
  NatResult nat;
  bool untracked = false;
};

// A rule that matched, in order.
struct TraceStep {
  Table table = Table::Filter;
  std::string_view chain;
  std::size_t rule = 0;
  const Rule* value = nullptr;
  std::uint32_t mark_after = 0;
};
using Trace = std::vector<TraceStep>;

class Evaluator {
 public:
  // NotFound: a rule names a chain or set that is not there. Invalid: chains that lead to one another in a circle.
  [[nodiscard]] static Result<Evaluator> compile(Ruleset ruleset);
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator();

  [[nodiscard]] Outcome run(Path path, const Packet& packet, Trace* trace = nullptr) const;
  // One chain (a kernel chain or one of the chains) of one table alone; the end of a chain of ours is Accept by "policy".
  // `hook`: the kernel chain it is run from, which says what interfaces and state are seen.
  [[nodiscard]] Outcome run_chain(Table table, std::string_view chain, std::string_view hook, const Packet& packet,
                                  Trace* trace = nullptr) const;
  // "table chain rule-number text", a line a step.
  [[nodiscard]] std::string to_text(const Trace& trace) const;

 private:
  struct Program;
  explicit Evaluator(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace margay::kernel
