// A world as rendered rules, in the packet evaluator: raw PREROUTING, then filter FORWARD or INPUT, with no foreign rules.
#pragma once

#include <unordered_map>
#include <vector>

#include "evaluate.hpp"
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

class Machine {
 public:
  Machine(const World& world, const Ruleset& rules);
  [[nodiscard]] Outcome run(const Packet& packet) const;

 private:
  kernel::Evaluator evaluator_;
};

// What the kernel would refuse in these tables, and what breaks our own rules; empty: nothing.
[[nodiscard]] std::vector<std::string> faults(const World& world, const Ruleset& rules);

}  // namespace margay::rules::semantics
