// What this node's BIRD is to be, as plain values: what the view makes of resources, and the renderer of these makes text.
//
//   Update → Inputs (resources by kind) → view parts: sessions, services, blocks, pools → Router → render → files
//
// Vocabulary. ELAS (effective local AS): the session's own local AS, else the node's. Internal: remote AS equals ELAS. Priority:
// a Linux route metric, low is better; carried in BGP as local preference kMaxPriority − priority.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/model/resources.hpp"

namespace margay::bgp {

inline constexpr std::uint32_t kMaxPriority = 2147483647;
inline constexpr std::uint32_t kDefaultAs = 64512;

[[nodiscard]] inline bool is_link_local(const Addr& a) noexcept {  // fe80::/10
  return a.family == Family::V6 && a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80;
}

// What a password can be. BIRD's strings have no escapes: a quote would end one, and what follows be read as configuration. TCP
// takes a key of 80 bytes (TCP_MD5SIG_MAXKEYLEN); a longer one makes a session that never comes up.
inline constexpr std::size_t kMaxPassword = 80;
[[nodiscard]] inline bool password_byte(char c) noexcept {
  return c != '"' && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
}

// One BGP session: of one family's routes, or over link-local addresses of both.
struct Session {
  enum class Origin : std::uint8_t { Mesh, Global, Node, LocalWorkload };
  enum class NextHop : std::uint8_t { Auto, Self, Keep };

  // BIRD's protocol name: Mesh_, Global_, Node_, Local_Workload_ + address with '_' for '.' and ':' (+ _port_<n>); unique, at
  // most 60 characters, and derived from nothing that may change while the session stays the same.
  std::string name;
  Origin origin = Origin::Mesh;
  Key owner;                          // BGPPeer, or BGPConfiguration default for the mesh: whom an error is told to
  std::string description;            // for people: "node worker-2", "BGPPeer rack1-tor"
  Family family = Family::V4;         // of the addresses
  std::optional<Addr> peer;           // absent: unnumbered, whoever answers on `interface`
  std::string interface;              // for a link-local peer or an unnumbered one
  std::optional<std::uint16_t> port;  // of the peer; absent: 179
  std::uint32_t remote_as = 0;        // 0: any external one (unnumbered only)
  std::uint32_t local_as = 0;         // ELAS
  std::optional<Addr> source;         // own address to bind to
  bool passive = false;
  std::optional<std::uint8_t> ttl_hops;                       // GTSM with this many hops
  std::optional<std::uint32_t> restart_time, keepalive_time;  // seconds
  std::string password;                                       // checked: password_byte, kMaxPassword; empty: none
  std::optional<Addr> cluster_id;                             // the peer is our route-reflector client
  NextHop next_hop = NextHop::Auto;
  std::uint8_t allowed_local_as = 0;
  std::vector<Symbol> filters;  // those that exist, in order
  BgpPeerExtensions extensions;

  [[nodiscard]] bool internal() const noexcept { return remote_as == local_as; }
  // Over an interface's link-local addresses: there is one such session for both families (RFC 8950).
  [[nodiscard]] bool on_interface() const noexcept { return !peer || is_link_local(*peer); }
  [[nodiscard]] bool carries(Family routes) const noexcept { return routes == family || on_interface(); }
  friend bool operator==(const Session&, const Session&) = default;
};

struct StaticRoute {
  enum class Reason : std::uint8_t { Block, Service, Reachable };
  Cidr net;
  std::optional<Addr> via;  // absent: blackhole
  Reason reason = Reason::Block;
  Key owner;
  friend bool operator==(const StaticRoute&, const StaticRoute&) = default;
};

// What one pool means to export and to the kernel (specification §1.6, §1.8).
struct PoolRule {
  enum class Kernel : std::uint8_t {
    Program,       // BIRD writes the routes
    Reject,        // felix does, or nobody
    Tunnel,        // IPIP Always: through tunl0
    TunnelOffLink  // IPIP CrossSubnet: directly if the next hop is on our subnet, else through tunl0
  };
  Cidr cidr;
  bool exported = true;  // false: disableBGPExport
  Kernel kernel = Kernel::Program;
  Key owner;
  friend bool operator==(const PoolRule&, const PoolRule&) = default;
};

struct FamilyView {
  std::optional<Addr> node_ip;  // absent: no session of this family
  std::optional<Cidr> subnet;   // of the node's address
  std::uint32_t normal_priority = 1024;
  std::uint32_t kernel_metric = 768;  // of routes BIRD writes: strictly between elevated (512) and normal
  std::vector<Cidr> blocks;           // own and confirmed: aggregated
  std::vector<StaticRoute> statics;   // sorted by net: blackholes of blocks and services, routes to peers
  std::vector<Cidr> services;         // service routes that this node advertises now, sorted
  std::vector<Cidr> reflected;        // external and load balancer ranges that a route reflector passes on
  std::vector<Cidr> kernel_reject;    // advertised service ranges: never programmed when learned
  std::vector<PoolRule> pools;        // sorted by text
  std::vector<PrefixAdvertisement> communities;
  std::vector<Addr> wireguard_nodes;  // next hops whose routes WireGuard carries
  // Workloads whose policy is in the kernel; absent: not waited for. Host routes of others are held back.
  std::optional<std::vector<Cidr>> ready_workloads;
  friend bool operator==(const FamilyView&, const FamilyView&) = default;
};

struct Router {
  enum class LogLevel : std::uint8_t { Debug, Info, Quiet };
  std::string node;
  std::optional<Addr> router_id;  // IPv4
  std::optional<std::uint16_t> listen_port;
  bool bind_node_ip = false;
  LogLevel log_level = LogLevel::Info;
  std::vector<std::string> ignored_interfaces;
  std::optional<Addr> cluster_id;  // this node is a route reflector
  bool tunnel_routes = false;      // BIRD owns IPIP routes: tunl0 is no reason to reject
  bool draining = false;           // graceful-shutdown community on all that is exported
  std::array<FamilyView, 2> families;
  std::vector<Session> sessions;             // sorted by name
  std::map<Symbol, Ref<BgpFilter>> filters;  // those that sessions use
  friend bool operator==(const Router&, const Router&) = default;
};

// Something an operator should know: said once in the log, shown by `margayctl node status`.
struct Problem {
  Key owner;
  std::string text;  // what, where, what to do
  friend bool operator==(const Problem&, const Problem&) = default;
  friend auto operator<=>(const Problem&, const Problem&) = default;
};

}  // namespace margay::bgp
