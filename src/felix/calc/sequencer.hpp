// Sequencer: what the dataplane was told last, what it is to be told next, and in which order.
//
// Nodes call set() and remove() as often as they like between flushes; what a flush emits is the difference. So add and remove
// of one object in between coalesce, and an equal value announced again is no message.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "calc/messages.hpp"

namespace margay::calc {

class SetIndex;

template <class T>
[[nodiscard]] bool same_value(const T& a, const T& b) {
  return a == b;
}
template <class T>
[[nodiscard]] bool same_value(const Ref<T>& a, const Ref<T>& b) {
  return a == b || (a && b && *a == *b);
}

// One kind of object: what was sent, and what differs from it now.
template <class K, class V>
class Pending {
 public:
  void set(const K& key, V value) {
    const auto sent = sent_.find(key);
    if (sent != sent_.end() && same_value(sent->second, value)) next_.erase(key);
    else next_.insert_or_assign(key, std::move(value));
  }
  void remove(const K& key) {
    if (sent_.contains(key)) next_.insert_or_assign(key, std::nullopt);
    else next_.erase(key);
  }
  [[nodiscard]] bool empty() const noexcept { return next_.empty(); }
  [[nodiscard]] std::size_t sent_count() const noexcept { return sent_.size(); }

  // emit(key, value), ascending by key.
  template <class F>
  void flush_updates(F&& emit) {
    for (const K& key : keys([](const auto& next) { return next.has_value(); })) {
      auto node = next_.extract(key);
      emit(key, *node.mapped());
      sent_.insert_or_assign(key, std::move(*node.mapped()));
    }
  }
  // emit(key), descending by key.
  template <class F>
  void flush_removes(F&& emit) {
    std::vector<K> gone = keys([](const auto& next) { return !next.has_value(); });
    std::reverse(gone.begin(), gone.end());
    for (const K& key : gone) {
      emit(key);
      sent_.erase(key);
      next_.erase(key);
    }
  }

 private:
  template <class F>
  [[nodiscard]] std::vector<K> keys(F&& wanted) const {
    std::vector<K> keys;
    for (const auto& [key, next] : next_) {
      if (wanted(next)) keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end());
    return keys;
  }
  std::unordered_map<K, V> sent_;
  std::unordered_map<K, std::optional<V>> next_;
};

struct WorkloadState {
  Ref<WorkloadEndpoint> endpoint;
  Ref<EndpointPolicies> policies;
  Symbol bgp_peer;
  friend bool operator==(const WorkloadState& a, const WorkloadState& b) {
    return same_value(a.endpoint, b.endpoint) && same_value(a.policies, b.policies) && a.bgp_peer == b.bgp_peer;
  }
};
struct HostEndpointState {
  Ref<HostEndpoint> endpoint;
  Ref<EndpointPolicies> policies;
  friend bool operator==(const HostEndpointState& a, const HostEndpointState& b) {
    return same_value(a.endpoint, b.endpoint) && same_value(a.policies, b.policies);
  }
};
struct NodeAddresses {
  std::optional<Addr> ipv4, ipv6;
  friend bool operator==(const NodeAddresses&, const NodeAddresses&) = default;
};

struct Sequencer {
  Pending<PolicyId, Ref<ActivePolicy>> policies;
  Pending<ProfileId, Ref<ActiveProfile>> profiles;
  Pending<EndpointId, WorkloadState> workloads;
  Pending<EndpointId, HostEndpointState> host_endpoints;
  Pending<Symbol, NodeAddresses> nodes;
  Pending<Symbol, Ref<IpPool>> pools;
  Pending<Symbol, std::vector<Cidr>> service_cidrs, blocks;  // one key, the empty symbol
  Pending<Symbol, NodeAddresses> peering;                    // likewise

  [[nodiscard]] bool dirty() const noexcept;
  void flush(SetIndex& sets, MessageSink& sink);
};

}  // namespace margay::calc
