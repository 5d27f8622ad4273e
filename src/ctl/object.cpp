#include "object.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "kinds.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

// What only a server writes, or what names one state of one datastore.
constexpr const char* kNotStored[] = {"resourceVersion", "selfLink", "managedFields"};

void clean_metadata(json& metadata) {
  for (const char* field : kNotStored) metadata.erase(field);
  // Older clients write it on objects that were never created.
  if (const auto time = metadata.find("creationTimestamp"); time != metadata.end() && time->is_null()) metadata.erase(time);
}

std::string text_at(const json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

FieldError split_field(const std::string& text) {
  const auto colon = text.find(": ");
  if (colon == std::string::npos || text.find(' ') < colon) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 2)};
}

// Of a value of a Secret, so that one sees whether there is one.
std::string hidden(const json& value, bool base64) {
  if (!value.is_string()) return std::string{kHidden} + ">";
  const std::string& text = value.get_ref<const std::string&>();
  std::size_t size = text.size();
  if (base64) {
    const auto count = [&](char c) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), c)); };
    size = (size - count('\n') - count('\r') - count('=')) * 3 / 4;
  }
  return fmt::format("{}: {} bytes>", kHidden, size);
}

// Errors for values that `get` hid; they are emptied, because what else the decoder would say of them is no help.
std::vector<FieldError> take_hidden(json& secret) {
  std::vector<FieldError> errors;
  for (const char* field : {"data", "stringData"}) {
    const auto data = secret.find(field);
    if (data == secret.end() || !data->is_object()) continue;
    for (auto entry = data->begin(); entry != data->end(); ++entry) {
      if (!entry->is_string() || !entry->get_ref<const std::string&>().starts_with(kHidden)) continue;
      errors.push_back({fmt::format("{}.{}", field, entry.key()), "margayctl hides this value; write the real one"});
      *entry = "";
    }
  }
  return errors;
}

std::vector<FieldError> check(const ObjectId& id, const json& object) {
  // A built-in object as `get` shows it may be applied again; the decoder refuses to be given some of them.
  if (const auto made = built_in(id); made && normal_form(id, *made) == object) return {};
  if (id.kind != Kind::Secret) return decode(id, object, {}, /*strict=*/true).errors;
  json secret = object;
  std::vector<FieldError> errors = take_hidden(secret);
  for (FieldError& error : decode(id, secret, {}, /*strict=*/true).errors) errors.push_back(std::move(error));
  return errors;
}

}  // namespace

Prepared identify_manifest(json manifest, std::string_view ns) {
  Prepared out;
  out.object = std::move(manifest);
  const auto fail = [&](std::string field, std::string reason) {
    out.errors.push_back({std::move(field), std::move(reason)});
    return std::move(out);
  };
  if (!out.object.is_object()) return fail("", "a manifest must be an object with apiVersion, kind and metadata");
  const std::string version = text_at(out.object, "apiVersion"), kind_name = text_at(out.object, "kind");
  const auto kind = find_kind(version, kind_name);
  if (!version.empty() && !kind_name.empty() && !kind) return fail("kind", unknown_kind(version, kind_name));
  const auto metadata = out.object.find("metadata");
  if (kind && metadata != out.object.end() && metadata->is_object() && info(*kind).namespaced) {
    json& field = (*metadata)["namespace"];
    if (field.is_null() || field == "") field = ns.empty() ? std::string{"default"} : std::string{ns};
    else if (!ns.empty() && field != ns)
      return fail("metadata.namespace", fmt::format("is {}, but the command line says -n {}", field.dump(), ns));
  }
  if (kind && metadata != out.object.end() && metadata->is_object() && metadata->contains("generateName") &&
      !metadata->contains("name"))
    return fail("metadata.name", "is required; names are not generated here");
  auto id = identify(out.object);
  if (!id) {
    FieldError error = split_field(id.error().text);
    return fail(std::move(error.field), std::move(error.reason));
  }
  out.id = std::move(*id);
  if (const auto given = metadata->find("resourceVersion"); given != metadata->end() && given->is_string())
    out.resource_version = given->get<std::string>();
  return out;
}

