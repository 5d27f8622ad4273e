#include "calc/local_peers.hpp"

namespace margay::calc {

bool LocalPeers::applies(const BgpPeer& peer) const {
  if (!peer.node.empty()) return node_ == std::string_view{peer.node};
  return !peer.node_selector || peer.node_selector->matches(labels_);
}

void LocalPeers::release(Peer& peer) {
  if (!peer.selector) return;
  local_.touch_matching(*peer.selector);
  local_.remove_selector(*peer.selector);
  peer.selector.reset();
}

void LocalPeers::on_peer(const Key& key, const Ref<BgpPeer>& peer) {
  const auto old = peers_.find(key.name);
  if (old != peers_.end()) release(old->second);
  if (!peer || !peer->local_workload_selector) {
    if (old != peers_.end()) peers_.erase(old);
    return;
  }
  Peer& entry = peers_[key.name];
  entry.peer = peer;
  if (!applies(*peer)) return;
  entry.selector = local_.add_selector(*peer->local_workload_selector);
  local_.touch_matching(*entry.selector);
}

void LocalPeers::on_node(const Key& key, const Ref<Node>& node) {
  if (!(key.name == node_)) return;
  Labels labels = node ? node->labels : Labels{};
  if (labels == labels_) return;
  labels_ = std::move(labels);
  for (auto& [name, entry] : peers_) {
    if (applies(*entry.peer) == entry.selector.has_value()) continue;
    on_peer({Kind::BGPPeer, {}, name}, Ref<BgpPeer>{entry.peer});
  }
}

Symbol LocalPeers::peer_of(LabelIndex::ClassId cls) const {
  for (const auto& [name, entry] : peers_) {
    if (entry.selector && local_.matches(cls, *entry.selector)) return name;
  }
  return {};
}

}  // namespace margay::calc
