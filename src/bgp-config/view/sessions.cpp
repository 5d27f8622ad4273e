#include "sessions.hpp"

#include <fmt/format.h>

#include "session_names.hpp"
#include "sorted.hpp"

namespace margay::bgp::view {

std::set<Cidr> Sessions::update(const SessionContext& context, const Dirt& dirt, std::vector<Session>& list) {
  SessionContext same_labels = context;
  if (context_) same_labels.labels = context_->labels;
  if (context_ != same_labels) {
    context_ = context;
    restart();
  } else {
    std::set<Symbol> again = dirt.peers;
    if (context_->labels != context.labels) {
      context_->labels = context.labels;
      add_other_roles(again);
    }
    const auto add_if = [&](const auto& concerned) {
      for (const auto& [name, held] : held_)
        if (const auto at = inputs_.peers.find(name); at != inputs_.peers.end() && concerned(*at->second)) again.insert(name);
    };
    if (!dirt.filters.empty())
      add_if([&](const BgpPeer& peer) {
        return std::any_of(peer.filters.begin(), peer.filters.end(), [&](const Symbol& f) { return dirt.filters.contains(f); });
      });
    if (!dirt.secrets.empty())
      add_if([&](const BgpPeer& peer) { return peer.password && dirt.secrets.contains(peer.password->name); });
    if (dirt.workloads) add_if([](const BgpPeer& peer) { return peer.local_workload_selector.has_value(); });
    for (const Symbol& name : again) {
      drop_peer(name);
      add_peer(name);
    }
    const bool mesh_again = context_->mesh_password && dirt.secrets.contains(context_->mesh_password->name);
    if (mesh_again) {
      for (const auto& [name, node] : inputs_.nodes) set({{}, name}, Peering{inputs_, options_, *context_}.mesh(name));
    }
    for (const auto& [name, before] : dirt.nodes) refresh_node(name, before);
  }
  decide(list);
  return std::exchange(changed_reachable_, {});
}

void Sessions::restart() {
  const Peering peering{inputs_, options_, *context_};
  held_.clear();
  by_node_.clear();
  by_address_.clear();
  std::vector<Source> gone;
  for (const auto& [source, given] : sources_) gone.push_back(source);
  for (const Source& source : gone) set(source, {});
  for (const auto& [name, node] : inputs_.nodes) set({{}, name}, peering.mesh(name));
  for (const auto& [name, peer] : inputs_.peers) add_peer(name);
}

// The labels of this node say only which BGPPeers concern it, and how.
void Sessions::add_other_roles(std::set<Symbol>& again) const {
  const Peering peering{inputs_, options_, *context_};
  auto held = held_.begin();
  for (const auto& [name, peer] : inputs_.peers) {
    while (held != held_.end() && held->first < name) ++held;
    const bool known = held != held_.end() && held->first == name;
    if (peering.role(*peer) != (known ? held->second.role : Role{})) again.insert(name);
  }
}

void Sessions::drop_peer(const Symbol& name) {
  if (const auto held = held_.find(name); held != held_.end()) {
    if (const auto& addr = held->second.addr) {
      auto& there = by_address_[*addr];
      there.erase(name);
      if (there.empty()) by_address_.erase(*addr);
    }
    held_.erase(held);
  }
  by_node_.erase(name);
  for (auto at = sources_.lower_bound({name, {}}); at != sources_.end() && at->first.peer == name;) {
    const Source source = at->first;
    ++at;
    set(source, {});
  }
}

void Sessions::add_peer(const Symbol& name) {
  const auto at = inputs_.peers.find(name);
  if (at == inputs_.peers.end() || inputs_.refusals({Kind::BGPPeer, {}, name}) != 0) return;
  const BgpPeer& peer = *at->second;
  const Peering peering{inputs_, options_, *context_};
  const Role role = peering.role(peer);
  if (!role.any()) return;
  Held& held = held_[name];
  held.role = role;
  if (peer.local_workload_selector) return set({name, {}}, peering.workload_peers(name, peer));
  if (role.forward && !peer.peer_selector) {
    held.addr = peer.peer_ip;
    if (held.addr) by_address_[*held.addr].insert(name);
    set({name, {}}, peering.address_peer(name, peer));
  }
  if (role.reverse || peer.peer_selector) {
    by_node_.insert(name);
    for (const auto& [node, value] : inputs_.nodes) set({name, node}, peering.node_peer(name, peer, role, node));
  }
}

void Sessions::refresh_node(const Symbol& name, const Ref<Node>& before) {
  const Peering peering{inputs_, options_, *context_};
  set({{}, name}, peering.mesh(name));
  for (const Symbol& peer : by_node_)
    set({peer, name}, peering.node_peer(peer, *inputs_.peers.at(peer), held_.at(peer).role, name));
  // Whether a peer's address is a node's says which port it has and who dials.
  std::set<Addr> addresses;
  const auto now = inputs_.nodes.find(name);
  for (const Family family : kFamilies) {
    if (before && address(*before, family)) addresses.insert(*address(*before, family));
    if (now != inputs_.nodes.end() && address(*now->second, family)) addresses.insert(*address(*now->second, family));
  }
  for (const Addr& addr : addresses)
    if (const auto at = by_address_.find(addr); at != by_address_.end())
      for (const Symbol& peer : at->second) set({peer, {}}, peering.address_peer(peer, *inputs_.peers.at(peer)));
}

void Sessions::set(const Source& source, Offers offers) {
  const auto at = sources_.find(source);
  if (at != sources_.end()) {
    for (const auto& [place, rank] : at->second.offers) {
      places_[place].offers.erase(rank);
      undecided_.insert(place);
    }
    if (const auto& net = at->second.reachable) {
      auto& routes = reachable_[*net];
      routes.erase(source.peer);
      if (routes.empty()) reachable_.erase(*net);
      changed_reachable_.insert(*net);
    }
    with_problems_.erase(source);
    sources_.erase(at);
  }
  if (offers.offers.empty() && offers.problems.empty() && !offers.reachable) return;
  Given given;
  for (Offer& offer : offers.offers) {
    undecided_.insert(offer.place);
    given.offers.emplace_back(offer.place, offer.rank);
    places_[offer.place].offers.insert_or_assign(offer.rank, std::move(offer));
  }
  if (offers.reachable) {
    given.reachable = offers.reachable->net;
    changed_reachable_.insert(*given.reachable);
    reachable_[*given.reachable].insert_or_assign(source.peer, *std::move(offers.reachable));
  }
  given.problems = std::move(offers.problems);
  if (!given.problems.empty()) with_problems_.insert(source);
  sources_.emplace(source, std::move(given));
}

// Two sessions with one address must differ in the port that is dialled, and in the one that is written, which names them.
std::vector<const Offer*> Sessions::winners(Contest& contest) const {
  std::vector<const Offer*> out;
  contest.problems.clear();
  for (const auto& ranked : contest.offers) {
    const Rank& rank = ranked.first;
    const Offer& offer = ranked.second;
    const auto clash = std::find_if(out.begin(), out.end(), [&](const Offer* taken) {
      return taken->session.port == offer.session.port || taken->written_port == offer.written_port;
    });
    if (clash == out.end()) {
      out.push_back(&offer);
      continue;
    }
    // Two that name the same address by hand; of all others overlaps are usual and meant.
    const auto by_hand = [](const Rank& r) { return r.of <= Rank::Class::Node && r.node.empty(); };
    if (by_hand(rank) && by_hand((*clash)->rank))
      contest.problems.push_back(
          {offer.session.owner,
           fmt::format("is not used on this node: {} has a session with the same address{}", (*clash)->session.owner.to_string(),
                       rank.of != (*clash)->rank.of ? ", and one for all nodes goes before" : "")});
  }
  return out;
}

void Sessions::decide(std::vector<Session>& list) {
  std::map<std::string, const Offer*> names;  // null: no longer there
  std::vector<Place> empty;
  for (const Place& place : undecided_) {
    Contest& contest = places_[place];
    for (const Taken& was : contest.taken) {
      names.try_emplace(was.name, nullptr);
      for (const Symbol& filter : was.filters)
        if (const auto use = filter_uses_.find(filter); --use->second == 0) filter_uses_.erase(use);
    }
    contest.taken.clear();
    for (const Offer* offer : winners(contest)) {
      const Session& session = offer->session;
      std::string name = session_name(session.origin, session.peer, session.interface, offer->written_port);
      for (const Symbol& filter : session.filters) ++filter_uses_[filter];
      contest.taken.push_back({name, session.filters});
      names.insert_or_assign(std::move(name), offer);
    }
    if (contest.problems.empty()) contested_.erase(place);
    else contested_.insert(place);
    if (contest.offers.empty()) empty.push_back(place);
  }
  undecided_.clear();

  std::vector<std::string_view> changed;
  changed.reserve(names.size());
  for (const auto& [name, offer] : names) changed.push_back(name);
  patch_sorted(
      list, [](const Session& session) { return std::string_view{session.name}; }, changed,
      [&](std::string_view name) -> std::optional<Session> {
        const Offer* offer = names.at(std::string{name});
        if (offer == nullptr) return std::nullopt;
        Session session = offer->session;
        session.name = name;
        return session;
      });
  for (const Place& place : empty) places_.erase(place);
}

std::optional<StaticRoute> Sessions::route_to(const Cidr& peer) const {
  const auto at = reachable_.find(peer);
  return at == reachable_.end() ? std::nullopt : std::optional{at->second.begin()->second};
}

void Sessions::append_problems(std::vector<Problem>& out) const {
  const auto append = [&](const std::vector<Problem>& list) { out.insert(out.end(), list.begin(), list.end()); };
  for (const Source& source : with_problems_) append(sources_.at(source).problems);
  for (const Place& place : contested_) append(places_.at(place).problems);
}

}  // namespace margay::bgp::view
