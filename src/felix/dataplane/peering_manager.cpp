#include "dataplane/peering_manager.hpp"

#include <utility>

#include "margay/base/log.hpp"

namespace margay::dataplane {
namespace {

constexpr log::Domain kDomain{"peering"};

}  // namespace

void PeeringManager::set_peer(const std::string& interface, const std::vector<Cidr>& nets) {
  std::set<Family> families;
  for (const auto& plane : planes_) {
    for (const Cidr& net : nets) {
      if (net.family() == plane->family) families.insert(plane->family);
    }
  }
  const auto it = peers_.find(interface);
  if (it == peers_.end() ? families.empty() : it->second == families) return;
  if (families.empty()) peers_.erase(it);
  else peers_[interface] = std::move(families);
  dirty_.insert(interface);
}

void PeeringManager::on_message(const calc::Message& message) {
  const auto* update = std::get_if<calc::WorkloadPeeringUpdate>(&message);
  if (!update) return;
  own_.clear();
  if (update->ipv4) own_[Family::V4] = *update->ipv4;
  if (update->ipv6) own_[Family::V6] = *update->ipv6;
  for (const auto& [family, address] : own_) told_.erase(family);
  for (const auto& [interface, families] : peers_) dirty_.insert(interface);
}

void PeeringManager::complete() {
  for (const std::string& interface : std::exchange(dirty_, {})) {
    const auto peer = peers_.find(interface);
    std::set<Addr> addresses;
    if (peer != peers_.end()) {
      for (const Family family : peer->second) {
        if (const auto own = own_.find(family); own != own_.end()) {
          addresses.insert(own->second);
        } else if (told_.insert(family).second) {
          log::warning(kDomain, "workloads are BGP peers, but this node has no address for them to talk to",
                       {{"interface", interface},
                        {"next", std::string{"set localWorkloadPeeringIPV"} + digit(family) + " in BGPConfiguration default"}});
        }
      }
    }
    addresses_.want(interface, std::move(addresses));
    for (const auto& plane : planes_) plane->routes.spare_bird(interface, peer != peers_.end());
  }
}

}  // namespace margay::dataplane
