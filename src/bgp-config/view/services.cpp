#include "services.hpp"

#include <utility>

namespace margay::bgp::view {

std::set<Cidr> Services::update(const ServiceContext& context, const Dirt& dirt) {
  std::set<Cidr> changed;
  if (context_ == context) {
    for (const Key& service : dirt.services) refresh(service, changed);
    return changed;
  }
  context_ = context;
  changed = std::exchange(ranges_, {});
  for (const Cidr& range : advertised_ranges(context)) {
    ranges_.insert(range);
    changed.insert(range);
  }
  for (const Key& service : dirt.services)
    if (!inputs_.services.contains(service)) refresh(service, changed);
  for (const auto& [service, inputs] : inputs_.services) refresh(service, changed);
  return changed;
}

void Services::refresh(const Key& service, std::set<Cidr>& changed) {
  std::vector<Cidr> now;
  if (const auto at = inputs_.services.find(service); at != inputs_.services.end() && inputs_.refusals(service) == 0)
    now = service_routes(*context_, at->second);
  const auto at = by_service_.find(service);
  if (at != by_service_.end()) {
    if (at->second == now) return;
    for (const Cidr& net : at->second) {
      const auto owners = by_net_.find(net);
      owners->second.erase(service);
      if (owners->second.empty()) by_net_.erase(owners);
      changed.insert(net);
    }
    by_service_.erase(at);
  }
  if (now.empty()) return;
  for (const Cidr& net : now) {
    by_net_[net].insert(service);
    changed.insert(net);
  }
  by_service_.emplace(service, std::move(now));
}

std::optional<StaticRoute> Services::route(const Cidr& net) const {
  if (ranges_.contains(net)) return StaticRoute{net, {}, StaticRoute::Reason::Service, kDefaultConfiguration};
  const auto at = by_net_.find(net);
  if (at == by_net_.end()) return std::nullopt;
  return StaticRoute{net, {}, StaticRoute::Reason::Service, *at->second.begin()};
}

}  // namespace margay::bgp::view
