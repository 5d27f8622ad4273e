// ServiceManager: service-loop prevention, from the cluster's service CIDRs.
#pragma once

#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"

namespace margay::dataplane {

class ServiceManager final : public Manager {
 public:
  ServiceManager(const Config& config, Planes& planes) : config_{config}, planes_{planes} { complete(); }
  void on_message(const calc::Message& message) override;
  void complete() override;

 private:
  const Config& config_;
  Planes& planes_;
  std::vector<Cidr> cidrs_;
  bool dirty_ = true;
};

}  // namespace margay::dataplane