Prepared prepare(json manifest, std::string_view ns) {
  Prepared out = identify_manifest(std::move(manifest), ns);
  if (!out.id) return out;
  // `get` joins it from what the node reports; only the node writes it.
  if (out.id->kind == Kind::CalicoNodeStatus) out.object.erase("status");
  out.object = normal_form(*out.id, std::move(out.object));
  out.errors = check(*out.id, out.object);
  return out;
}

json normal_form(const ObjectId& id, json object) {
  if (const auto metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
    clean_metadata(*metadata);
    if (!id.ns.empty()) (*metadata)["namespace"] = id.ns;
  }
  apply_defaults(id, object);
  return object;
}

std::vector<FieldError> new_errors(const ObjectId& id, const json& before, const json& after) {
  std::vector<FieldError> errors = check(id, after);
  if (errors.empty()) return errors;
  const std::vector<FieldError> old = check(id, before);
  std::erase_if(errors, [&](const FieldError& error) {
    return std::any_of(old.begin(), old.end(),
                       [&](const FieldError& o) { return o.field == error.field && o.reason == error.reason; });
  });
  return errors;
}

json updated(const json& stored, json manifest) {
  json& metadata = manifest["metadata"];
  if (const auto before = stored.find("metadata"); before != stored.end() && before->is_object()) {
    json kept = *before;
    clean_metadata(kept);
    for (const auto& [key, value] : kept.items()) {
      if (key == "labels" || key == "annotations") continue;
      if (!metadata.contains(key) || key == "uid" || key == "creationTimestamp") metadata[key] = value;
    }
  }
  if (!manifest.contains("status") && stored.contains("status")) manifest["status"] = stored["status"];
  return manifest;
}

json presented(Kind kind, json object, std::string_view revision) {
  json& metadata = object["metadata"];
  if (!metadata.is_object()) metadata = json::object();
  if (revision.empty()) metadata.erase("resourceVersion");
  else metadata["resourceVersion"] = revision;
  if (kind != Kind::Secret) return object;
  // Named fields are shown, all others are not: what is not known may be a secret.
  json out = json::object();
  for (const char* field : {"apiVersion", "kind", "metadata", "type", "immutable"})
    if (object.contains(field)) out[field] = object[field];
  json& shown_metadata = out["metadata"];
  if (const auto notes = shown_metadata.find("annotations"); notes != shown_metadata.end() && notes->is_object())
    notes->erase("kubectl.kubernetes.io/last-applied-configuration");
  for (const bool base64 : {true, false}) {
    const char* field = base64 ? "data" : "stringData";
    const auto data = object.find(field);
    if (data == object.end()) continue;
    out[field] = json::object();
    if (!data->is_object()) continue;
    for (const auto& [key, value] : data->items()) out[field][key] = hidden(value, base64);
  }
  return out;
}

void strip_for_export(json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return;
  for (const char* field : {"namespace", "uid", "resourceVersion", "creationTimestamp"}) metadata->erase(field);
}

std::vector<ObjectId> built_ins(Kind kind) {
  std::vector<ObjectId> out;
  for (const auto& [key, value] : built_in_resources())
    if (key.kind == kind) out.push_back({kind, std::string{key.ns.view()}, std::string{key.name.view()}});
  return out;
}

std::optional<json> built_in(const ObjectId& id) {
  for (const auto& [key, value] : built_in_resources()) {
    if (key.kind != id.kind || key.name.view() != id.name) continue;
    json out{{"apiVersion", api_version(id.kind)}, {"kind", info(id.kind).name}, {"metadata", {{"name", id.name}}}};
    if (const auto* tier = std::get_if<Ref<Tier>>(&value)) {
      const double order = (*tier)->order.value_or(0);
      out["spec"] = {{"order", static_cast<std::int64_t>(order)}, {"defaultAction", (*tier)->default_pass ? "Pass" : "Deny"}};
    } else {
      const json allow = json::array({{{"action", "Allow"}}});
      out["spec"] = {{"ingress", allow}, {"egress", allow}};
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace margay::ctl
