// The resources of routing, decoded and validated: BGPConfiguration, BGPPeer, BGPFilter, BlockAffinity, Secret, CalicoNodeStatus.
// Rules and defaults: Calico's API; what a field means to BIRD is in src/bgp-config.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/symbol.hpp"
#include "margay/model/selector.hpp"

namespace margay {

// A key of a Secret, in the one namespace that BGP passwords live in.
struct SecretRef {
  std::string name, key;
  friend bool operator==(const SecretRef&, const SecretRef&) = default;
  friend auto operator<=>(const SecretRef&, const SecretRef&) = default;
};

// Standard "a:b" (16 bits each, RFC 1997) or large "a:b:c" (32 bits each, RFC 8092).
struct Community {
  bool large = false;
  std::array<std::uint32_t, 3> parts{};  // the third is 0 in a standard one

  [[nodiscard]] static std::optional<Community> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Community&, const Community&) = default;
  friend auto operator<=>(const Community&, const Community&) = default;
};

// Names are resolved: those of the same resource's `communities`; unknown ones are an error of the resource. Sorted by text, no
// duplicates.
struct PrefixAdvertisement {
  Cidr cidr;
  std::vector<Community> communities;
  friend bool operator==(const PrefixAdvertisement&, const PrefixAdvertisement&) = default;
};

// Who writes routes to remote workloads into the kernel: BIRD for pools without encapsulation, for IPIP ones, both or none.
enum class ClusterRoutes : std::uint8_t { EnabledNoEncapOnly, Enabled, EnabledIpipOnly, Disabled };

// "default", and "node.<node>" of which only prefix_advertisements, listen_port and log_severity are honoured.
struct BgpConfiguration {
  std::vector<Cidr> service_cluster_ips, service_external_ips, service_load_balancer_ips;
  bool load_balancer_aggregation = true;
  bool mesh = true;  // nodeToNodeMeshEnabled
  std::optional<std::uint32_t> as_number;
  std::optional<std::uint16_t> listen_port;
  bool bind_node_ip = false;  // bindMode: NodeIP
  std::string log_severity;   // as written; empty: not given
  std::optional<SecretRef> mesh_password;
  std::optional<std::uint32_t> mesh_restart_time;  // seconds
  std::vector<PrefixAdvertisement> prefix_advertisements;
  std::vector<std::string> ignored_interfaces;  // shell patterns
  std::optional<Addr> local_workload_peering_v4, local_workload_peering_v6;
  ClusterRoutes cluster_routes = ClusterRoutes::EnabledNoEncapOnly;
  std::array<std::optional<std::uint32_t>, 2> normal_priority;  // by Family; absent: 1024
  friend bool operator==(const BgpConfiguration&, const BgpConfiguration&) = default;
};

// Annotations bgp.margay.io/<name> of a BGPPeer: what Calico's resource has no field for. docs/guide/bgp.md has them all.
struct BgpPeerExtensions {
  enum class MaxPrefixAction : std::uint8_t { Warn, Block, Restart, Disable };
  bool bfd = false;                                     // bfd: "true"
  std::optional<std::uint32_t> bfd_min_rx, bfd_min_tx;  // milliseconds
  std::optional<std::uint32_t> bfd_multiplier;          // 1..255
  std::optional<std::uint32_t> hold_time;               // seconds; 0 or 3..65535
  std::optional<std::uint32_t> max_prefixes;            // import limit of the session
  MaxPrefixAction max_prefix_action = MaxPrefixAction::Restart;
  std::optional<std::uint32_t> long_lived_restart_time;  // seconds, RFC 9494
  // unnumbered: "<interface>". The peer is whoever answers on this interface's link-local addresses (peerIP must be absent), or
  // with a link-local peerIP the interface it is on. Next hops of IPv4 are IPv6 (RFC 8950).
  std::string interface;
  bool direct = false;  // direct: "true": on the same link, no multihop (single-hop BFD, next hops not recursive)
  friend bool operator==(const BgpPeerExtensions&, const BgpPeerExtensions&) = default;
};

