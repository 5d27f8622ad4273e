// Decoding and validation: one manifest (JSON document) → a typed resource under the key the calculation model knows it by.
//
// Pure. A manifest that does not validate yields every field error found; nothing throws. Sources of the rules:
// Calico's v3 API validation, Kubernetes' API validation (docs/design/datastore.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/result.hpp"
#include "margay/model/key.hpp"
#include "margay/model/resources.hpp"

namespace margay {

struct FieldError {
  std::string field;   // "spec.ingress[2].source.ports[0]"
  std::string reason;  // "port 70000 is not between 1 and 65535"
};

// What a manifest is, before its content is looked at.
struct ObjectId {
  Kind kind;
  std::string ns, name;
  friend bool operator==(const ObjectId&, const ObjectId&) = default;
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

struct Decoded {
  std::vector<FieldError> errors;  // not empty: invalid
  // Key and value in the calculation model; no key where the object means nothing there (a pod on the host network, a pod
  // without node). When invalid: the closed form of a policy that says what it selects (Policy::closed) and of a BGPFilter
  // (BgpFilter::closed); else no value.
  std::optional<Key> key;
  std::optional<Resource> value;
};

struct DecodeOptions {
  std::string interface_prefix = "cali";  // the first one, for interface names of pods
};

// apiVersion, kind, metadata.name and metadata.namespace, checked for form. Errors: not an object, unknown kind
// (ErrorCode::Unsupported), missing name (Invalid).
[[nodiscard]] Result<ObjectId> identify(const nlohmann::json& manifest);

// `strict` additionally reports unknown fields (margayctl); the daemons ignore those.
[[nodiscard]] Decoded decode(const ObjectId& id, const nlohmann::json& manifest, const DecodeOptions& options,
                             bool strict = false);

// Applies the defaults a Calico client writes (types, tier label, order of tiers, IPPool fields…); idempotent.
void apply_defaults(const ObjectId& id, nlohmann::json& manifest);

// Calico's interface name of a pod: prefix + first 11 hex digits of SHA-1("<ns>.<pod>").
[[nodiscard]] std::string workload_interface_name(std::string_view prefix, std::string_view ns, std::string_view pod);
// WorkloadEndpoint name: segments joined by '-', each with '-' doubled.
[[nodiscard]] std::string workload_endpoint_name(std::string_view node, std::string_view orchestrator, std::string_view workload,
                                                 std::string_view endpoint);

// Resources that exist without being written: tiers default, kube-admin, kube-baseline; profile projectcalico-default-allow.
[[nodiscard]] std::vector<std::pair<Key, Resource>> built_in_resources();

}  // namespace margay
