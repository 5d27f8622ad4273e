// Peering: which sessions one resource asks for, by the rules of Calico (specification §1.5). Pure, one pair at a time; who wins
// where several ask for a session with one address is decided in sessions.
#pragma once

#include "globals.hpp"

namespace margay::bgp::view {

// Whom a session is with: an address, an interface, or both.
struct Place {
  std::optional<Addr> addr;
  std::string interface;
  friend bool operator==(const Place&, const Place&) = default;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// Of two offers for one place the lower one wins: classes in this order, then by the BGPPeer's name, then the node's.
struct Rank {
  enum class Class : std::uint8_t { Global, Node, Reverse, Workload, Mesh };
  Class of = Class::Global;
  Symbol peer, node;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};

struct Offer {
  Place place;
  Rank rank;
  Session session;  // without its name
  std::uint16_t written_port = 0;
};

struct Offers {
  std::vector<Offer> offers;
  std::vector<Problem> problems;
  std::optional<StaticRoute> reachable;  // the route to the peer (reachableBy)
};

// How a BGPPeer concerns this node.
struct Role {
  bool forward = false;  // this node is among those it gives sessions to
  bool reverse = false;  // this node is a peer of those (reversePeering)
  [[nodiscard]] bool any() const noexcept { return forward || reverse; }
  friend bool operator==(const Role&, const Role&) = default;
};

class Peering {
 public:
  Peering(const Inputs& inputs, const ViewOptions& options, const SessionContext& context)
      : inputs_{inputs}, options_{options}, context_{context} {}

  [[nodiscard]] Role role(const BgpPeer& peer) const;

  [[nodiscard]] Offers mesh(const Symbol& node) const;
  // Of a BGPPeer's own address or interface.
  [[nodiscard]] Offers address_peer(const Symbol& name, const BgpPeer& peer) const;
  // With one node: forward, by peerSelector, or reverse.
  [[nodiscard]] Offers node_peer(const Symbol& name, const BgpPeer& peer, Role role, const Symbol& node) const;
  [[nodiscard]] Offers workload_peers(const Symbol& name, const BgpPeer& peer) const;

 private:
  [[nodiscard]] bool selects(const BgpPeer& peer, const Symbol& node, const Labels& labels) const;
  [[nodiscard]] bool is_target(const BgpPeer& peer) const;
  [[nodiscard]] std::uint32_t as_of(const Node& node) const { return node.as_number.value_or(context_.cluster_as); }
  [[nodiscard]] std::optional<std::uint16_t> port_of(const Symbol& node) const;
  [[nodiscard]] const Symbol* node_at(const Addr& addr, std::uint32_t as_number) const;
  [[nodiscard]] std::optional<Addr> client_of(const Session& session, const std::string& cluster_id) const;
  // What all sessions of a BGPPeer have; none if it cannot be rendered.
  [[nodiscard]] std::optional<Session> base(const Symbol& name, const BgpPeer& peer, Offers& out) const;
  void set_as(Session& session, const BgpPeer& peer, std::uint32_t remote_as, std::uint32_t local_as) const;

  const Inputs& inputs_;
  const ViewOptions& options_;
  const SessionContext& context_;
};

}  // namespace margay::bgp::view
