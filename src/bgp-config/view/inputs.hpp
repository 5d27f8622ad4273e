// Inputs: the resources a view is made of, by kind and sorted; and Dirt, what of them changed since the last router.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "margay/model/update.hpp"
#include "router.hpp"
#include "view.hpp"

namespace margay::bgp::view {

// A service and what its slices say; either may be there without the other.
struct ServiceInputs {
  Ref<Service> service;
  std::map<Symbol, Ref<EndpointSlice>> slices;
};

struct Dirt {
  std::map<Symbol, Ref<Node>> nodes;  // with the node as it was at the last router; null: not there
  std::set<Symbol> peers;             // BGPPeers, quarantined ones too
  std::set<Symbol> filters;           // BGPFilters that came, went, were mended or quarantined; what is in one is no session's
  std::set<Symbol> secrets;
  std::set<Key> services;
  bool blocks = false, pools = false, workloads = false, mesh = false;
  bool globals = false;  // a configuration, or this node
};

struct Inputs {
  std::map<Symbol, Ref<Node>> nodes;
  std::map<Symbol, Ref<BgpPeer>> peers;
  std::map<Symbol, Ref<BgpFilter>> filters;
  std::map<Symbol, Ref<BgpConfiguration>> configurations;
  std::map<Symbol, Ref<IpPool>> pools;
  std::map<Symbol, Ref<BlockAffinity>> blocks;  // of this node
  std::map<Symbol, Ref<Secret>> secrets;        // of the one namespace
  std::unordered_map<Key, ServiceInputs> services;
  std::string felix_cluster_routes;  // programClusterRoutes of FelixConfiguration default; empty: not given
  std::vector<WorkloadStatus> workloads;
  std::map<Addr, std::set<Symbol>> nodes_by_address;  // node addresses of both families

  // What BIRD refused, by resource. The second refusal of one resource takes more away (docs/design/bgp.md, quarantine).
  struct Refusal {
    std::string reason;
    unsigned count = 1;
  };
  std::map<Key, Refusal> quarantine;

  Inputs(Symbol node, Symbol secrets_namespace);
  void apply(const Update& update, Dirt& dirt);
  void refuse(const Key& owner, std::string reason, Dirt& dirt);
  [[nodiscard]] unsigned refusals(const Key& key) const;

  [[nodiscard]] const BgpConfiguration& configuration(const Symbol& name) const;  // absent: all defaults
  [[nodiscard]] const BgpConfiguration& configuration_of_node(const Symbol& node) const;

 private:
  void apply_node(const Update& update, Dirt& dirt);
  void apply_slice(const Update& update, Dirt& dirt);
  void mark(const Key& key, Dirt& dirt);  // a change in how the resource is used
  void forget_if_empty(const Key& service);

  Symbol node_, secrets_namespace_;
  std::unordered_map<Key, Key> service_of_slice_;
};

[[nodiscard]] const std::optional<Addr>& address(const Node& node, Family family) noexcept;
[[nodiscard]] const std::optional<Cidr>& network(const Node& node, Family family) noexcept;

inline const Key kDefaultConfiguration{Kind::BGPConfiguration, {}, "default"};

}  // namespace margay::bgp::view
