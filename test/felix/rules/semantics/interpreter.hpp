// Runs a packet through chains the way ip_tables does: first match acts, jumps push a return address, gotos do not, falling off a
// chain's end pops. Raw PREROUTING, then filter FORWARD or INPUT.
#pragma once

#include <unordered_map>
#include <vector>

#include "margay/kernel/ports.hpp"
#include "world.hpp"

namespace margay::rules::semantics {

struct Ruleset {
  Family family = Family::V4;
  std::unordered_map<std::string, kernel::Chain> raw, filter;
  std::vector<kernel::Hooks> raw_hooks, filter_hooks;
};

// Everything of the world, rendered.
[[nodiscard]] Ruleset render(const World& world, Family family);

[[nodiscard]] Outcome run(const World& world, const Ruleset& rules, Packet packet);

// What the kernel would refuse in these tables, and what breaks our own rules; empty: nothing.
[[nodiscard]] std::vector<std::string> faults(const World& world, const Ruleset& rules);

}  // namespace margay::rules::semantics
