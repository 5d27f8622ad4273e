#include "patch.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace margay::ctl {
namespace {

using nlohmann::json;

constexpr std::string_view kDeletePrimitives = "$deleteFromPrimitiveList/";

// The key that elements of a list are merged by (Kubernetes' patchMergeKey); empty: the list is replaced.
std::string_view merge_key(Kind kind, std::string_view field) {
  if (field == "conditions") return "type";
  if (field == "ownerReferences") return "uid";
  if (info(kind).group == "projectcalico.org") return {};
  if (field == "containers" || field == "initContainers" || field == "ephemeralContainers" || field == "env" ||
      field == "volumes" || field == "imagePullSecrets" || field == "secrets")
    return "name";
  if (kind == Kind::Pod && field == "ports") return "containerPort";
  if (kind == Kind::Pod && field == "volumeMounts") return "mountPath";
  if (kind == Kind::Pod && (field == "podIPs" || field == "hostAliases")) return "ip";
  if (kind == Kind::Service && field == "ports") return "port";
  if (kind == Kind::KubernetesNode && field == "addresses") return "type";
  return {};
}

bool merges_primitives(std::string_view field) { return field == "finalizers" || field == "podCIDRs"; }

std::string directive(const json& value) {
  if (!value.is_object()) return {};
  const auto found = value.find("$patch");
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

Error wrong(std::string text) { return Error{ErrorCode::Invalid, std::move(text)}; }

// What stays of a patch that becomes the value: no directives, no nulls.
json without_directives(const json& patch) {
  if (patch.is_array()) {
    json out = json::array();
    for (const json& element : patch) out.push_back(without_directives(element));
    return out;
  }
  if (!patch.is_object()) return patch;
  json out = json::object();
  for (const auto& [key, value] : patch.items())
    if (!key.starts_with("$") && !value.is_null()) out[key] = without_directives(value);
  return out;
}

class Strategic {
 public:
  explicit Strategic(Kind kind) : kind_{kind} {}

  Status merge(json& target, const json& patch, const std::string& path) {
    if (const std::string what = directive(patch); what == "replace") {
      target = without_directives(patch);
      return {};
    } else if (!what.empty() && what != "merge") {
      return wrong(fmt::format("{}: $patch: {} is not understood here", path.empty() ? "the patch" : path, what));
    }
    if (!target.is_object()) target = json::object();
    for (const auto& [key, value] : patch.items()) {
      if (key == "$patch" || key.starts_with("$setElementOrder/")) continue;
      if (key == "$retainKeys") {
        retain(target, value);
        continue;
      }
      if (key.starts_with(kDeletePrimitives)) {
        delete_primitives(target, key.substr(kDeletePrimitives.size()), value);
        continue;
      }
      if (key.starts_with("$")) return wrong(fmt::format("{} is not a directive of a strategic merge patch", key));
      const std::string below = path.empty() ? key : path + "." + key;
      if (value.is_null() || directive(value) == "delete") {
        target.erase(key);
      } else if (value.is_object()) {
        if (auto done = merge(target[key], value, below); !done) return done;
      } else if (value.is_array()) {
        if (auto done = merge_list(target[key], value, key, below); !done) return done;
      } else {
        target[key] = value;
      }
    }
    return {};
  }

 private:
  Status merge_list(json& target, const json& patch, const std::string& field, const std::string& path) {
    const std::string_view key = merge_key(kind_, field);
    const bool replace =
        std::any_of(patch.begin(), patch.end(), [](const json& element) { return directive(element) == "replace"; });
    if (replace || !target.is_array() || (key.empty() && !merges_primitives(field))) {
      target = json::array();
      for (const json& element : patch) {
        const std::string what = directive(element);
        if (what == "delete" || (what == "replace" && element.size() == 1)) continue;
        target.push_back(without_directives(element));
      }
      return {};
    }
    for (const json& element : patch) {
      if (key.empty()) {
        if (std::find(target.begin(), target.end(), element) == target.end()) target.push_back(element);
        continue;
      }
      if (!element.is_object() || !element.contains(key))
        return wrong(fmt::format("{}: every element of the patch needs \"{}\", by which this list is merged", path, key));
      const json& wanted = element[std::string{key}];
      const auto same = [&](const json& row) { return row.is_object() && row.contains(key) && row[std::string{key}] == wanted; };
      const auto found = std::find_if(target.begin(), target.end(), same);
      if (directive(element) == "delete") {
        if (found != target.end()) target.erase(found);
      } else if (found == target.end()) {
        target.push_back(without_directives(element));
      } else if (auto done = merge(*found, element, path); !done) {
        return done;
      }
    }
    return {};
  }

  static void retain(json& target, const json& keys) {
    if (!keys.is_array()) return;
    std::vector<std::string> gone;
    for (const auto& [key, value] : target.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) gone.push_back(key);
    for (const std::string& key : gone) target.erase(key);
  }

  static void delete_primitives(json& target, const std::string& field, const json& values) {
    const auto list = target.find(field);
    if (list == target.end() || !list->is_array() || !values.is_array()) return;
    json left = json::array();
    for (const json& value : *list)
      if (std::find(values.begin(), values.end(), value) == values.end()) left.push_back(value);
    *list = std::move(left);
  }

  Kind kind_;
};

}  // namespace

Status apply_patch(Kind kind, json& object, const json& patch, PatchType type) {
  if (type == PatchType::Json) {
    if (!patch.is_array())
      return wrong("a JSON patch is a list of operations, as in [{\"op\": \"remove\", \"path\": \"/spec/order\"}]");
    try {
      object = object.patch(patch);
    } catch (const json::exception& error) {
      std::string_view reason = error.what();  // "[json.exception.out_of_range.403] key 'x' not found"
      if (const auto end = reason.find("] "); end != std::string_view::npos) reason.remove_prefix(end + 2);
      return wrong(fmt::format("the JSON patch does not apply: {}", reason));
    }
    return {};
  }
  if (!patch.is_object())
    return wrong("the patch must be an object, as in {\"spec\": {\"order\": 10}}; for a list of operations add --type json");
  if (type == PatchType::Merge) {
    object.merge_patch(patch);
    return {};
  }
  json result = object;
  if (auto done = Strategic{kind}.merge(result, patch, {}); !done) return done;
  object = std::move(result);
  return {};
}

Result<LabelChange> parse_label_change(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == 0 || text.empty() || text == "-") return wrong(fmt::format("\"{}\" has no label key", text));
  if (equals != std::string_view::npos)
    return LabelChange{std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}, false};
  if (text.back() == '-') return LabelChange{std::string{text.substr(0, text.size() - 1)}, {}, true};
  return wrong(fmt::format("\"{}\" is neither key=value nor key-", text));
}

Status change_labels(json& object, const std::vector<LabelChange>& changes, bool overwrite) {
  json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = json::object();
  if (!metadata.is_object()) return wrong("metadata: must be an object");
  json labels = metadata.value("labels", json::object());
  if (labels.is_null()) labels = json::object();
  if (!labels.is_object()) return wrong("metadata.labels: must be an object");
  for (const LabelChange& change : changes) {
    if (change.remove) {
      labels.erase(change.key);
      continue;
    }
    const auto found = labels.find(change.key);
    if (found != labels.end() && *found != change.value && !overwrite)
      return Error{ErrorCode::AlreadyExists, fmt::format("label {} is \"{}\" already; add --overwrite to change it", change.key,
                                                         found->is_string() ? found->get<std::string>() : found->dump())};
    labels[change.key] = change.value;
  }
  if (labels.empty()) metadata.erase("labels");
  else metadata["labels"] = std::move(labels);
  return {};
}

}  // namespace margay::ctl
