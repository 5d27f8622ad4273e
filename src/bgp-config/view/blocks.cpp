#include "blocks.hpp"

#include <algorithm>

namespace margay::bgp::view {

Blocks own_blocks(const Inputs& inputs, const ViewOptions& options, const Node& self) {
  Blocks out;
  std::set<Cidr> aggregated;
  const auto add = [&](const Cidr& net, bool confirmed, const Key& owner) {
    out.routes.try_emplace(net, StaticRoute{net, {}, StaticRoute::Reason::Block, owner});
    if (confirmed) aggregated.insert(net);
  };
  for (const auto& [name, block] : inputs.blocks) {
    const Key owner{Kind::BlockAffinity, {}, name};
    // Pending: perhaps another node's. Being given up: still ours, but its addresses are others' one by one.
    if (block->state == BlockAffinity::State::Pending || inputs.refusals(owner) != 0) continue;
    add(block->cidr, block->state == BlockAffinity::State::Confirmed, owner);
  }
  const Key owner{Kind::Node, {}, options.node};
  if (options.pod_cidrs_are_blocks && inputs.refusals(owner) == 0)
    for (const Cidr& net : self.pod_cidrs) add(net, true, owner);
  for (const Cidr& net : aggregated) out.aggregated[index(net.family())].push_back(net);
  return out;
}

}  // namespace margay::bgp::view
