#include "peering.hpp"

#include <fmt/format.h>

#include "passwords.hpp"

namespace margay::bgp::view {

namespace {

using Class = Rank::Class;

Session::NextHop next_hop(BgpPeer::NextHop mode, bool internal) {
  switch (mode) {
    case BgpPeer::NextHop::Self: return Session::NextHop::Self;
    case BgpPeer::NextHop::Keep: return Session::NextHop::Keep;
    case BgpPeer::NextHop::KeepExternal: return internal ? Session::NextHop::Auto : Session::NextHop::Keep;
    case BgpPeer::NextHop::Auto: break;
  }
  return Session::NextHop::Auto;
}

// Both ends follow this rule, so exactly one dials. A comparison of texts, because Calico's nodes compare texts.
bool waits(const Addr& peer, const Addr& own) { return peer.to_string() > own.to_string(); }

}  // namespace

bool Peering::selects(const BgpPeer& peer, const Symbol& node, const Labels& labels) const {
  if (!peer.node.empty()) return node == std::string_view{peer.node};
  return !peer.node_selector || peer.node_selector->matches(labels);
}

std::optional<std::uint16_t> Peering::port_of(const Symbol& node) const {
  const auto own = inputs_.configuration_of_node(node).listen_port;
  return own ? unless_default(own) : context_.cluster_port;
}

// The node of Calico's that listens on an address; one of another AS is somebody else's speaker on that machine.
const Symbol* Peering::node_at(const Addr& addr, std::uint32_t as_number) const {
  const auto at = inputs_.nodes_by_address.find(addr);
  if (at == inputs_.nodes_by_address.end()) return nullptr;
  for (const Symbol& name : at->second)
    if (as_of(*inputs_.nodes.at(name)) == as_number) return &name;
  return nullptr;
}

bool Peering::is_target(const BgpPeer& peer) const {
  if (peer.peer_selector) return peer.peer_selector->matches(context_.labels);
  if (!peer.peer_ip || context_.node_ip[index(peer.peer_ip->family)] != peer.peer_ip) return false;
  return peer.as_number.value_or(context_.cluster_as) == context_.as_number &&
         (!peer.peer_port || unless_default(peer.peer_port) == context_.listen_port);
}

Role Peering::role(const BgpPeer& peer) const {
  if (peer.local_workload_selector) return {true, false};  // felix has matched it; here it is only joined on its name
  return {selects(peer, context_.node, context_.labels), peer.reverse_peering && is_target(peer)};
}

std::optional<Addr> Peering::client_of(const Session& session, const std::string& cluster_id) const {
  if (!context_.cluster_id || !session.internal()) return std::nullopt;
  return Addr::parse(cluster_id) == context_.cluster_id ? std::nullopt : context_.cluster_id;
}

std::optional<Session> Peering::base(const Symbol& name, const BgpPeer& peer, Offers& out) const {
  Session session;
  session.owner = {Kind::BGPPeer, {}, name};
  session.description = fmt::format("BGPPeer {}", name.view());
  const auto problem = [&](std::string text) { out.problems.push_back({session.owner, std::move(text)}); };
  if (peer.password) {
    Password password = find_password(inputs_, options_, *peer.password);
    if (!password.problem.empty()) problem(std::move(password.problem));
    if (!password.usable) return std::nullopt;
    session.password = std::move(password.text);
  }
  for (const Symbol& filter : peer.filters) {
    if (inputs_.refusals({Kind::BGPFilter, {}, filter}) != 0) {
      problem(fmt::format("BGPFilter {} was refused by BIRD; sessions with it are left out", filter.view()));
      return std::nullopt;
    }
    const auto at = inputs_.filters.find(filter);
    if (at == inputs_.filters.end()) {
      problem(fmt::format("BGPFilter {} does not exist; it is passed over", filter.view()));
      continue;
    }
    if (at->second->closed)
      problem(
          fmt::format("BGPFilter {} was never valid; it rejects all routes in the directions it has rules for", filter.view()));
    session.filters.push_back(filter);
  }
  session.ttl_hops = peer.ttl_hops;
  session.restart_time = peer.restart_time;
  session.keepalive_time = peer.keepalive_time;
  session.extensions = peer.extensions;
  return session;
}

void Peering::set_as(Session& session, const BgpPeer& peer, std::uint32_t remote_as, std::uint32_t local_as) const {
  session.remote_as = remote_as;
  session.local_as = local_as;
  session.next_hop = next_hop(peer.next_hop, session.internal());
}

Offers Peering::mesh(const Symbol& node) const {
  Offers out;
  const auto at = inputs_.nodes.find(node);
  if (!context_.mesh || context_.cluster_id || node == context_.node || at == inputs_.nodes.end()) return out;
  const Node& other = *at->second;
  if (Addr::parse(other.route_reflector_cluster_id)) return out;
  Session session;
  session.origin = Session::Origin::Mesh;
  session.owner = kDefaultConfiguration;
  session.description = fmt::format("node {}", node.view());
  if (context_.mesh_password) {
    Password password = find_password(inputs_, options_, *context_.mesh_password);
    if (!password.problem.empty()) out.problems.push_back({session.owner, std::move(password.problem)});
    if (!password.usable) return out;
    session.password = std::move(password.text);
  }
  session.restart_time = context_.mesh_restart_time;
  session.remote_as = as_of(other);
  session.local_as = context_.as_number;
  session.port = port_of(node);
  for (const Family family : kFamilies) {
    const auto& own = context_.node_ip[index(family)];
    const auto& theirs = address(other, family);
    if (!own || !theirs || *own == *theirs) continue;
    Offer offer{{*theirs, {}}, {Class::Mesh, {}, node}, session, 0};
    offer.session.family = family;
    offer.session.peer = offer.place.addr;
    offer.session.source = own;
    offer.session.passive = waits(*theirs, *own);
    out.offers.push_back(std::move(offer));
  }
  return out;
}

Offers Peering::address_peer(const Symbol& name, const BgpPeer& peer) const {
  Offers out;
  const std::string& interface = peer.extensions.interface;
  if (!peer.peer_ip && interface.empty()) return out;  // decoding allows a BGPPeer that names no peer
  const Family family = peer.peer_ip ? peer.peer_ip->family : Family::V6;
  const bool link_local = !peer.peer_ip || is_link_local(*peer.peer_ip);
  const auto& own = context_.node_ip[index(family)];
  // A link's own addresses need none of the node's.
  if (!link_local && (!own || *own == *peer.peer_ip)) return out;
  auto session = base(name, peer, out);
  if (!session) return out;
  const bool global = peer.node.empty() && !peer.node_selector;
  session->origin = global ? Session::Origin::Global : Session::Origin::Node;
  session->family = family;
  session->peer = peer.peer_ip;
  session->interface = interface;
  session->port = unless_default(peer.peer_port);
  session->allowed_local_as = peer.allowed_local_as;
  if (!link_local && peer.source_node_ip) session->source = own;
  // Without an AS number it is the cluster's; only an unnumbered peer may be of any.
  set_as(*session, peer, peer.as_number.value_or(peer.peer_ip ? context_.cluster_as : 0),
         peer.local_as_number.value_or(context_.as_number));
  session->cluster_id = client_of(*session, {});
  if (peer.peer_ip && !link_local) {
    if (const Symbol* node = node_at(*peer.peer_ip, session->remote_as)) {
      if (!peer.peer_port) session->port = port_of(*node);
      session->passive = global && waits(*peer.peer_ip, *own);
    }
    if (peer.reachable_by)
      out.reachable = StaticRoute{Cidr{*peer.peer_ip}, peer.reachable_by, StaticRoute::Reason::Reachable, session->owner};
  }
  const Class of = global ? Class::Global : Class::Node;
  out.offers.push_back({{peer.peer_ip, interface}, {of, name, {}}, *std::move(session), peer.peer_port.value_or(0)});
  return out;
}

Offers Peering::node_peer(const Symbol& name, const BgpPeer& peer, Role role, const Symbol& node) const {
  Offers out;
  const auto at = inputs_.nodes.find(node);
  if (node == context_.node || at == inputs_.nodes.end()) return out;
  const Node& other = *at->second;
  const bool forward = role.forward && peer.peer_selector && peer.peer_selector->matches(other.labels);
  const bool reverse = !forward && role.reverse && selects(peer, node, other.labels);
  if (!forward && !reverse) return out;
  auto session = base(name, peer, out);
  if (!session) return out;
  const bool global = forward && peer.node.empty() && !peer.node_selector;
  session->origin = global ? Session::Origin::Global : Session::Origin::Node;
  session->description = fmt::format("node {} (BGPPeer {})", node.view(), name.view());
  session->port = port_of(node);
  session->extensions.interface.clear();
  // The other end of a session with a local AS sees that one.
  const bool disguised = reverse && peer.peer_ip && peer.local_as_number;
  set_as(*session, peer, disguised ? *peer.local_as_number : as_of(other), context_.as_number);
  session->cluster_id = client_of(*session, other.route_reflector_cluster_id);
  const Class of = reverse ? Class::Reverse : global ? Class::Global : Class::Node;
  for (const Family family : kFamilies) {
    if (reverse && peer.peer_ip && peer.peer_ip->family != family) continue;
    const auto& own = context_.node_ip[index(family)];
    const auto& theirs = address(other, family);
    if (!own || !theirs || *own == *theirs) continue;
    Offer offer{{*theirs, {}}, {of, name, node}, *session, 0};
    offer.session.family = family;
    offer.session.peer = offer.place.addr;
    if (peer.source_node_ip) offer.session.source = own;
    out.offers.push_back(std::move(offer));
  }
  return out;
}

Offers Peering::workload_peers(const Symbol& name, const BgpPeer& peer) const {
  Offers out;
  std::optional<Session> session;
  for (const WorkloadStatus& workload : inputs_.workloads) {
    if (name != std::string_view{workload.bgp_peer}) continue;
    if (!session) {
      session = base(name, peer, out);
      if (!session) return out;
      session->origin = Session::Origin::LocalWorkload;
      session->passive = true;
      session->allowed_local_as = peer.allowed_local_as;
      set_as(*session, peer, peer.as_number.value_or(context_.cluster_as), peer.local_as_number.value_or(context_.as_number));
      session->cluster_id = client_of(*session, {});
      session->extensions.interface.clear();
    }
    std::array<bool, 2> seen{};
    for (const Cidr& net : workload.nets) {  // the first one of each family
      const Family family = net.family();
      if (is_link_local(net.addr) || net.addr == Addr{family, {}}) continue;  // nobody's, or no one's without an interface
      if (std::exchange(seen[index(family)], true) || !context_.node_ip[index(family)]) continue;
      Offer offer{{net.addr, {}}, {Class::Workload, name, workload.interface}, *session, 0};
      offer.session.family = family;
      offer.session.peer = net.addr;
      offer.session.source = context_.workloads_dial[index(family)];
      offer.session.description = fmt::format("workload on {} (BGPPeer {})", workload.interface, name.view());
      out.offers.push_back(std::move(offer));
    }
  }
  return out;
}

}  // namespace margay::bgp::view
