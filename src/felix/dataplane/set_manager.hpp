// SetManager: the graph's sets, each as one kernel set a family.
#pragma once

#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"

namespace margay::dataplane {

class SetManager final : public Manager {
 public:
  SetManager(const Config& config, Planes& planes) : config_{config}, planes_{planes} {}
  void on_message(const calc::Message& message) override;
  void complete() override {}

 private:
  const Config& config_;
  Planes& planes_;
};

}  // namespace margay::dataplane
