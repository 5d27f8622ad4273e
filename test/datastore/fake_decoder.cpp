#include "fake_decoder.hpp"

namespace margay::test {

using nlohmann::json;

datastore::Decoder fake_decoder() {
  datastore::Decoder out;
  out.kinds = {Kind::NetworkSet, Kind::GlobalNetworkSet, Kind::Profile,          Kind::Namespace, Kind::GlobalNetworkPolicy,
               Kind::Pod,        Kind::Secret,           Kind::WorkloadEndpoint, Kind::Node,      Kind::KubernetesNode};
  out.identify = [](const json& m) { return identify(m); };
  out.decode = [](const ObjectId& id, const json& m) {
    Decoded d;
    const json spec = m.value("spec", json::object());
    const std::string v = spec.value("v", "");
    const bool bad = spec.contains("bad");
    if (bad) d.errors.push_back({"spec.bad", "is bad"});
    switch (id.kind) {
      case Kind::NetworkSet:
      case Kind::GlobalNetworkSet: {
        d.key = Key{id.kind, id.ns, id.name};
        auto set = std::make_shared<NetworkSet>();
        set->profiles = {Symbol{v}};
        d.value = Ref<NetworkSet>{set};
        break;
      }
      case Kind::GlobalNetworkPolicy: {
        d.key = Key{id.kind, id.ns, id.name};
        auto policy = std::make_shared<Policy>();
        policy->tier = v;
        policy->closed = bad;
        if (!bad || spec.contains("selector")) d.value = Ref<Policy>{policy};
        return d;
      }
      case Kind::Profile:
      case Kind::Namespace: {
        d.key = Key{Kind::Profile, {}, id.kind == Kind::Profile ? id.name : "kns." + id.name};
        auto profile = std::make_shared<Profile>();
        profile->labels_to_apply = Labels{{{"v", v}}};
        d.value = Ref<Profile>{profile};
        break;
      }
      case Kind::Pod: {
        if (!spec.contains("node")) break;
        d.key = Key{Kind::WorkloadEndpoint, id.ns, spec["node"].get<std::string>() + "-" + id.name};
        auto endpoint = std::make_shared<WorkloadEndpoint>();
        endpoint->node = v;
        d.value = Ref<WorkloadEndpoint>{endpoint};
        break;
      }
      case Kind::WorkloadEndpoint: {
        d.key = Key{id.kind, id.ns, id.name};
        auto endpoint = std::make_shared<WorkloadEndpoint>();
        endpoint->node = v;
        d.value = Ref<WorkloadEndpoint>{endpoint};
        break;
      }
      case Kind::Node:
      case Kind::KubernetesNode: {
        d.key = Key{Kind::Node, {}, id.name};
        auto node = std::make_shared<Node>();
        node->route_reflector_cluster_id = v;
        d.value = Ref<Node>{node};
        break;
      }
      default: break;
    }
    if (bad) d.value.reset();
    return d;
  };
  return out;
}

std::string value_of(const std::optional<Resource>& value) {
  if (!value) return "-";
  if (const auto* set = std::get_if<Ref<NetworkSet>>(&*value)) return (*set)->profiles.at(0).str();
  if (const auto* policy = std::get_if<Ref<Policy>>(&*value)) return (*policy)->closed ? "closed" : (*policy)->tier.str();
  if (const auto* endpoint = std::get_if<Ref<WorkloadEndpoint>>(&*value)) return (*endpoint)->node.str();
  if (const auto* node = std::get_if<Ref<Node>>(&*value)) return (*node)->route_reflector_cluster_id;
  if (const auto* profile = std::get_if<Ref<Profile>>(&*value)) {
    const Symbol* v = (*profile)->labels_to_apply.get("v");
    return v != nullptr ? v->str() : "";
  }
  return "?";
}

std::string manifest(const std::string& kind, const std::string& name, const std::string& v, const std::string& more) {
  const bool core = kind == "Namespace" || kind == "Pod" || kind == "Secret" || kind == "v1/Node";
  return "apiVersion: " + std::string{core ? "v1" : "projectcalico.org/v3"} + "\nkind: " + kind.substr(kind.find('/') + 1) +
         "\nmetadata:\n  name: " + name + "\nspec:\n  v: \"" + v + "\"\n" + (more.empty() ? std::string{} : "  " + more + "\n");
}

}  // namespace margay::test
