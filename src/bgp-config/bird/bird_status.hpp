// What BIRD says of itself, as values: `show status`, `show protocols all`, `show route`. Pure parsing; driven by text, since
// codes change inside one reply (specification §4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bird.hpp"
#include "margay/base/ip.hpp"

namespace margay::bgp {

struct BirdStatus {
  std::string version, router_id, last_reboot, last_reconfiguration, server_time;  // as printed
  bool up = false;          // "Daemon is up and running", or reconfiguring; false: shutting down
  bool recovering = false;  // graceful restart
  std::string recovery;     // "Waiting for 2 channels…", for people
  friend bool operator==(const BirdStatus&, const BirdStatus&) = default;
};

struct ProtocolStatus {
  std::string name, type, table, state, since, info;  // type "BGP", state "up"/"start"/"down", info "Established"
  // Of BGP protocols:
  std::string bgp_state, last_error;  // "Established", "Connect" …; "Socket: Connection refused"
  std::optional<Addr> neighbor;
  std::string neighbor_interface;
  std::optional<std::uint32_t> neighbor_as, local_as;
  std::uint64_t imported = 0, exported = 0, filtered = 0, preferred = 0;  // of all its channels
  friend bool operator==(const ProtocolStatus&, const ProtocolStatus&) = default;
};

struct RouteStatus {
  Cidr net;
  std::string type;      // unicast, blackhole, unreachable
  std::string protocol;  // name of the protocol it came from
  bool primary = false;  // '*'
  struct Hop {
    std::optional<Addr> via;
    std::string interface;
    friend bool operator==(const Hop&, const Hop&) = default;
  };
  std::vector<Hop> hops;
  friend bool operator==(const RouteStatus&, const RouteStatus&) = default;
};

// Fails with what BIRD answered instead. The other two leave out what they do not understand: lists are for people and metrics.
[[nodiscard]] Result<BirdStatus> parse_status(const Reply& reply);
[[nodiscard]] std::vector<ProtocolStatus> parse_protocols(const Reply& reply);  // of `show protocols` and `show protocols all`
[[nodiscard]] std::vector<RouteStatus> parse_routes(const Reply& reply);

}  // namespace margay::bgp
