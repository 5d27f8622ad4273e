// Sessions: keeps the list of sessions up to date. A source (a BGPPeer, a pair of BGPPeer and node, a node of the mesh) offers
// sessions for places; of the offers for one place the best one is taken. A change costs its sources and their places.
#pragma once

#include "peering.hpp"

namespace margay::bgp::view {

class Sessions {
 public:
  Sessions(const Inputs& inputs, const ViewOptions& options) : inputs_{inputs}, options_{options} {}

  // Nets of routes to peers that may be others now; see route_to.
  std::set<Cidr> update(const SessionContext& context, const Dirt& dirt, std::vector<Session>& list);

  // BGPFilters in use, with the number of sessions.
  [[nodiscard]] const std::map<Symbol, unsigned>& filters() const noexcept { return filter_uses_; }
  [[nodiscard]] std::optional<StaticRoute> route_to(const Cidr& peer) const;
  void append_problems(std::vector<Problem>& out) const;

 private:
  struct Source {
    Symbol peer, node;  // no peer: the mesh; no node: all that is not by node
    friend auto operator<=>(const Source&, const Source&) = default;
  };
  struct Held {
    Role role;
    std::optional<Addr> addr;  // its own
  };
  struct Given {
    std::vector<std::pair<Place, Rank>> offers;
    std::vector<Problem> problems;
    std::optional<Cidr> reachable;
  };
  struct Taken {
    std::string name;
    std::vector<Symbol> filters;
  };
  struct Contest {
    std::map<Rank, Offer> offers;
    std::vector<Taken> taken;
    std::vector<Problem> problems;
  };

  void restart();
  void add_other_roles(std::set<Symbol>& again) const;
  void drop_peer(const Symbol& name);
  void add_peer(const Symbol& name);
  void refresh_node(const Symbol& name, const Ref<Node>& before);
  void set(const Source& source, Offers offers);
  void decide(std::vector<Session>& list);
  [[nodiscard]] std::vector<const Offer*> winners(Contest& contest) const;

  const Inputs& inputs_;
  const ViewOptions& options_;
  std::optional<SessionContext> context_;
  std::map<Symbol, Held> held_;                  // BGPPeers that concern this node
  std::set<Symbol> by_node_;                     // those of them that pair with nodes
  std::map<Addr, std::set<Symbol>> by_address_;  // those with an address of their own
  std::map<Source, Given> sources_;
  std::map<Place, Contest> places_;
  std::map<Cidr, std::map<Symbol, StaticRoute>> reachable_;  // by BGPPeer: the first one's is used
  std::map<Symbol, unsigned> filter_uses_;
  std::set<Place> undecided_;
  std::set<Source> with_problems_;
  std::set<Place> contested_;  // places with problems
  std::set<Cidr> changed_reachable_;
};

}  // namespace margay::bgp::view
