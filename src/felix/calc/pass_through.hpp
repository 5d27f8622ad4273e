// PassThrough: nodes, address pools and service CIDRs, which reach the dataplane with hardly a thought.
#pragma once

#include <unordered_map>
#include <vector>

#include "calc/sequencer.hpp"

namespace margay::calc {

class PassThrough {
 public:
  explicit PassThrough(Sequencer& out) : out_{out} {}

  // Null: gone.
  void on_node(const Key& key, const Ref<Node>& node);
  void on_pool(const Key& key, const Ref<IpPool>& pool);  // of several with one CIDR the lowest name counts (Calico's rule)
  void on_bgp_configuration(const Key& key, const Ref<BgpConfiguration>& configuration);  // only "default" may name service CIDRs

 private:
  void choose_pool(const Cidr& cidr, const Symbol& changed);

  Sequencer& out_;
  std::unordered_map<Symbol, Ref<IpPool>> pools_;
  std::unordered_map<Cidr, std::vector<Symbol>> pools_by_cidr_;  // sorted by name
};

}  // namespace margay::calc
