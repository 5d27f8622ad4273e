// PeeringManager: workloads that are BGP peers of this node: an address to talk to on their interfaces, and BIRD's routes over
// them left alone.
//
// The addresses are localWorkloadPeeringIPV4 and IPV6 of BGPConfiguration "default". A workload is given those of the families it
// has addresses of: in others there is no session. Without the setting it is given none, which is told once.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>

#include "dataplane/address_reconciler.hpp"
#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"

namespace margay::dataplane {

class PeeringManager final : public Manager {
 public:
  PeeringManager(Planes& planes, AddressReconciler& addresses) : planes_{planes}, addresses_{addresses} {}

  // The addresses of the workload on this interface if it is a BGP peer; none: it is not.
  void set_peer(const std::string& interface, const std::vector<Cidr>& nets);
  void on_message(const calc::Message& message) override;
  void complete() override;

 private:
  Planes& planes_;
  AddressReconciler& addresses_;
  std::map<Family, Addr> own_;
  std::map<std::string, std::set<Family>> peers_;  // by interface
  std::set<std::string> dirty_;
  std::set<Family> told_;
};

}  // namespace margay::dataplane
