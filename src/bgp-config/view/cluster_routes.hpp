// programClusterRoutes: felix and BIRD each have one, and only some pairs leave every route to one of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "margay/model/bgp.hpp"

namespace margay::bgp::view {

// What is wrong with the pair and what to do; none if it is one that Calico supports (specification §1.8). `felix`: as written in
// FelixConfiguration default; empty, or no value that is known: its default.
[[nodiscard]] std::optional<std::string> contradiction(ClusterRoutes bird, std::string_view felix);

}  // namespace margay::bgp::view
