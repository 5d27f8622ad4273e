// Names of sessions: BIRD's protocol names, made of what the session is known by and of nothing else.
#pragma once

#include "router.hpp"

namespace margay::bgp::view {

inline constexpr std::size_t kMaxSessionName = 60;

// Mesh_10_0_0_2; Node_fe80__1_eth0; Global_10_0_0_1_port_166; Global_eth0_1c9fe0c4 (unnumbered). `written_port`: the one in
// peerIP, 0 if none is: a port that comes from a listenPort may change while the session is still the same one.
[[nodiscard]] std::string session_name(Session::Origin origin, const std::optional<Addr>& peer, std::string_view interface,
                                       std::uint16_t written_port);

}  // namespace margay::bgp::view
