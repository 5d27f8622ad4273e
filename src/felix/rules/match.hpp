// One policy rule's criteria as iptables rules: the heart of rendering. Internal to rules.
//
// iptables ANDs what one rule holds: one source prefix, one destination prefix, one protocol, 15 ports a match. A criterion with
// several alternatives (a dimension) is rendered in one of two ways, whichever costs less (cost model: kernel-limits A3, E):
//   product   one rule per combination of alternatives, all with the same target. No marks; most packets fail at a header
//   compare. block     a mark bit is set by whichever alternative matches, and the final rules require the bit.
// Exclusions that do not fit the one negated prefix of a rule clear the bit again.
//
//   bits: scratch0 "all blocks so far hold", scratch1 "this block holds"
//     [header] → MARK scratch0 := 0 (1 if there are exclusions only), scratch1 := 0
//     [header] alternative of the first dimension → scratch0 := 1                    (each)
//     [header] → scratch1 := 0 (from the third dimension on)
//     [header] alternative of the next dimension → scratch1 := 1                     (each)
//     [header] scratch1 == 0 → scratch0 := 0
//     [header] exclusion → scratch0 := 0                                              (each)
//     [header] scratch0 == 1, the other criteria → target
// Every one of them repeats the rule's header compares: they are nearly free, and spare other packets the extensions.
#pragma once

#include <optional>
#include <vector>

#include "calc/messages.hpp"
#include "margay/kernel/rule.hpp"
#include "rules/marks.hpp"

namespace margay::rules {

struct RuleOptions {
  bool once = false;                        // the target must run at most once a packet (LOG, counters)
  std::optional<kernel::LimitMatch> limit;  // evaluated last: only what matches uses up tokens
};

// Rules that run `target` for exactly the packets of `family` that `rule` describes; none if it describes no packet. Where a
// criterion cannot be expressed the result is narrower, or for a Deny wider: never more open.
// Target must end the packet's way through the chain, or be harmless when run twice, or options.once.
[[nodiscard]] std::vector<kernel::Rule> render_rule(Family family, const Marks& marks, const calc::ActiveRule& rule,
                                                    const kernel::Target& target, const RuleOptions& options = {});

}  // namespace margay::rules
