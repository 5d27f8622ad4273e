#include "dataplane/dataplane.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dataplane/block_manager.hpp"
#include "dataplane/endpoint_manager.hpp"
#include "dataplane/peering_manager.hpp"
#include "dataplane/policy_manager.hpp"
#include "dataplane/pool_manager.hpp"
#include "dataplane/service_manager.hpp"
#include "dataplane/set_manager.hpp"
#include "rules/static_chains.hpp"

namespace margay::dataplane {
namespace {

constexpr std::array<const char*, std::variant_size_v<calc::Message>> kMessageNames{
    "SetUpdate",     "SetDelta",       "SetRemove",      "PolicyUpdate",       "PolicyRemove",       "ProfileUpdate",
    "ProfileRemove", "WorkloadUpdate", "WorkloadRemove", "HostEndpointUpdate", "HostEndpointRemove", "NodeUpdate",
    "NodeRemove",    "PoolUpdate",     "PoolRemove",     "ServiceCidrsUpdate", "BlocksUpdate",       "WorkloadPeeringUpdate",
    "InSync"};

}  // namespace

Dataplane::Dataplane(Config config, Ports ports)
    : config_{std::move(config)},
      ports_{ports},
      planes_{make_planes(config_, ports_)},
      sysctls_{config_, ports_.sysctls},
      addresses_{ports_.links, {.interface_prefixes = config_.rules.interface_prefixes, .refresh = config_.route_refresh}} {
  for (const auto& plane : planes_) {
    for (const auto table : kernel::kTables) {
      for (auto& chain : rules::static_chains(config_.rules, plane->family, table)) (*plane)[table].want(std::move(chain));
      (*plane)[table].set_hooks(rules::hooks(config_.rules, plane->family, table));
    }
  }
  // Every manager there is, in the order in which they complete: policies before the endpoints that group them.
  managers_.push_back(std::make_unique<SetManager>(config_, planes_));
  auto policies = std::make_unique<PolicyManager>(config_, planes_);
  policies_ = policies.get();
  managers_.push_back(std::move(policies));
  auto peering = std::make_unique<PeeringManager>(planes_, addresses_);
  auto endpoints = std::make_unique<EndpointManager>(config_, planes_, *policies_, sysctls_, *peering);
  endpoints_ = endpoints.get();
  managers_.push_back(std::move(endpoints));
  managers_.push_back(std::move(peering));
  managers_.push_back(std::make_unique<PoolManager>(config_, planes_));
  managers_.push_back(std::make_unique<ServiceManager>(config_, planes_));
  managers_.push_back(std::make_unique<BlockManager>(planes_));
}

Dataplane::~Dataplane() = default;

// ---- in ------------------------------------------------------------------------------------------------------------

void Dataplane::on_message(calc::Message message) {
  ++message_counts_[kMessageNames[message.index()]];
  dirty_ = true;
  if (std::holds_alternative<calc::InSync>(message)) {
    in_sync_ = true;
    return;
  }
  for (const auto& manager : managers_) manager->on_message(message);
}

void Dataplane::on_link(const kernel::Link& link, bool removed) {
  const auto it = links_.find(link.index);
  if (removed ? it == links_.end() : it != links_.end() && it->second == link) return;
  const bool renamed = it != links_.end() && it->second.name != link.name;
  if (renamed) {
    kernel::Link old = it->second;
    for (const auto& manager : managers_) manager->on_link(old, true);
  }
  if (removed) links_.erase(it);
  else links_[link.index] = link;
  for (const auto& manager : managers_) manager->on_link(link, removed);
  for (const auto& plane : planes_) plane->routes.on_link(link, removed, ports_.clock.now());
  addresses_.on_link(link, removed);
  dirty_ = true;
}

void Dataplane::on_event(const kernel::KernelEvent& event) {
  if (const auto* link = std::get_if<kernel::LinkEvent>(&event)) {
    on_link(link->link, link->removed);
  } else if (const auto* route = std::get_if<kernel::RouteEvent>(&event)) {
    for (const auto& plane : planes_) dirty_ |= plane->routes.on_route(route->route, route->removed);
  } else if (const auto* address = std::get_if<kernel::AddressEvent>(&event)) {
    dirty_ |= addresses_.on_address(address->address, address->removed);
    if (address->removed && address->address.address.family == Family::V4) {
      for (const auto& plane : planes_) plane->routes.on_address_gone(address->address.index);
      dirty_ = true;
    }
  } else if (std::holds_alternative<kernel::Lost>(event)) {
    on_events_lost();
  }
}

void Dataplane::on_events_lost() {
  links_stale_ = true;
  for (const auto& plane : planes_) plane->routes.invalidate();
  addresses_.invalidate();
  dirty_ = true;
}

Status Dataplane::read_links() {
  auto all = ports_.links.links();
  if (!all) return std::move(all).error().in("links");
  std::unordered_map<int, kernel::Link> now;
  for (auto& link : *all) now.emplace(link.index, link);
  std::vector<kernel::Link> gone;
  for (const auto& [index, link] : links_) {
    if (!now.count(index)) gone.push_back(link);
  }
  for (const auto& link : gone) on_link(link, true);
  for (const auto& link : *all) on_link(link, false);
  links_stale_ = false;
  return {};
}

// ---- out -----------------------------------------------------------------------------------------------------------

Status Dataplane::apply_closed_base() {
  if (completed_) return {};
  Status result;
  for (const auto& plane : planes_) {
    auto& filter = (*plane)[kernel::Table::Filter];
    const auto untouched = filter.untouched();
    if (!untouched) {
      result = untouched.error();
    } else if (*untouched && !filter.apply(ports_.clock.now())) {
      result = *filter.error();
    }
  }
  return result;
}

void Dataplane::complete() {
  for (const auto& manager : managers_) manager->complete();
  completed_ = true;
}

void Dataplane::pass_on_usability(Plane& plane) {
  for (const auto& [set, usable] : plane.sets.take_usability_changes()) {
    for (auto& table : plane.tables) table.set_usable(set, usable);
  }
}

bool Dataplane::apply_tables(Plane& plane, TimePoint now, Outcome& outcome) {
  bool all = true;
  for (auto& table : plane.tables) {
    // What opens must not go before what checks: anti-spoofing stands before filter lets the first packet through.
    if (table.table() == kernel::Table::Filter && !plane[kernel::Table::Raw].ever_programmed()) {
      all = false;
      continue;
    }
    const auto errors = table.counters().restore_errors;
    if (table.apply(now)) continue;
    all = false;
    outcome.failures.push_back({"table", *table.error()});
    outcome.fatal |= table.fatal(now);
    // A set may have been destroyed under us. (No new refusal: the table only waits for its next try.)
    const bool refused = table.counters().restore_errors != errors;
    if (refused && table.error()->code != ErrorCode::Busy && table.error()->code != ErrorCode::Conflict) plane.sets.invalidate();
  }
  return all;
}

Outcome Dataplane::apply() {
  Outcome outcome;
  const TimePoint now = ports_.clock.now();
  if (!in_sync_) return outcome;
  bool ok = true;
  if (links_stale_) {
    if (auto status = read_links(); status) {
      links_backoff_.on_success();
    } else {
      links_backoff_.on_failure(now);
      outcome.failures.push_back({"links", std::move(status).error()});
      ok = false;
      // Without a first snapshot nothing is touched; later on, what is known is better than nothing.
      if (!completed_) {
        ++failure_count_;
        return outcome;
      }
    }
  }
  outcome.applied = true;
  dirty_ = false;
  complete();

  for (const auto& plane : planes_) {
    const bool done = plane->sets.apply_updates(now);
    if (!done && plane->sets.error()) outcome.failures.push_back({"sets", *plane->sets.error()});
    for (auto& failure : plane->sets.failures()) {
      outcome.failures.push_back({"set " + failure.set, std::move(failure.error)});
      ok = false;
    }
    ok &= done;
    pass_on_usability(*plane);
  }
  bool tables_ok = true;
  for (const auto& plane : planes_) tables_ok &= apply_tables(*plane, now, outcome);
  ok &= tables_ok;
  // No way to a pod before there is a rule on it: neither routes nor forwarding until filter was programmed once.
  bool guarded = true;
  for (const auto& plane : planes_) guarded &= (*plane)[kernel::Table::Filter].ever_programmed();
  if (guarded && !addresses_.apply(now)) {
    ok = false;
    outcome.failures.push_back({"addresses", *addresses_.error()});
  }
  for (const int link : addresses_.take_bared()) {
    for (const auto& plane : planes_) plane->routes.on_address_gone(link);
  }
  for (const auto& plane : planes_) {
    if (!(*plane)[kernel::Table::Filter].ever_programmed()) continue;
    if (!plane->routes.apply(now)) {
      ok = false;
      outcome.failures.push_back({"routes", *plane->routes.error()});
    }
    for (const auto& address : plane->routes.take_departed()) departed_.push_back(address);
  }
  if (guarded && !sysctls_.apply(now)) {
    ok = false;
    outcome.failures.push_back({"sysctls", *sysctls_.error()});
  }
  if (!departed_.empty()) {
    if (auto status = ports_.conntrack.remove_flows(departed_); status) {
      departed_.clear();
      conntrack_backoff_.on_success();
    } else {
      ok = false;
      conntrack_backoff_.on_failure(now);
      outcome.failures.push_back({"conntrack", std::move(status).error()});
    }
  }
  for (const auto& plane : planes_) plane->sets.apply_deletions(now);
  outcome.ok = ok;
  if (!ok) ++failure_count_;
  report(outcome, tables_ok);
  return outcome;
}

bool Dataplane::pending() const {
  if (!in_sync_) return false;
  if (dirty_) return true;
  for (const auto& plane : planes_) {
    // What failed waits for its time in next_wakeup().
    if (plane->sets.pending() && !plane->sets.failing()) return true;
    for (const auto& table : plane->tables) {
      if (table.pending() && !table.failing()) return true;
    }
  }
  return false;
}

std::optional<TimePoint> Dataplane::next_wakeup() const {
  if (!in_sync_) return std::nullopt;
  if (pending()) return ports_.clock.now();
  std::optional<TimePoint> due = earlier(sysctls_.next_wakeup(), addresses_.next_wakeup());
  for (const auto& plane : planes_) {
    due = earlier(due, plane->sets.next_wakeup());
    due = earlier(due, plane->routes.next_wakeup());
    for (const auto& table : plane->tables) due = earlier(due, table.next_wakeup());
  }
  if (links_backoff_.failing()) due = earlier(due, links_backoff_.due());
  if (conntrack_backoff_.failing()) due = earlier(due, conntrack_backoff_.due());
  return due;
}

// ---- who is in force -----------------------------------------------------------------------------------------------

bool Dataplane::all_open() const {
  return std::all_of(planes_.begin(), planes_.end(),
                     [](const auto& plane) { return (*plane)[kernel::Table::Filter].closed_chains() == 0; });
}

Dataplane::State Dataplane::state_of(const calc::EndpointId& id, bool good) const {
  const auto* workload = endpoints_->find(id);
  if (!workload) return {};
  const Symbol interface = workload->endpoint->interface_name;
  State state{.enforced = endpoints_->is_active(id),
              .link_up = endpoints_->link_up(interface),
              .bgp_peer = workload->bgp_peer,
              .endpoint = workload->endpoint};
  if (!state.enforced || good) return state;
  for (const auto& plane : planes_) {
    const auto& filter = (*plane)[kernel::Table::Filter];
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      state.enforced &= filter.in_force_deep(rules::workload_chain_name(interface, direction));
    }
  }
  return state;
}

