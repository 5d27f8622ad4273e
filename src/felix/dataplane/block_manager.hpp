// BlockManager: a blackhole for each address block of this node, so that a packet to an address nobody has ends here instead of
// going back to the router that sent it.
#pragma once

#include "dataplane/manager.hpp"
#include "dataplane/plane.hpp"

namespace margay::dataplane {

class BlockManager final : public Manager {
 public:
  explicit BlockManager(Planes& planes) : planes_{planes} {}
  void on_message(const calc::Message& message) override {
    if (const auto* update = std::get_if<calc::BlocksUpdate>(&message))
      for (const auto& plane : planes_) plane->routes.want_blackholes(update->blocks);
  }
  void complete() override {}

 private:
  Planes& planes_;
};

}  // namespace margay::dataplane
