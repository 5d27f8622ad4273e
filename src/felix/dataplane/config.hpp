// What the dataplane depends on beside the rules' configuration: timers, routes, host settings. A change restarts the daemon.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/backoff.hpp"
#include "margay/base/ip.hpp"
#include "rules/config.hpp"

namespace margay::dataplane {

struct Config {
  rules::Config rules;
  Duration iptables_refresh = std::chrono::seconds{180};  // IptablesRefreshInterval; zero: never (so too the next two)
  Duration ipsets_refresh = std::chrono::seconds{90};     // IpsetsRefreshInterval
  Duration route_refresh = std::chrono::seconds{90};      // RouteRefreshInterval
  Duration drift_interval = std::chrono::seconds{1};      // looking at the tables' shapes
  std::uint8_t route_protocol = 80;                       // DeviceRouteProtocol
  std::uint32_t route_priority_v4 = 1024, route_priority_v6 = 1024;
  std::optional<Addr> route_source_v4, route_source_v6;  // DeviceRouteSourceAddress, …IPv6
  bool remove_external_routes = true;                    // RemoveExternalRoutes
  bool route_sync_disabled = false;                      // RouteSyncDisabled
  bool ip_forwarding = true;                             // IPForwarding
};

}  // namespace margay::dataplane
