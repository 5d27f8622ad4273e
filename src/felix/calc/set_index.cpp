#include "calc/set_index.hpp"

#include <algorithm>
#include <iterator>

#include "margay/base/assert.hpp"

namespace margay::calc {
namespace {

bool port_matches(const SetDef& def, const EndpointPort& port) noexcept {
  if (!(port.name == def.port) || !port.protocol || !protocol::has_ports(*port.protocol)) return false;
  return def.protocol == 0 ? port.protocol_by_name : *port.protocol == def.protocol;
}

void sort_unique(std::vector<Cidr>& nets) {
  if (nets.size() < 2) return;
  std::sort(nets.begin(), nets.end());
  nets.erase(std::unique(nets.begin(), nets.end()), nets.end());
}

}  // namespace

// ---- items -----------------------------------------------------------------------------------------------------------

std::vector<Cidr> SetIndex::nets_of(const Resource& resource) {
  std::vector<Cidr> nets;
  if (const auto* workload = std::get_if<Ref<WorkloadEndpoint>>(&resource)) {
    nets = (*workload)->nets;
  } else if (const auto* host = std::get_if<Ref<HostEndpoint>>(&resource)) {
    for (const Addr& address : (*host)->expected_ips) nets.emplace_back(address);
  } else if (const auto* set = std::get_if<Ref<NetworkSet>>(&resource)) {
    nets.reserve((*set)->nets.size());
    for (const Cidr& net : (*set)->nets) {
      if (net.prefix > 0) {
        nets.push_back(net);
        continue;
      }
      Addr upper = net.addr;
      upper.bytes[0] = 0x80;
      nets.emplace_back(net.addr, 1);
      nets.emplace_back(upper, 1);
    }
  }
  sort_unique(nets);
  return nets;
}

const std::vector<EndpointPort>& SetIndex::ports_of(const Resource& resource) noexcept {
  static const std::vector<EndpointPort> kNoPorts;
  if (const auto* workload = std::get_if<Ref<WorkloadEndpoint>>(&resource)) return (*workload)->ports;
  if (const auto* host = std::get_if<Ref<HostEndpoint>>(&resource)) return (*host)->ports;
  return kNoPorts;
}

template <class F>
void SetIndex::for_each_member(const SetDef& def, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports, F&& f) {
  if (def.source == SetDef::Source::Selector) {
    for (const Cidr& net : nets) f(kernel::SetMember{.net = net});
    return;
  }
  for (const EndpointPort& port : ports) {
    if (!port_matches(def, port)) continue;
    for (const Cidr& net : nets) f(kernel::SetMember{.net = net, .protocol = *port.protocol, .port = port.port});
  }
}

void SetIndex::on_workload(const Key& key, const Ref<WorkloadEndpoint>& endpoint) {
  if (!endpoint || endpoint->nets.empty()) return remove(key);
  update(key, endpoint, endpoint->labels, endpoint->profiles);
}

void SetIndex::on_host_endpoint(const Key& key, const Ref<HostEndpoint>& endpoint) {
  if (!endpoint) return remove(key);
  update(key, endpoint, endpoint->labels, endpoint->profiles);
}

void SetIndex::on_network_set(const Key& key, const Ref<NetworkSet>& set) {
  if (!set) return remove(key);
  update(key, set, set->labels, set->profiles);
}

Symbol SetIndex::node_of(const Key& endpoint) const {
  const auto it = item_ids_.find(endpoint);
  if (it == item_ids_.end()) return {};
  const Resource& resource = items_[it->second].resource;
  if (const auto* workload = std::get_if<Ref<WorkloadEndpoint>>(&resource)) return (*workload)->node;
  if (const auto* host = std::get_if<Ref<HostEndpoint>>(&resource)) return (*host)->node;
  return {};
}

void SetIndex::update(const Key& key, Resource next, const Labels& labels, const std::vector<Symbol>& parents) {
  const LabelIndex::ClassId cls = labels_.acquire(labels, parents);
  std::vector<Cidr> nets = nets_of(next);
  const std::vector<EndpointPort>& ports = ports_of(next);

  const auto [it, is_new] = item_ids_.try_emplace(key, 0);
  if (is_new) {
    if (free_items_.empty()) {
      it->second = static_cast<ItemId>(items_.size());
      items_.emplace_back();
    } else {
      it->second = free_items_.back();
      free_items_.pop_back();
    }
    touch_class(cls, nets, ports);
    items_[it->second] = {std::move(next), cls};
    labels_.enter(it->second, cls);
    for (const Cidr& net : nets) by_net_.emplace(net, it->second);
    return;
  }

  const ItemId id = it->second;
  Item& item = items_[id];
  const std::vector<Cidr> old_nets = nets_of(item.resource);
  const std::vector<EndpointPort>& old_ports = ports_of(item.resource);
  std::vector<Cidr> gone, added;
  std::set_difference(old_nets.begin(), old_nets.end(), nets.begin(), nets.end(), std::back_inserter(gone));
  std::set_difference(nets.begin(), nets.end(), old_nets.begin(), old_nets.end(), std::back_inserter(added));
  if (old_ports != ports) {
    touch_class(item.cls, old_nets, old_ports);
    touch_class(cls, nets, ports);
  } else {
    touch_class(item.cls, gone, ports);
    touch_class(cls, added, ports);
    if (cls != item.cls) {  // the addresses that stay change sets only where the two classes differ
      const auto before = labels_.matches(item.cls);
      const auto now = labels_.matches(cls);
      std::vector<LabelIndex::SelectorId> differing;
      std::set_symmetric_difference(before.begin(), before.end(), now.begin(), now.end(), std::back_inserter(differing));
      for (const auto selector : differing) touch(selector, old_nets, ports);
    }
  }
  for (const Cidr& net : gone) {
    const auto [first, last] = by_net_.equal_range(net);
    by_net_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == id; }));
  }
  for (const Cidr& net : added) by_net_.emplace(net, id);
  if (cls == item.cls) {
    labels_.release(cls);
  } else {
    labels_.leave(id, item.cls);
    labels_.enter(id, cls);
    item.cls = cls;
  }
  item.resource = std::move(next);
}

