// PoolManager: the sets that IP pools and nodes fill, and outgoing NAT.
#pragma once

#include <map>
#include <set>

#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"

namespace margay::dataplane {

class PoolManager final : public Manager {
 public:
  PoolManager(const Config& config, Planes& planes);
  void on_message(const calc::Message& message) override;
  void complete() override;

 private:
  void fill(Plane& plane, std::string_view id, const std::vector<Cidr>& nets);

  const Config& config_;
  Planes& planes_;
  std::map<Symbol, Ref<IpPool>> pools_;
  std::map<Symbol, calc::NodeUpdate> nodes_;
  std::map<std::string, kernel::SetSpec, std::less<>> fixed_;  // by set name: those the rules may name
  std::map<std::string, std::set<kernel::SetMember>, std::less<>> filled_;
  bool pools_dirty_ = true, nodes_dirty_ = true;
};

}  // namespace margay::dataplane
