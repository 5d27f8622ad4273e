#include "etcd_values.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

namespace margay::datastore {
namespace {

using nlohmann::json;

constexpr const char* kNameAnnotation = "projectcalico.org/metadata";
constexpr std::string_view kOldPrefix = "default.";  // of policies in the default tier, before Calico 3.32
constexpr const char* kNotStored[] = {"resourceVersion", "selfLink", "managedFields"};
constexpr int kMostNesting = 200;  // Go's decoder takes 10000; no resource has more than 20

// Kinds whose `status` is a value in Go, and so is always written.
constexpr Kind kWithStatus[] = {Kind::Tier, Kind::Node, Kind::KubeControllersConfiguration, Kind::CalicoNodeStatus};

bool nests_too_deeply(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMostNesting) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Error invalid(std::string text) { return Error{ErrorCode::Invalid, std::move(text)}; }

const std::string* text_at(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

bool in_default_tier(const json& manifest) {
  const auto spec = manifest.find("spec");
  if (spec == manifest.end()) return true;
  const std::string* tier = text_at(*spec, "tier");
  return tier == nullptr || tier->empty() || *tier == "default";
}

// Takes the annotation off that Calico puts on for the name; answers the name in it.
std::string take_annotated_name(json& metadata) {
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end() || !annotations->is_object()) return {};
  std::string name;
  if (const std::string* text = text_at(*annotations, kNameAnnotation))
    if (const auto inner = parse_value(*text))
      if (const std::string* inner_name = text_at(*inner, "name")) name = *inner_name;
  annotations->erase(kNameAnnotation);
  if (annotations->empty()) metadata.erase(annotations);
  return name;
}

// The first of two manifests that says it.
void keep(json& metadata, const char* field, const json* before, const std::string& otherwise) {
  const json* old = nullptr;
  if (before != nullptr)
    if (const auto there = before->find("metadata"); there != before->end() && text_at(*there, field)) old = &(*there)[field];
  if (old != nullptr && !old->get_ref<const std::string&>().empty()) metadata[field] = *old;
  else if (const std::string* own = text_at(metadata, field); own == nullptr || own->empty()) metadata[field] = otherwise;
}

}  // namespace

Result<json> parse_value(std::string_view text) {
  if (nests_too_deeply(text)) return invalid("nests more than " + std::to_string(kMostNesting) + " levels deep");
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return invalid("is no JSON");
  return value;
}

bool is_tiered(Kind kind) noexcept {
  return kind == Kind::NetworkPolicy || kind == Kind::GlobalNetworkPolicy || kind == Kind::StagedNetworkPolicy ||
         kind == Kind::StagedGlobalNetworkPolicy;
}

Result<json> manifest_of(const ObjectId& address, std::string_view value, std::int64_t mod_revision) {
  auto parsed = parse_value(value);
  if (!parsed) return std::move(parsed).error();
  json& manifest = *parsed;
  if (!manifest.is_object()) return invalid("is no JSON object");
  const KindInfo& kind = info(address.kind);
  // Keys say what an object is; Go's decoder does not ask the value. But one of another kind was put there by mistake.
  if (const std::string* said = text_at(manifest, "kind"); said != nullptr && !said->empty() && *said != kind.name)
    return invalid("is a " + *said + " where the key says " + std::string{kind.name});
  manifest["kind"] = kind.name;
  manifest["apiVersion"] = api_version(address.kind);
  json& metadata = manifest["metadata"];
  if (metadata.is_null()) metadata = json::object();
  if (!metadata.is_object()) return invalid("metadata: is no object");

  std::string name = address.name;
  if (is_tiered(address.kind)) {
    const std::string annotated = take_annotated_name(metadata);
    const std::string* said = text_at(metadata, "name");
    name = said == nullptr || said->empty() ? address.name : *said;
    if (!annotated.empty()) name = annotated;
    else if (name.size() > kOldPrefix.size() && name.starts_with(kOldPrefix) && in_default_tier(manifest))
      name.erase(0, kOldPrefix.size());
  }
  metadata["name"] = std::move(name);
  if (address.ns.empty()) metadata.erase("namespace");
  else metadata["namespace"] = address.ns;
  if (const auto time = metadata.find("creationTimestamp"); time != metadata.end() && time->is_null()) metadata.erase(time);
  metadata["resourceVersion"] = std::to_string(mod_revision);
  return parsed;
}

std::string value_of(const ObjectId& address, json manifest, const json* before, const Birth& birth) {
  if (!manifest.is_object()) manifest = json::object();
  const KindInfo& kind = info(address.kind);
  manifest["kind"] = kind.name;
  manifest["apiVersion"] = api_version(address.kind);
  json& metadata = manifest["metadata"];
  if (!metadata.is_object()) metadata = json::object();
  for (const char* field : kNotStored) metadata.erase(field);
  keep(metadata, "uid", before, birth.uid);
  keep(metadata, "creationTimestamp", before, birth.creation_timestamp);
  if (is_tiered(address.kind)) {
    const std::string* said = text_at(metadata, "name");
    json& annotations = metadata["annotations"];
    if (!annotations.is_object()) annotations = json::object();
    annotations[kNameAnnotation] = json{{"name", said == nullptr || said->empty() ? address.name : *said}}.dump();
  }
  // Where the two differ the annotation tells new readers the name, and the prefix tells those that know no annotation.
  metadata["name"] = address.name;
  if (address.ns.empty()) metadata.erase("namespace");
  else metadata["namespace"] = address.ns;
  json& spec = manifest["spec"];
  if (spec.is_null()) spec = json::object();
  if (std::find(std::begin(kWithStatus), std::end(kWithStatus), address.kind) != std::end(kWithStatus)) {
    json& status = manifest["status"];
    if (status.is_null()) status = json::object();
  }
  return manifest.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_virtual(const ObjectId& id) noexcept { return id.kind == Kind::Profile && id.name == "projectcalico-default-allow"; }

json virtual_profile() {
  const json allow = json::array({{{"action", "Allow"}}});
  return {{"apiVersion", "projectcalico.org/v3"},
          {"kind", "Profile"},
          {"metadata", {{"name", "projectcalico-default-allow"}, {"resourceVersion", "1"}}},
          {"spec", {{"ingress", allow}, {"egress", allow}}}};
}

}  // namespace margay::datastore
