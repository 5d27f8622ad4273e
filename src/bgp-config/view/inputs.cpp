#include "inputs.hpp"

#include <utility>

namespace margay::bgp::view {

namespace {

constexpr std::string_view kPerNode = "node.";

// The typed value of an update; null: deleted.
template <class T>
Ref<T> value_of(const Update& update) {
  if (!update.value) return nullptr;
  const auto* value = std::get_if<Ref<T>>(&*update.value);
  MARGAY_ASSERT(value != nullptr);
  return *value;
}

// The value before. An equal one is no change.
template <class T>
struct Replaced {
  Ref<T> before;
  bool changed = false;
};

template <class T>
Replaced<T> replace(std::map<Symbol, Ref<T>>& map, const Symbol& name, Ref<T> now) {
  const auto at = map.find(name);
  Replaced<T> out{at == map.end() ? nullptr : at->second, false};
  out.changed = now && out.before ? !(*now == *out.before) : now != out.before;
  if (!now) {
    if (at != map.end()) map.erase(at);
  } else if (at != map.end()) {
    at->second = std::move(now);
  } else {
    map.emplace(name, std::move(now));
  }
  return out;
}

}  // namespace

const std::optional<Addr>& address(const Node& node, Family family) noexcept {
  return family == Family::V4 ? node.ipv4 : node.ipv6;
}
const std::optional<Cidr>& network(const Node& node, Family family) noexcept {
  return family == Family::V4 ? node.ipv4_net : node.ipv6_net;
}

Inputs::Inputs(Symbol node, Symbol secrets_namespace)
    : node_{std::move(node)}, secrets_namespace_{std::move(secrets_namespace)} {}

void Inputs::apply(const Update& update, Dirt& dirt) {
  const Key& key = update.key;
  if (quarantine.erase(key) != 0) mark(key, dirt);  // whatever changed in it: it gets another chance
  switch (key.kind) {
    case Kind::Node: return apply_node(update, dirt);
    case Kind::EndpointSlice: return apply_slice(update, dirt);
    case Kind::BGPPeer:
      if (replace(peers, key.name, value_of<BgpPeer>(update)).changed) mark(key, dirt);
      return;
    case Kind::BGPFilter: {
      const auto now = value_of<BgpFilter>(update);
      const auto before = replace(filters, key.name, now).before;
      if (!now || !before || now->closed != before->closed) mark(key, dirt);
      return;
    }
    case Kind::BGPConfiguration:
      if (replace(configurations, key.name, value_of<BgpConfiguration>(update)).changed) mark(key, dirt);
      return;
    case Kind::IPPool:
      if (replace(pools, key.name, value_of<IpPool>(update)).changed) mark(key, dirt);
      return;
    case Kind::BlockAffinity: {
      auto block = value_of<BlockAffinity>(update);
      if (block && (block->node != node_ || !block->of_host)) block = nullptr;
      if (replace(blocks, key.name, std::move(block)).changed) mark(key, dirt);
      return;
    }
    case Kind::Secret:
      if (key.ns == secrets_namespace_ && replace(secrets, key.name, value_of<Secret>(update)).changed) mark(key, dirt);
      return;
    case Kind::FelixConfiguration: {
      if (key.name != std::string_view{"default"}) return;
      const auto value = value_of<FelixConfiguration>(update);
      std::string now;
      if (value)
        if (const auto at = value->parameters.find("ProgramClusterRoutes"); at != value->parameters.end()) now = at->second;
      if (now != felix_cluster_routes) dirt.globals = true;
      felix_cluster_routes = std::move(now);
      return;
    }
    case Kind::Service: {
      auto service = value_of<Service>(update);
      if (!service && !services.contains(key)) return;
      services[key].service = std::move(service);
      mark(key, dirt);
      return forget_if_empty(key);
    }
    default: return;
  }
}

void Inputs::apply_node(const Update& update, Dirt& dirt) {
  const Symbol& name = update.key.name;
  const auto now = value_of<Node>(update);
  const auto replaced = replace(nodes, name, now);
  if (!replaced.changed) return;
  dirt.nodes.try_emplace(name, replaced.before);
  if (name == node_) dirt.globals = dirt.blocks = true;
  for (const Family family : kFamilies) {
    if (replaced.before)
      if (const auto& addr = address(*replaced.before, family)) {
        auto& there = nodes_by_address[*addr];
        there.erase(name);
        if (there.empty()) nodes_by_address.erase(*addr);
      }
    if (now)
      if (const auto& addr = address(*now, family)) nodes_by_address[*addr].insert(name);
  }
}

// Always from the service and all its slices, so that a slice's deletion, or its move to another service, is nothing special.
void Inputs::apply_slice(const Update& update, Dirt& dirt) {
  const auto slice = value_of<EndpointSlice>(update);
  if (const auto was = service_of_slice_.find(update.key); was != service_of_slice_.end()) {
    const Key service = was->second;
    services[service].slices.erase(update.key.name);
    service_of_slice_.erase(was);
    dirt.services.insert(service);
    forget_if_empty(service);
  }
  if (!slice || slice->service.empty()) return;
  const Key service{Kind::Service, update.key.ns, slice->service};
  services[service].slices[update.key.name] = slice;
  service_of_slice_[update.key] = service;
  dirt.services.insert(service);
}

void Inputs::forget_if_empty(const Key& service) {
  const auto at = services.find(service);
  if (at != services.end() && !at->second.service && at->second.slices.empty()) services.erase(at);
}

void Inputs::mark(const Key& key, Dirt& dirt) {
  switch (key.kind) {
    case Kind::Node:
      if (const auto node = nodes.find(key.name); node != nodes.end()) dirt.nodes.try_emplace(key.name, node->second);
      if (key.name == node_) dirt.blocks = true;
      break;
    case Kind::BGPPeer: dirt.peers.insert(key.name); break;
    case Kind::BGPFilter: dirt.filters.insert(key.name); break;
    case Kind::BGPConfiguration:
      dirt.globals = true;
      if (key.name.view().starts_with(kPerNode)) {  // its listenPort is what others dial
        const Symbol node = key.name.view().substr(kPerNode.size());
        if (const auto at = nodes.find(node); at != nodes.end()) dirt.nodes.try_emplace(node, at->second);
      }
      break;
    case Kind::IPPool: dirt.pools = true; break;
    case Kind::BlockAffinity: dirt.blocks = true; break;
    case Kind::Secret: dirt.secrets.insert(key.name); break;
    case Kind::Service: dirt.services.insert(key); break;
    default: break;
  }
}

void Inputs::refuse(const Key& owner, std::string reason, Dirt& dirt) {
  auto& refusal = quarantine.try_emplace(owner, Refusal{{}, 0}).first->second;
  refusal.reason = std::move(reason);
  ++refusal.count;
  mark(owner, dirt);
}

unsigned Inputs::refusals(const Key& key) const {
  if (quarantine.empty()) return 0;
  const auto at = quarantine.find(key);
  return at == quarantine.end() ? 0 : at->second.count;
}

const BgpConfiguration& Inputs::configuration(const Symbol& name) const {
  static const BgpConfiguration kNone;
  const auto at = configurations.find(name);
  return at == configurations.end() ? kNone : *at->second;
}

const BgpConfiguration& Inputs::configuration_of_node(const Symbol& node) const {
  static const BgpConfiguration kNone;
  // Nearly always none: an interned name that nobody holds is found so without building one.
  const Symbol name = Symbol::find(std::string{kPerNode}.append(node.view()));
  return name.empty() ? kNone : configuration(name);
}

}  // namespace margay::bgp::view
