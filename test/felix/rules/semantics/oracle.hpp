// What should happen to a packet: a direct reading of the policy semantics (policy-rendering §2, §3), rule by rule, with no
// chain, no mark and no code of the renderer. Slow and plain on purpose.
#pragma once

#include "world.hpp"

namespace margay::rules::semantics {

[[nodiscard]] bool matches(const World& world, const calc::ActiveRule& rule, const Packet& packet);
[[nodiscard]] Outcome decide(const World& world, const Packet& packet);

}  // namespace margay::rules::semantics
