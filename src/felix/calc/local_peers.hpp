// LocalPeers: which BGPPeer, if any, makes a local workload a BGP peer of this node.
//
// A BGPPeer with a localWorkloadSelector counts if its node or nodeSelector selects this node, or it has neither. Of several that
// select one workload the first by name has it (Calico's rule; bgp spec §1.3). Without a Node object this node has no labels.
#pragma once

#include <map>

#include "calc/local_endpoints.hpp"

namespace margay::calc {

class LocalPeers {
 public:
  LocalPeers(Symbol node, LocalEndpoints& local) : node_{std::move(node)}, local_{local} {}

  // Null: gone.
  void on_peer(const Key& key, const Ref<BgpPeer>& peer);
  void on_node(const Key& key, const Ref<Node>& node);

  // Empty: none.
  [[nodiscard]] Symbol peer_of(LabelIndex::ClassId cls) const;

 private:
  struct Peer {
    Ref<BgpPeer> peer;
    std::optional<LabelIndex::SelectorId> selector;  // added while it applies to this node
  };
  [[nodiscard]] bool applies(const BgpPeer& peer) const;
  void release(Peer& peer);

  Symbol node_;
  LocalEndpoints& local_;
  Labels labels_;
  std::map<Symbol, Peer> peers_;  // those with a localWorkloadSelector
};

}  // namespace margay::calc
