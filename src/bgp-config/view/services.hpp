// Services: keeps the routes to services that this node advertises up to date; a change of one service or one of its slices costs
// that service. An address that several services have is advertised while one of them wants it.
#pragma once

#include "service_routes.hpp"

namespace margay::bgp::view {

class Services {
 public:
  explicit Services(const Inputs& inputs) : inputs_{inputs} {}

  // Nets that may be advertised by others, or no longer, or newly.
  std::set<Cidr> update(const ServiceContext& context, const Dirt& dirt);
  // The route if this node advertises it. Owner: the cluster's configuration for a range, else the first service.
  [[nodiscard]] std::optional<StaticRoute> route(const Cidr& net) const;

 private:
  void refresh(const Key& service, std::set<Cidr>& changed);

  const Inputs& inputs_;
  std::optional<ServiceContext> context_;
  std::set<Cidr> ranges_;
  std::unordered_map<Key, std::vector<Cidr>> by_service_;
  std::unordered_map<Cidr, std::set<Key>> by_net_;
};

}  // namespace margay::bgp::view
