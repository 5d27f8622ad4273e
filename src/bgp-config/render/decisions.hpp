// What is decided the same way for every session of a family: what is sent, what is taken, and what goes to the kernel.
#pragma once

#include <cstdint>

#include "text.hpp"

namespace margay::bgp {

// BIRD's preference decides between a local workload, what BGP says and what lies in the kernel; the metric of kernel routes is
// the same for all of them (decision 0220).
inline constexpr unsigned kElevatedKernel = 230, kElevatedBgp = 220, kStatic = 200, kKernel = 150, kNormalBgp = 100;
inline constexpr unsigned kAgentTunnel = 10;    // what felix tunnels: BGP's own route to the same net is the one to pass on
inline constexpr unsigned kServiceRoute = 250;  // above "direct" (240): a service address on an interface of ours is a service

// Functions margay_received<4|6>() and margay_tunnel<4|6>(), before import filters; margay_send<4|6>(), before export filters,
// and margay_export<4|6>(same_as), after them; filters margay_from_kernel<4|6> and margay_to_kernel<4|6>.
void render_decisions(Lines& out, const Router& router, Family family);

// Whether sessions that advertise this service know it by a mark on its route and not by a list of nets: a list would make BIRD
// send every session everything again whenever a service comes or goes.
[[nodiscard]] bool marked(const StaticRoute& route) noexcept;

}  // namespace margay::bgp
