#include "dataplane/route_reconciler.hpp"

#include <algorithm>
#include <iterator>

namespace margay::dataplane {
namespace {

constexpr std::uint8_t kProtocolKernel = 2;      // RTPROT_KERNEL
constexpr std::uint8_t kProtocolBird = 12;       // RTPROT_BIRD
constexpr std::uint8_t kProtocolBlackhole = 80;  // of Calico's special routes

bool is_our_blackhole(const kernel::Route& route) {
  return route.type == kernel::Route::Type::Blackhole && route.protocol == kProtocolBlackhole;
}

bool is_kernels_own(const kernel::Route& route) {
  const auto& bytes = route.destination.addr.bytes;
  if (route.protocol == kProtocolKernel) return true;
  if (route.destination.family() != Family::V6 || route.destination.prefix == 0) return false;
  return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

}  // namespace

bool RouteReconciler::is_workload(const std::string& name) const {
  return std::any_of(options_.interface_prefixes.begin(), options_.interface_prefixes.end(),
                     [&](const auto& prefix) { return name.starts_with(prefix); });
}

// ---- wanted --------------------------------------------------------------------------------------------------------

void RouteReconciler::claim(const std::string& name, const std::vector<Cidr>& destinations, const std::optional<Mac>& mac) {
  std::vector<Cidr> wanted;
  for (const auto& d : destinations) {
    if (d.family() == family_) wanted.push_back(d);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  auto it = interfaces_.find(name);
  if (it == interfaces_.end()) {
    if (wanted.empty()) return;
    it = interfaces_.emplace(name, Interface{}).first;
    if (const auto link = by_name_.find(name); link != by_name_.end()) {
      it->second.link = link->second.first;
      it->second.up = link->second.second;
    }
  }
  Interface& interface = it->second;
  if (interface.destinations == wanted && interface.mac == mac) return;
  std::vector<Cidr> touched;
  std::set_symmetric_difference(interface.destinations.begin(), interface.destinations.end(), wanted.begin(), wanted.end(),
                                std::back_inserter(touched));
  for (const auto& d : interface.destinations) neighbours_.unwant({interface.link, d.addr});
  interface.destinations = wanted;
  interface.mac = mac;
  for (const auto& d : touched) {
    auto& claimants = claimants_[d];
    if (std::binary_search(wanted.begin(), wanted.end(), d)) claimants.insert(name);
    else claimants.erase(name);
  }
  want_neighbours(interface);
  if (wanted.empty()) interfaces_.erase(it);
  for (const auto& d : touched) choose(d);
}

// Decides which link, if any, has this destination; where none has, a blackhole may.
void RouteReconciler::choose(const Cidr& destination) {
  const auto claimants = claimants_.find(destination);
  int best = 0;
  if (claimants != claimants_.end()) {
    for (const auto& name : claimants->second) {
      const Interface& interface = interfaces_.at(name);
      if (interface.up) best = std::max(best, interface.link);
    }
    if (claimants->second.empty()) claimants_.erase(claimants);
  }
  const RouteKey key{destination, options_.priority};
  if (best != 0) {
    routes_.want(key, kernel::Route{.destination = destination,
                                    .link = best,
                                    .protocol = options_.protocol,
                                    .priority = options_.priority,
                                    .source = options_.source});
  } else if (blackholes_.count(destination)) {
    routes_.want(key, kernel::Route{.destination = destination,
                                    .type = kernel::Route::Type::Blackhole,
                                    .protocol = kProtocolBlackhole,
                                    .priority = options_.priority});
  } else {
    routes_.unwant(key);
  }
  // Claimed again before the next apply, it never left.
  if (holders_.count(destination) && !claimants_.count(destination)) leaving_.insert(destination);
}

void RouteReconciler::want_blackholes(const std::vector<Cidr>& prefixes) {
  std::set<Cidr> wanted;
  for (const Cidr& prefix : prefixes) {
    if (prefix.family() == family_) wanted.insert(prefix);
  }
  std::set<Cidr> changed;
  std::set_symmetric_difference(blackholes_.begin(), blackholes_.end(), wanted.begin(), wanted.end(),
                                std::inserter(changed, changed.end()));
  blackholes_ = std::move(wanted);
  for (const Cidr& prefix : changed) choose(prefix);
}

void RouteReconciler::spare_bird(const std::string& interface, bool spare) {
  const bool changed = spare ? bird_interfaces_.insert(interface).second : bird_interfaces_.erase(interface) > 0;
  if (changed) stale_ = true;  // what was passed over when last read may be ours to remove now
}

void RouteReconciler::depart_unclaimed() {
  for (const auto& destination : leaving_) {
    if (claimants_.count(destination) || holders_.erase(destination) == 0) continue;
    departed_.insert(destination.addr);
  }
  leaving_.clear();
}

void RouteReconciler::want_neighbours(const Interface& interface) {
  if (family_ != Family::V4 || !interface.up || !interface.mac) return;
  for (const auto& d : interface.destinations) {
    if (d.is_host()) neighbours_.want({interface.link, d.addr}, interface.mac->bytes);
  }
}

// ---- events --------------------------------------------------------------------------------------------------------

void RouteReconciler::forget_link(int link) {
  std::vector<RouteKey> routes;
  for (const auto& [key, route] : routes_.seen()) {
    if (route.link == link) routes.push_back(key);
  }
  for (const auto& key : routes) routes_.seen_gone(key);
  std::erase_if(extra_, [&](const auto& route) { return route.link == link; });
  std::vector<NeighbourKey> neighbours;
  for (const auto& [key, mac] : neighbours_.seen()) {
    if (key.link == link) neighbours.push_back(key);
  }
  for (const auto& key : neighbours) neighbours_.seen_gone(key);
}

void RouteReconciler::on_link(const kernel::Link& link, bool removed, TimePoint now) {
  if (!is_workload(link.name)) {
    // Renamed away from a workload's name.
    if (const auto it = links_.find(link.index); it != links_.end()) {
      const kernel::Link old{.index = link.index, .name = it->second.name, .up = false, .mac = {}};
      on_link(old, true, now);
    }
    return;
  }
  if (const auto it = links_.find(link.index); it != links_.end() && it->second.name != link.name) {
    const kernel::Link old{.index = link.index, .name = it->second.name, .up = false, .mac = {}};
    on_link(old, true, now);
  }
  const bool is_new = !removed && links_.emplace(link.index, LinkState{link.name, now}).second;
  const auto by_name = by_name_.find(link.name);
  const bool was_up = by_name != by_name_.end() && by_name->second == std::pair{link.index, true};
  if (removed) {
    links_.erase(link.index);
    unread_links_.erase(link.index);
    if (by_name != by_name_.end() && by_name->second.first != link.index) return;  // another has the name by now
    by_name_.erase(link.name);
  } else {
    by_name_[link.name] = {link.index, link.up};
  }
  const bool goes_down = removed || !link.up;
  // Going down for good or by order, the kernel drops a link's routes without a word; lacking only carrier it keeps them. So down
  // means "to be removed if there", and coming up means "not there".
  if (removed || (link.up && !was_up)) forget_link(link.index);
  if (is_new && family_ == Family::V4) unread_links_.insert(link.index);
  const auto it = interfaces_.find(link.name);
  if (it == interfaces_.end()) return;
  Interface& interface = it->second;
  if (interface.link != 0 && (interface.link != link.index || goes_down)) {
    for (const auto& d : interface.destinations) neighbours_.unwant({interface.link, d.addr});
  }
  interface.link = removed ? 0 : link.index;
  interface.up = !goes_down;
  want_neighbours(interface);
  for (const auto& d : std::vector<Cidr>{interface.destinations}) choose(d);
}

void RouteReconciler::on_address_gone(int link) {
  if (family_ != Family::V4 || !links_.count(link)) return;
  forget_link(link);
  unread_links_.insert(link);
  stale_ = true;
}

void RouteReconciler::see(const kernel::Route& route) {
  const RouteKey key{route.destination, route.priority};
  routes_.seen(key, route);
}

bool RouteReconciler::on_route(const kernel::Route& route, bool removed) {
  if (route.destination.family() != family_ || stale_) return stale_;
  const RouteKey key{route.destination, route.priority};
  const auto* have = routes_.find_seen(key);
  if (removed) {
    if (!have || have->link != route.link || have->protocol != route.protocol) return false;
    routes_.seen_gone(key);
    return !routes_.in_sync();
  }
  // A route added beside, or in place of, one we know: only reading tells which.
  if (have && have->link != route.link) stale_ = stale_ || routes_.find_wanted(key) != nullptr || links_.count(route.link) > 0;
  const auto* want = routes_.find_wanted(key);
  if (!want && !links_.count(route.link) && !is_our_blackhole(route)) return stale_;
  if (!want && is_spared(route)) return stale_;
  see(route);
  return stale_ || !routes_.in_sync();
}

// ---- the world -----------------------------------------------------------------------------------------------------

bool RouteReconciler::is_spared(const kernel::Route& route) const {
  if (route.protocol != kProtocolBird) return false;
  const auto link = links_.find(route.link);
  return link != links_.end() && bird_interfaces_.count(link->second.name) > 0;
}

bool RouteReconciler::may_remove(const kernel::Route& route) const {
  if (is_our_blackhole(route)) return true;
  if (is_spared(route)) return false;
  if (route.type != kernel::Route::Type::Unicast || is_kernels_own(route) || !links_.count(route.link)) return false;
  return options_.remove_external || route.protocol == options_.protocol;
}

Status RouteReconciler::read(TimePoint now) {
  auto all = port_.routes(family_);
  if (!all) return std::move(all).error().in("read");
  decltype(routes_)::Map seen;
  extra_.clear();
  for (auto& route : *all) {
    const RouteKey key{route.destination, route.priority};
    const auto* want = routes_.find_wanted(key);
    if (!want && !may_remove(route)) continue;
    const auto [it, first] = seen.emplace(key, route);
    if (first) continue;
    if (want && route == *want) std::swap(it->second, route);
    if (may_remove(route)) extra_.push_back(route);
  }
  for (const auto& [key, route] : seen) {
    if (links_.count(route.link)) holders_.try_emplace(key.destination, route.link);
  }
  routes_.replace_seen(std::move(seen));
  stale_ = false;
  if (options_.refresh > Duration::zero()) refresh_due_ = now + options_.refresh;
  return {};
}

bool RouteReconciler::apply_routes(TimePoint now) {
  if (stale_) {
    if (auto status = read(now); !status) {
      error_ = std::move(status).error();
      return false;
    }
  }
  depart_unclaimed();
  grace_due_.reset();
  std::vector<kernel::Route> remove = extra_, add;
  for (const auto& key : routes_.pending_deletes()) {
    const kernel::Route& route = *routes_.find_seen(key);
    if (!may_remove(route)) continue;
    if (route.type == kernel::Route::Type::Blackhole) {
      remove.push_back(route);
      continue;
    }
    const auto ends = links_.at(route.link).first_seen + options_.grace;
    const bool was_ours = departed_.count(key.destination.addr) > 0;
    if (!was_ours && now < ends && !claimants_.count(key.destination)) grace_due_ = earlier(grace_due_, ends);
    else remove.push_back(route);
  }
  for (const auto& key : routes_.pending_updates()) add.push_back(*routes_.find_wanted(key));
  if (remove.empty() && add.empty()) return true;
  const auto statuses = port_.apply(remove, add);
  MARGAY_ASSERT(statuses.size() == remove.size() + add.size());
  bool all = true;
  std::size_t i = 0;
  for (const auto& route : remove) {
    const Status& status = statuses[i++];
    if (!status && status.error().code != ErrorCode::NotFound) {
      error_ = status.error().in("remove " + route.destination.to_string());
      all = false;
      continue;
    }
    std::erase(extra_, route);
    const RouteKey key{route.destination, route.priority};
    if (const auto* seen = routes_.find_seen(key); seen && *seen == route) routes_.seen_gone(key);
    if (const auto holder = holders_.find(route.destination);
        holder != holders_.end() && holder->second == route.link && !claimants_.count(route.destination)) {
      if (route.destination.is_host()) departed_.insert(route.destination.addr);
      holders_.erase(holder);
    }
  }
  for (const auto& route : add) {
    const Status& status = statuses[i++];
    if (!status) {
      error_ = status.error().in("add " + route.destination.to_string());
      all = false;
      stale_ = true;
      continue;
    }
    see(route);
    if (route.type == kernel::Route::Type::Blackhole) continue;
    const auto [holder, fresh] = holders_.try_emplace(route.destination, route.link);
    if (!fresh && holder->second != route.link) {
      departed_.insert(route.destination.addr);
      holder->second = route.link;
    }
  }
  return all;
}

bool RouteReconciler::apply_neighbours() {
  bool all = true;
  for (const int link : std::set<int>{unread_links_}) {
    auto there = port_.neighbours(link);
    if (!there) {
      error_ = there.error().in("neighbours");
      all = false;
      continue;
    }
    for (const auto& n : *there) {
      if (n.address.family == family_) neighbours_.seen({link, n.address}, n.mac.bytes);
    }
    unread_links_.erase(link);
  }
  neighbours_.for_each_delete([&](const NeighbourKey& key) {
    const auto status = port_.remove_neighbour({key.link, key.address, Mac{*neighbours_.find_seen(key)}});
    if (status || status.error().code == ErrorCode::NotFound) return Applied::Yes;
    error_ = status.error();
    all = false;
    return Applied::No;
  });
  neighbours_.for_each_update([&](const NeighbourKey& key, const std::array<std::uint8_t, 6>& mac) {
    const auto status = port_.set_neighbour({key.link, key.address, Mac{mac}});
    if (status) return Applied::Yes;
    error_ = status.error();
    all = false;
    return Applied::No;
  });
  return all;
}

bool RouteReconciler::pending() const {
  if (options_.disabled) return false;
  return stale_ || !extra_.empty() || !routes_.pending_updates().empty() || !neighbours_.in_sync() || !unread_links_.empty() ||
         !departed_.empty() || !leaving_.empty();
}

bool RouteReconciler::apply(TimePoint now) {
  error_.reset();
  if (options_.disabled) return true;
  if (refresh_due_ && now >= *refresh_due_) {
    stale_ = true;
    for (const auto& [index, link] : links_) {
      if (family_ == Family::V4) unread_links_.insert(index);
    }
  }
  const bool routes = apply_routes(now);
  const bool neighbours = apply_neighbours();
  if (routes && neighbours) {
    backoff_.on_success();
    return true;
  }
  error_ = std::move(*error_).in(std::string{"routes v"} + digit(family_));
  backoff_.on_failure(now);
  return false;
}

std::vector<Addr> RouteReconciler::take_departed() {
  std::vector<Addr> out(departed_.begin(), departed_.end());
  departed_.clear();
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<TimePoint> RouteReconciler::next_wakeup() const {
  if (options_.disabled) return std::nullopt;
  auto due = earlier(refresh_due_, grace_due_);
  if (backoff_.failing()) due = earlier(due, backoff_.due());
  return due;
}

Status RouteReconciler::cleanup() {
  if (options_.disabled) return {};
  auto all = port_.routes(family_);
  if (!all) return std::move(all).error();
  std::vector<kernel::Route> remove;
  for (const auto& route : *all) {
    if ((links_.count(route.link) && route.protocol == options_.protocol) || is_our_blackhole(route)) remove.push_back(route);
  }
  Status result;
  for (const auto& status : port_.apply(remove, {})) {
    if (!status && status.error().code != ErrorCode::NotFound) result = status.error();
  }
  stale_ = true;
  return result;
}

// ---- looking -------------------------------------------------------------------------------------------------------

std::vector<std::pair<std::string, Cidr>> RouteReconciler::claims() const {
  std::vector<std::pair<std::string, Cidr>> out;
  for (const auto& [name, interface] : interfaces_) {
    for (const auto& d : interface.destinations) out.emplace_back(name, d);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool RouteReconciler::in_force(const std::string& name) const {
  if (options_.disabled) return true;
  const auto it = interfaces_.find(name);
  if (it == interfaces_.end()) return true;
  return std::all_of(it->second.destinations.begin(), it->second.destinations.end(), [&](const Cidr& d) {
    const RouteKey key{d, options_.priority};
    const auto* want = routes_.find_wanted(key);
    const auto* have = routes_.find_seen(key);
    return want && (want->link != it->second.link || (have && *have == *want));
  });
}

}  // namespace margay::dataplane
