// PassThrough: nodes, address pools, service CIDRs, this node's blocks and its addresses towards workloads that are BGP peers,
// which reach the dataplane with hardly a thought.
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "calc/sequencer.hpp"

namespace margay::calc {

class PassThrough {
 public:
  PassThrough(Symbol node, Sequencer& out) : node_{std::move(node)}, out_{out} {}

  // Null: gone.
  void on_node(const Key& key, const Ref<Node>& node);
  void on_pool(const Key& key, const Ref<IpPool>& pool);  // of several with one CIDR the lowest name counts (Calico's rule)
  void on_bgp_configuration(const Key& key, const Ref<BgpConfiguration>& configuration);  // only "default" counts here
  // Blocks that this node holds, or is giving up while addresses of it may be in use; none of a single address, whose blackhole
  // would be in the way of the workload's own route.
  void on_block_affinity(const Key& key, const Ref<BlockAffinity>& affinity);

 private:
  void choose_pool(const Cidr& cidr, const Symbol& changed);

  Symbol node_;
  Sequencer& out_;
  std::unordered_map<Symbol, Ref<IpPool>> pools_;
  std::unordered_map<Cidr, std::vector<Symbol>> pools_by_cidr_;  // sorted by name
  std::map<Symbol, Cidr> blocks_;                                // of this node, by affinity
};

}  // namespace margay::calc