void SetIndex::remove(const Key& key) {
  const auto it = item_ids_.find(key);
  if (it == item_ids_.end()) return;
  const ItemId id = it->second;
  Item& item = items_[id];
  const std::vector<Cidr> nets = nets_of(item.resource);
  touch_class(item.cls, nets, ports_of(item.resource));
  for (const Cidr& net : nets) {
    const auto [first, last] = by_net_.equal_range(net);
    by_net_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == id; }));
  }
  labels_.leave(id, item.cls);
  item = Item{};
  free_items_.push_back(id);
  item_ids_.erase(it);
}

// ---- touching --------------------------------------------------------------------------------------------------------

void SetIndex::touch(Slot slot, const kernel::SetMember& member) {
  Set& set = sets_[slot];
  const bool first = set.touched.empty();
  const auto [it, is_new] = set.touched.try_emplace(member, false);
  if (!is_new) return;
  it->second = is_member(set, member);
  if (first) changed_.push_back(slot);
}

void SetIndex::touch(LabelIndex::SelectorId selector, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports) {
  for (const Slot slot : by_selector_[selector]) {
    if (!sets_[slot].announced) continue;  // announced whole by the next flush
    for_each_member(sets_[slot].def, nets, ports, [&](const kernel::SetMember& member) { touch(slot, member); });
  }
}

void SetIndex::touch_class(LabelIndex::ClassId cls, const std::vector<Cidr>& nets, const std::vector<EndpointPort>& ports) {
  if (nets.empty()) return;
  for (const auto selector : labels_.matches(cls)) touch(selector, nets, ports);
}

void SetIndex::on_match_changing(LabelIndex::SelectorId selector, LabelIndex::ClassId cls) {
  if (by_selector_[selector].empty()) return;
  for (const ItemId item : labels_.items(cls)) touch(selector, nets_of(items_[item].resource), ports_of(items_[item].resource));
}

void SetIndex::on_slice_changing(const ServiceRef& service, const EndpointSlice* before, const EndpointSlice* now) {
  const auto it = by_service_.find(service);
  if (it == by_service_.end()) return;
  for (const Slot slot : it->second) {
    Set& set = sets_[slot];
    const bool with_ports = set.def.source == SetDef::Source::ServicePorts;
    const auto each = [&](const EndpointSlice* slice, auto&& change) {
      if (slice == nullptr) return;
      ServiceIndex::for_each_member(*slice, with_ports, [&](const kernel::SetMember& member) {
        if (set.announced) touch(slot, member);
        change(member);
      });
    };
    each(now, [&](const kernel::SetMember& member) { ++(*set.counts)[member]; });
    each(before, [&](const kernel::SetMember& member) {
      const auto count = set.counts->find(member);
      if (--count->second == 0) set.counts->erase(count);
    });
  }
}

bool SetIndex::is_member(const Set& set, const kernel::SetMember& member) const {
  if (set.counts) return set.counts->contains(member);
  const auto [first, last] = by_net_.equal_range(member.net);
  return std::any_of(first, last, [&](const auto& entry) {
    const Item& item = items_[entry.second];
    if (!labels_.matches(item.cls, set.selector)) return false;
    if (set.def.source == SetDef::Source::Selector) return true;
    const auto& ports = ports_of(item.resource);
    return std::any_of(ports.begin(), ports.end(), [&](const EndpointPort& port) {
      return port_matches(set.def, port) && *port.protocol == member.protocol && port.port == member.port;
    });
  });
}

