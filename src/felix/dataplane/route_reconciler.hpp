// RouteReconciler: the routes and neighbours of workloads of one family: what endpoints claim, which links are there, what the
// kernel has.
//
// An interface claims addresses; a claim becomes a wanted route while its link is up. Several links that claim one address: the
// one with the highest index has it (policy-rendering §7.7). A move is one replace, never a gap. Ours to remove are routes on
// workload interfaces that nobody claims (any protocol with RemoveExternalRoutes, else our own only); link-local and multicast
// prefixes and what the kernel itself makes stay, and BIRD's routes where the workload is a BGP peer. A route whose interface was
// first seen less than kGrace ago, and which was never ours, is left alone meanwhile: CNI adds routes before the datastore knows.
//
// Blackholes carry protocol 80 whatever the other routes carry, as in Calico; every blackhole with that protocol is ours.
// Protocol 80 and not DeviceRouteProtocol, since with that at `boot` an administrator's own blackholes would be taken for ours.
//
// The kernel tells of every foreign change (on_route), which is mended at the next apply; a refresh reads all back.
//
// Connections. An address that leaves its link for good (no claim left, or another link has it now) is reported once by
// take_departed(), for its conntrack entries to go after the new state is in force. A link that goes while the claim stays is not
// yet a departure; a different link that takes over is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dataplane/backoff.hpp"
#include "margay/base/delta_map.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

// One route of a table: the kernel tells them apart by destination and priority.
struct RouteKey {
  Cidr destination;
  std::uint32_t priority = 0;
  friend bool operator==(const RouteKey&, const RouteKey&) = default;
};

struct NeighbourKey {
  int link = 0;
  Addr address;
  friend bool operator==(const NeighbourKey&, const NeighbourKey&) = default;
};

}  // namespace margay::dataplane

template <>
struct std::hash<margay::dataplane::RouteKey> {
  std::size_t operator()(const margay::dataplane::RouteKey& k) const noexcept {
    return std::hash<margay::Cidr>{}(k.destination) ^ (k.priority * 0x9e3779b97f4a7c15ULL);
  }
};
template <>
struct std::hash<margay::dataplane::NeighbourKey> {
  std::size_t operator()(const margay::dataplane::NeighbourKey& k) const noexcept {
    return std::hash<margay::Addr>{}(k.address) ^ (static_cast<std::size_t>(k.link) * 0x9e3779b97f4a7c15ULL);
  }
};

namespace margay::dataplane {

class RouteReconciler {
 public:
  struct Options {
    std::vector<std::string> interface_prefixes{"cali"};
    std::uint8_t protocol = 80;                   // DeviceRouteProtocol
    std::uint32_t priority = 1024;                // IPv4NormalRoutePriority, IPv6…
    std::optional<Addr> source;                   // DeviceRouteSourceAddress, …IPv6
    bool remove_external = true;                  // RemoveExternalRoutes
    bool disabled = false;                        // RouteSyncDisabled: routes are left alone, neighbours too
    Duration refresh = std::chrono::seconds{90};  // RouteRefreshInterval; zero: never
    Duration grace = std::chrono::seconds{10};
  };

  RouteReconciler(Family family, kernel::Routes& port, Options options)
      : family_{family}, port_{port}, options_{std::move(options)} {}

  // ---- wanted
  // Everything this interface claims; replaces what it claimed. Neighbours are permanent entries towards `mac` (IPv4).
  void claim(const std::string& interface, const std::vector<Cidr>& destinations, const std::optional<Mac>& mac);
  void unclaim(const std::string& interface) { claim(interface, {}, std::nullopt); }

  // Blackholes for these prefixes, of both families (the other one's are passed over); replaces the last list.
  void want_blackholes(const std::vector<Cidr>& prefixes);

  // Routes that BIRD has learnt over this interface are left alone: its workload is a BGP peer.
  void spare_bird(const std::string& interface, bool spare);

  // ---- events
  void on_link(const kernel::Link& link, bool removed, TimePoint now);
  // An IPv4 address left this link. With the last one the kernel takes the link's routes and neighbours, permanent ones too, and
  // tells of none.
  void on_address_gone(int link);
  // True if there is something to do about it.
  bool on_route(const kernel::Route& route, bool removed);
  void invalidate() { stale_ = true; }

  // ---- the world
  [[nodiscard]] bool pending() const;
  bool apply(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  // Addresses whose connections are to be forgotten now that apply() is through.
  [[nodiscard]] std::vector<Addr> take_departed();
  Status cleanup();

  // ---- for status, rendering and tests
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // What each interface claims, whether its link is there or not: interface, destination.
  [[nodiscard]] std::vector<std::pair<std::string, Cidr>> claims() const;
  [[nodiscard]] const std::set<Cidr>& blackholes() const { return blackholes_; }
  // Every route that this interface's claims ask for, and has won, is in the kernel.
  [[nodiscard]] bool in_force(const std::string& interface) const;
  [[nodiscard]] std::size_t size() const { return routes_.wanted().size(); }
  [[nodiscard]] const kernel::Route* find_wanted(const Cidr& destination) const {
    return routes_.find_wanted({destination, options_.priority});
  }

 private:
  struct Interface {
    std::vector<Cidr> destinations;
    std::optional<Mac> mac;
    int link = 0;  // 0: not there
    bool up = false;
  };
  struct LinkState {
    std::string name;
    TimePoint first_seen;
  };

  [[nodiscard]] bool is_workload(const std::string& name) const;
  [[nodiscard]] bool is_spared(const kernel::Route& route) const;
  [[nodiscard]] bool may_remove(const kernel::Route& route) const;
  void choose(const Cidr& destination);
  void depart_unclaimed();
  void want_neighbours(const Interface& interface);
  void see(const kernel::Route& route);
  void forget_link(int link);
  Status read(TimePoint now);
  Status read_neighbours(int link);
  bool apply_routes(TimePoint now);
  bool apply_neighbours();

  Family family_;
  kernel::Routes& port_;
  Options options_;

  std::unordered_map<std::string, Interface> interfaces_;  // those that claim
  std::unordered_map<Cidr, std::set<std::string>> claimants_;
  std::set<Cidr> blackholes_;
  std::unordered_set<std::string> bird_interfaces_;
  std::unordered_map<int, LinkState> links_;                       // workload links only
  std::unordered_map<std::string, std::pair<int, bool>> by_name_;  // index and whether up

  DeltaMap<RouteKey, kernel::Route> routes_;
  std::vector<kernel::Route> extra_;  // seen beside another of the same key: to be removed
  DeltaMap<NeighbourKey, std::array<std::uint8_t, 6>> neighbours_;
  std::set<int> unread_links_;             // whose neighbours are not known
  std::unordered_map<Cidr, int> holders_;  // link that last had the address in force
  std::unordered_set<Cidr> leaving_;       // held, and claimed by nobody when last looked at
  std::unordered_set<Addr> departed_;      // once the next apply is through
  bool stale_ = true;
  std::optional<TimePoint> refresh_due_, grace_due_;
  Backoff backoff_{std::chrono::milliseconds{100}, std::chrono::seconds{10}};
  std::optional<Error> error_;
};

}  // namespace margay::dataplane