struct BgpPeer {
  enum class NextHop : std::uint8_t { Auto, Self, Keep, KeepExternal };  // KeepExternal: keepOriginalNextHop

  std::string node;  // which local nodes: by name, by selector, or (both absent) all
  std::optional<Selector> node_selector;
  std::optional<Addr> peer_ip;
  std::optional<std::uint16_t> peer_port;
  std::optional<Selector> peer_selector, local_workload_selector;
  std::optional<std::uint32_t> as_number, local_as_number;
  NextHop next_hop = NextHop::Auto;
  bool source_node_ip = true;  // sourceAddress: UseNodeIP
  std::optional<SecretRef> password;
  std::optional<std::uint32_t> restart_time, keepalive_time;  // seconds
  std::uint8_t allowed_local_as = 0;                          // numAllowedLocalASNumbers
  std::optional<std::uint8_t> ttl_hops;                       // ttlSecurity
  std::optional<Addr> reachable_by;
  std::vector<Symbol> filters;
  bool reverse_peering = true;  // reversePeering: Auto
  BgpPeerExtensions extensions;
  friend bool operator==(const BgpPeer&, const BgpPeer&) = default;
};

struct BgpFilterRule {
  enum class Match : std::uint8_t { In, NotIn, Equal, NotEqual };
  struct AddCommunity {
    Community community;
    friend bool operator==(const AddCommunity&, const AddCommunity&) = default;
  };
  struct PrependAsPath {
    std::vector<std::uint32_t> prefix;  // in the order of the resulting path
    friend bool operator==(const PrependAsPath&, const PrependAsPath&) = default;
  };
  struct SetPriority {
    std::uint32_t priority = 0;
    friend bool operator==(const SetPriority&, const SetPriority&) = default;
  };
  using Operation = std::variant<AddCommunity, PrependAsPath, SetPriority>;

  std::optional<Cidr> cidr;
  Match match = Match::In;
  std::optional<std::uint8_t> min_length, max_length;  // prefixLength, as given
  bool from_remote_peers = false;                      // source: RemotePeers
  std::string interface;                               // shell pattern; empty: any
  std::optional<bool> external_peer;                   // peerType: eBGP true, iBGP false
  std::optional<Community> community;
  std::vector<std::uint32_t> as_path_prefix;
  std::optional<std::uint32_t> priority;
  std::vector<Operation> operations;
  bool accept = false;
  friend bool operator==(const BgpFilterRule&, const BgpFilterRule&) = default;
};

struct BgpFilter {
  std::array<std::vector<BgpFilterRule>, 2> import_rules, export_rules;  // by Family
  // The resource was never valid: the rules are one Reject in each list that it has (law 3).
  bool closed = false;
  friend bool operator==(const BgpFilter&, const BgpFilter&) = default;
};

// A block of addresses that a node holds. Key: the resource's name.
struct BlockAffinity {
  enum class State : std::uint8_t { Confirmed, Pending, PendingDeletion };  // "" is confirmed
  Symbol node;
  Cidr cidr;
  State state = State::Confirmed;
  bool of_host = true;  // type: host; a virtual one (load balancers) is no node's
  friend bool operator==(const BlockAffinity&, const BlockAffinity&) = default;
};

// Never shown, never logged, never in an equality message.
struct Secret {
  std::map<std::string, std::string> data;  // decoded
  friend bool operator==(const Secret&, const Secret&) = default;
};

struct CalicoNodeStatus {
  Symbol node;
  bool agent = false, bgp = false, routes = false;  // classes
  std::uint32_t update_period = 0;                  // seconds; 0: once for each change of the resource
  friend bool operator==(const CalicoNodeStatus&, const CalicoNodeStatus&) = default;
};

}  // namespace margay
