#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"

namespace margay {

using nlohmann::json;

namespace {

// The member if it can be one: an object of that name, made if it is not there. Null if something else has the name.
json* object_in(json& parent, const char* name) {
  if (!parent.is_object()) return nullptr;
  json& member = parent[name];
  if (member.is_null()) member = json::object();
  return member.is_object() ? &member : nullptr;
}

bool is_unset(const json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || it->is_null()) return true;
  return (it->is_string() && it->get_ref<const std::string&>().empty()) || (it->is_array() && it->empty());
}

void set_default(json& object, const char* name, json value) {
  if (is_unset(object, name)) object[name] = std::move(value);
}

json usual_types(const json& spec) {
  const bool egress = !is_unset(spec, "egress");
  json types = json::array();
  if (!is_unset(spec, "ingress") || !egress) types.push_back("Ingress");
  if (egress) types.push_back("Egress");
  return types;
}

// A staged deletion says nothing but what it deletes.
bool deletes(const json& spec) {
  const auto it = spec.find("stagedAction");
  return it != spec.end() && *it == "Delete";
}

void policy_defaults(json& manifest, json& spec, bool staged) {
  if (staged) set_default(spec, "stagedAction", "Set");
  set_default(spec, "tier", "default");
  if (!deletes(spec)) set_default(spec, "types", usual_types(spec));
  json* metadata = object_in(manifest, "metadata");
  json* labels = metadata != nullptr ? object_in(*metadata, "labels") : nullptr;
  if (labels != nullptr && spec["tier"].is_string()) (*labels)["projectcalico.org/tier"] = spec["tier"];
}

void pool_defaults(json& spec) {
  set_default(spec, "vxlanMode", "Never");
  set_default(spec, "ipipMode", "Never");
  set_default(spec, "nodeSelector", "all()");
  set_default(spec, "allowedUses", json::array({"Workload", "Tunnel"}));
  set_default(spec, "assignmentMode", "Automatic");
  const auto cidr = spec.find("cidr");
  if (cidr == spec.end() || !cidr->is_string()) return;
  const auto parsed = Cidr::parse(cidr->get_ref<const std::string&>());
  if (!parsed) return;
  if (const auto block = spec.find("blockSize"); block != spec.end() && *block == 0) spec.erase(block);
  set_default(spec, "blockSize", parsed->family() == Family::V4 ? 26 : 122);
}

void workload_endpoint_defaults(const ObjectId& id, json& manifest, const json& spec) {
  json* metadata = object_in(manifest, "metadata");
  json* labels = metadata != nullptr ? object_in(*metadata, "labels") : nullptr;
  if (labels == nullptr) return;
  (*labels)["projectcalico.org/namespace"] = id.ns;
  if (const auto it = spec.find("orchestrator"); it != spec.end() && it->is_string())
    (*labels)["projectcalico.org/orchestrator"] = *it;
}

}  // namespace

// datastore-model §3. FelixConfiguration is left alone, against Calico: see decision 0015.
void apply_defaults(const ObjectId& id, json& manifest) {
  if (info(id.kind).group != "projectcalico.org") return;
  json* spec = object_in(manifest, "spec");
  if (spec == nullptr) return;
  switch (id.kind) {
    case Kind::NetworkPolicy:
    case Kind::GlobalNetworkPolicy: return policy_defaults(manifest, *spec, /*staged=*/false);
    case Kind::StagedNetworkPolicy:
    case Kind::StagedGlobalNetworkPolicy: return policy_defaults(manifest, *spec, /*staged=*/true);
    case Kind::StagedKubernetesNetworkPolicy: return set_default(*spec, "stagedAction", "Set");
    case Kind::Tier: set_default(*spec, "order", 1000000); return set_default(*spec, "defaultAction", "Deny");
    case Kind::IPPool: return pool_defaults(*spec);
    case Kind::WorkloadEndpoint: return workload_endpoint_defaults(id, manifest, *spec);
    case Kind::BGPConfiguration:
      set_default(*spec, "logSeverityScreen", "Info");
      return set_default(*spec, "serviceLoadBalancerAggregation", "Enabled");
    case Kind::BlockAffinity: return set_default(*spec, "deleted", "false");
    case Kind::IPAMConfiguration:
      set_default(*spec, "strictAffinity", false);
      return set_default(*spec, "autoAllocateBlocks", true);
    default: return;
  }
}

}  // namespace margay