std::vector<kernel::SetMember> SetIndex::all_members(const Set& set) const {
  std::vector<kernel::SetMember> members;
  if (set.counts) {
    members.reserve(set.counts->size());
    for (const auto& [member, count] : *set.counts) members.push_back(member);
  } else {
    for (const auto cls : labels_.classes_matching(set.selector)) {
      for (const ItemId item : labels_.items(cls)) {
        for_each_member(set.def, nets_of(items_[item].resource), ports_of(items_[item].resource),
                        [&](const kernel::SetMember& member) { members.push_back(member); });
      }
    }
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  return members;
}

// ---- uses ------------------------------------------------------------------------------------------------------------

void SetIndex::acquire(const SetDef& def) {
  const auto [it, is_new] = ids_.try_emplace(def.id, 0);
  if (!is_new) {
    ++sets_[it->second].uses;
    return;
  }
  if (free_sets_.empty()) {
    it->second = static_cast<Slot>(sets_.size());
    sets_.emplace_back();
  } else {
    it->second = free_sets_.back();
    free_sets_.pop_back();
  }
  const Slot slot = it->second;
  Set& set = sets_[slot];
  set.def = def;
  set.uses = 1;
  fresh_.push_back(slot);
  if (!def.of_service()) {
    set.selector = labels_.add_selector(def.selector);
    if (set.selector >= by_selector_.size()) by_selector_.resize(set.selector + 1);
    by_selector_[set.selector].push_back(slot);
    return;
  }
  set.counts = std::make_unique<std::unordered_map<kernel::SetMember, std::uint32_t>>();
  by_service_[def.service].push_back(slot);
  services_.for_each_slice(def.service, [&](const EndpointSlice& slice) {
    ServiceIndex::for_each_member(slice, def.source == SetDef::Source::ServicePorts,
                                  [&](const kernel::SetMember& member) { ++(*set.counts)[member]; });
  });
}

void SetIndex::release(const SetId& id) {
  const Slot slot = ids_.at(id);
  Set& set = sets_[slot];
  MARGAY_ASSERT(set.uses > 0);
  if (--set.uses > 0 || set.on_unused_list) return;
  set.on_unused_list = true;
  unused_.push_back(slot);
}

void SetIndex::discard(Slot slot) {
  Set& set = sets_[slot];
  if (set.def.of_service()) {
    const auto it = by_service_.find(set.def.service);
    std::erase(it->second, slot);
    if (it->second.empty()) by_service_.erase(it);
  } else {
    std::erase(by_selector_[set.selector], slot);
    labels_.remove_selector(set.selector);
  }
  ids_.erase(set.def.id);
  set = Set{};
  free_sets_.push_back(slot);
}

// ---- flushing --------------------------------------------------------------------------------------------------------

void SetIndex::flush_updates(MessageSink& sink) {
  const auto by_id = [&](Slot a, Slot b) { return sets_[a].def.id < sets_[b].def.id; };
  // Changed ones first: a fresh set is announced with what it has now, and must not be in the list of changes.
  std::vector<Slot> changed = std::move(changed_);
  changed_.clear();
  std::sort(changed.begin(), changed.end(), by_id);
  std::vector<Slot> fresh = std::move(fresh_);
  fresh_.clear();
  std::sort(fresh.begin(), fresh.end(), by_id);

  for (const Slot slot : fresh) {
    Set& set = sets_[slot];
    if (set.uses == 0) continue;  // never announced; flush_removes drops it
    set.announced = true;
    sink.on_message(SetUpdate{.id = set.def.id, .type = set.def.type(), .members = all_members(set)});
  }
  for (const Slot slot : changed) {
    Set& set = sets_[slot];
    auto touched = std::move(set.touched);
    set.touched.clear();
    if (set.uses == 0) continue;
    SetDelta delta{.id = set.def.id, .added = {}, .removed = {}};
    for (const auto& [member, was] : touched) {
      const bool is = is_member(set, member);
      if (is && !was) delta.added.push_back(member);
      if (!is && was) delta.removed.push_back(member);
    }
    if (delta.added.empty() && delta.removed.empty()) continue;
    std::sort(delta.added.begin(), delta.added.end());
    std::sort(delta.removed.begin(), delta.removed.end());
    sink.on_message(std::move(delta));
  }
}

void SetIndex::flush_removes(MessageSink& sink) {
  std::vector<Slot> unused = std::move(unused_);
  unused_.clear();
  std::sort(unused.begin(), unused.end(), [&](Slot a, Slot b) { return sets_[a].def.id < sets_[b].def.id; });
  for (const Slot slot : unused) {
    Set& set = sets_[slot];
    set.on_unused_list = false;
    if (set.uses > 0) continue;
    if (set.announced) sink.on_message(SetRemove{.id = set.def.id});
    discard(slot);
  }
}

}  // namespace margay::calc