void Dataplane::report(Outcome& outcome, bool tables_ok) {
  const bool good = tables_ok && all_open();
  std::unordered_set<calc::EndpointId> look = endpoints_->take_touched();
  if (good && was_good_) {
    look.insert(unenforced_.begin(), unenforced_.end());
  } else {
    for (const auto& [id, workload] : endpoints_->workloads()) look.insert(id);
  }
  was_good_ = good;
  for (const auto& id : look) {
    const auto* workload = endpoints_->find(id);
    const State now = state_of(id, good);
    const auto before = states_.find(id);
    if (!workload) {
      unenforced_.erase(id);
      if (before == states_.end()) continue;
      states_.erase(before);
      outcome.endpoints.push_back({.id = id, .endpoint = nullptr, .bgp_peer = {}});
      continue;
    }
    if (now.enforced) unenforced_.erase(id);
    else unenforced_.insert(id);
    if (before != states_.end() && before->second == now) continue;
    states_[id] = now;
    outcome.endpoints.push_back({id, workload->endpoint, now.enforced, now.link_up, now.bgp_peer});
  }
}

bool Dataplane::enforced(const calc::EndpointId& id) const {
  const auto it = states_.find(id);
  return it != states_.end() && it->second.enforced;
}

std::size_t Dataplane::endpoint_count() const { return endpoints_->workloads().size(); }

// ---- the rest ------------------------------------------------------------------------------------------------------

Status Dataplane::cleanup() {
  Status result;
  const auto note = [&](Status status) {
    if (!status && result) result = std::move(status);
  };
  note(read_links());
  for (const auto& plane : planes_) {
    for (auto& table : plane->tables) note(table.cleanup());
    note(plane->sets.cleanup());
    note(plane->routes.cleanup());
  }
  note(addresses_.cleanup());
  return result;
}

void Dataplane::render() {
  complete();
  for (const auto& plane : planes_) {
    for (const auto& spec : plane->sets.wanted()) {
      for (auto& table : plane->tables) table.set_usable(spec.name, true);
    }
  }
}

}  // namespace margay::dataplane
