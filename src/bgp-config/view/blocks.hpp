// Blocks: the address blocks this node holds. Small, and made anew as a whole when one changes.
#pragma once

#include "inputs.hpp"

namespace margay::bgp::view {

struct Blocks {
  std::map<Cidr, StaticRoute> routes;           // blackholes: what no workload here has goes nowhere
  std::array<std::vector<Cidr>, 2> aggregated;  // by family: confirmed, so that single addresses in them are not exported
};

[[nodiscard]] Blocks own_blocks(const Inputs& inputs, const ViewOptions& options, const Node& self);

}  // namespace margay::bgp::view
