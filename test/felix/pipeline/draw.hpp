// Clusters and packets drawn at random, out of few names and addresses so that they meet; and smaller versions of a cluster.
#pragma once

#include <functional>
#include <random>

#include "cluster.hpp"

namespace margay::pipeline {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_{seed} {}
  [[nodiscard]] Cluster cluster();
  // The same cluster after some edits.
  [[nodiscard]] Cluster edited(Cluster cluster);
  [[nodiscard]] Packet packet(const Cluster& cluster, Family family);

 private:
  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>{0, n - 1}(random_); }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class List>
  const auto& pick(const List& list) {
    return list[below(static_cast<unsigned>(std::size(list)))];
  }
  Addr address(Family family);
  Cidr net(Family family);
  std::vector<Cidr> nets(Family family, unsigned most);
  std::string ns();
  Labels labels();
  Requirements requirements();
  Select select(int depth);
  std::vector<NamedPort> named_ports(bool numbers);
  std::vector<Port> ports(bool numeric);
  Entity entity(const Rule& rule, Family family, bool source, bool ingress, bool global, bool may_namespace);
  Rule rule(bool ingress, bool global, bool may_namespace);
  std::vector<Rule> rules(bool ingress, bool global, bool may_namespace, unsigned most);
  std::vector<K8sRule> k8s_rules();
  Endpoint endpoint(unsigned number);
  Policy policy(unsigned number);
  Tier tier(const std::string& name);
  Profile profile(const std::string& name);
  Slice slice(unsigned number);
  void aim(Packet& packet, const Rule& rule, const Cluster& cluster);

  std::mt19937_64 random_;
};

// Calls `still_fails` on ever smaller versions until no smaller one fails; the answer is the last that did.
[[nodiscard]] Cluster shrink(Cluster cluster, const std::function<bool(const Cluster&)>& still_fails);

}  // namespace margay::pipeline
