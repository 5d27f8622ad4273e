// ClusterCounts: how much of what the cluster has, for the felix_cluster_num_* metrics.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "margay/model/key.hpp"

namespace margay::calc {

class KeyCount {
 public:
  void count(const Key& key, bool exists) {
    if (exists) keys_.insert(key);
    else keys_.erase(key);
  }
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

 private:
  std::unordered_set<Key> keys_;
};

class ClusterCounts {
 public:
  KeyCount policies, profiles, tiers, node_resources;

  // The endpoint was on one node and now is on another; empty: it was or is not there.
  void on_workload(const Symbol& before, const Symbol& now) { move(workloads_, before, now); }
  void on_host_endpoint(const Symbol& before, const Symbol& now) { move(host_endpoints_, before, now); }
  void on_node(const Key& key, bool exists) {
    const std::size_t had = node_resources.size();
    node_resources.count(key, exists);
    if (node_resources.size() > had) ++things_by_host_[key.name];
    if (node_resources.size() < had) drop(key.name);
  }

  // A host is what has a Node or an endpoint.
  [[nodiscard]] std::size_t hosts() const noexcept { return things_by_host_.size(); }
  [[nodiscard]] std::size_t workload_endpoints() const noexcept { return workloads_; }
  [[nodiscard]] std::size_t host_endpoints() const noexcept { return host_endpoints_; }

 private:
  void move(std::size_t& count, const Symbol& before, const Symbol& now) {
    if (before == now) return;
    if (!now.empty()) {
      ++count;
      ++things_by_host_[now];
    }
    if (!before.empty()) {
      --count;
      drop(before);
    }
  }
  void drop(const Symbol& host) {
    const auto it = things_by_host_.find(host);
    if (--it->second == 0) things_by_host_.erase(it);
  }
  std::size_t workloads_ = 0, host_endpoints_ = 0;
  std::unordered_map<Symbol, std::size_t> things_by_host_;
};

}  // namespace margay::calc
