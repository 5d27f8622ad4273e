#include "margay/model/decode.hpp"

#include <nlohmann/json.hpp>

#include "decode_k8s_policy.hpp"
#include "decode_kinds.hpp"
#include "decode_policy.hpp"
#include "fields.hpp"
#include "metadata.hpp"
#include "names.hpp"

namespace margay {

using nlohmann::json;

namespace {

using model::Field;
using model::Reader;
using model::shown;

const std::string* text_of(const json& object, std::string_view name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? &it->get_ref<const std::string&>() : nullptr;
}

Error invalid(std::string_view field, std::string_view reason) {
  return Error{ErrorCode::Invalid, std::string{field}.append(": ").append(reason)};
}

void decode_kind(const ObjectId& id, Field root, const DecodeOptions& options, Decoded& out) {
  switch (id.kind) {
    case Kind::NetworkPolicy:
    case Kind::GlobalNetworkPolicy:
    case Kind::StagedNetworkPolicy:
    case Kind::StagedGlobalNetworkPolicy: return model::decode_policy(id, root, out);
    case Kind::KubernetesNetworkPolicy:
    case Kind::StagedKubernetesNetworkPolicy: return model::decode_k8s_policy(id, root, out);
    case Kind::Tier: return model::decode_tier(id, root, out);
    case Kind::Namespace: return model::decode_namespace(id, root, out);
    case Kind::ServiceAccount: return model::decode_service_account(id, root, out);
    case Kind::Pod: return model::decode_pod(id, root, options, out);
    case Kind::Service: return model::decode_service(id, root, out);
    case Kind::EndpointSlice: return model::decode_endpoint_slice(id, root, out);
    case Kind::KubernetesNode: return model::decode_kubernetes_node(id, root, out);
    case Kind::NetworkSet:
    case Kind::GlobalNetworkSet: return model::decode_network_set(id, root, out);
    case Kind::Profile: return model::decode_profile(id, root, out);
    case Kind::WorkloadEndpoint: return model::decode_workload_endpoint(id, root, out);
    case Kind::HostEndpoint: return model::decode_host_endpoint(id, root, out);
    case Kind::Node: return model::decode_node(id, root, out);
    case Kind::IPPool: return model::decode_ip_pool(id, root, out);
    case Kind::FelixConfiguration: return model::decode_felix_configuration(id, root, out);
    case Kind::BGPConfiguration: return model::decode_bgp_configuration(id, root, out);
    case Kind::BGPPeer: return model::decode_bgp_peer(id, root, out);
    case Kind::BGPFilter: return model::decode_bgp_filter(id, root, out);
    case Kind::BlockAffinity: return model::decode_block_affinity(id, root, out);
    case Kind::Secret: return model::decode_secret(id, root, out);
    case Kind::CalicoNodeStatus: return model::decode_node_status(id, root, out);
    case Kind::ClusterInformation: return model::decode_cluster_information(id, root, out);
    default:
      // Known, but not decoded in this build (KindInfo::decoded): identity only.
      root.known_all();
  }
}

// What an invalid manifest may still say: never more than its closed form.
bool is_closed(const Resource& value) {
  if (const auto* policy = std::get_if<Ref<Policy>>(&value)) return (*policy)->closed;
  if (const auto* filter = std::get_if<Ref<BgpFilter>>(&value)) return (*filter)->closed;
  return false;
}

}  // namespace

Result<ObjectId> identify(const json& manifest) {
  if (!manifest.is_object()) return Error{ErrorCode::Invalid, "a manifest must be an object"};
  const std::string* version = text_of(manifest, "apiVersion");
  if (version == nullptr) return invalid("apiVersion", "is required");
  const std::string* kind_name = text_of(manifest, "kind");
  if (kind_name == nullptr) return invalid("kind", "is required");
  const std::optional<Kind> kind = find_kind(*version, *kind_name);
  if (!kind) return Error{ErrorCode::Unsupported, "unknown kind " + shown(*kind_name) + " of apiVersion " + shown(*version)};

  const auto metadata = manifest.find("metadata");
  if (metadata == manifest.end() || !metadata->is_object()) return invalid("metadata", "is required");
  const std::string* name = text_of(*metadata, "name");
  if (name == nullptr || name->empty()) return invalid("metadata.name", "is required");
  if (const auto wrong = model::wrong_object_name(*kind, *name)) return invalid("metadata.name", shown(*name) + " " + *wrong);

  const auto field = metadata->find("namespace");
  const std::string* ns = text_of(*metadata, "namespace");
  if (field != metadata->end() && !field->is_null() && ns == nullptr) return invalid("metadata.namespace", "must be a text");
  ObjectId id{*kind, ns == nullptr ? std::string{} : *ns, *name};
  if (!info(*kind).namespaced) {
    if (!id.ns.empty()) return invalid("metadata.namespace", "a " + *kind_name + " has no namespace");
    return id;
  }
  // As kubectl and calicoctl do.
  if (id.ns.empty()) id.ns = "default";
  if (!model::is_dns_label(id.ns)) return invalid("metadata.namespace", shown(id.ns) + " is not a DNS label");
  return id;
}

Decoded decode(const ObjectId& id, const json& manifest, const DecodeOptions& options, bool strict) {
  Decoded out;
  Reader reader{manifest, strict};
  const Field root = reader.root();
  root.known({"apiVersion", "kind", "metadata", "status"});
  model::check_metadata(root["metadata"]);
  decode_kind(id, root, options, out);
  reader.report_unknown_fields();
  out.errors = reader.take_errors();
  if (!out.errors.empty() && out.value && !is_closed(*out.value)) out.value.reset();
  return out;
}

}  // namespace margay
