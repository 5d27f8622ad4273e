// Patches of one object: strategic merge, JSON merge (RFC 7396), JSON patch (RFC 6902). Pure.
//
// Strategic merge follows Kubernetes: lists with a merge key are merged by it, others replaced; `$patch`, `$retainKeys` and
// `$deleteFromPrimitiveList` are obeyed. Calico's kinds have no list with a merge key but those of `metadata` and `status`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/result.hpp"
#include "margay/model/key.hpp"

namespace margay::ctl {

enum class PatchType { Strategic, Merge, Json };

// Leaves the object as it was on error.
[[nodiscard]] Status apply_patch(Kind kind, nlohmann::json& object, const nlohmann::json& patch, PatchType type);

struct LabelChange {
  std::string key;
  std::string value;
  bool remove = false;
};
// "key=value" or "key-"; Invalid otherwise.
[[nodiscard]] Result<LabelChange> parse_label_change(std::string_view text);
// AlreadyExists if a label has another value and `overwrite` is not set.
[[nodiscard]] Status change_labels(nlohmann::json& object, const std::vector<LabelChange>& changes, bool overwrite);

}  // namespace margay::ctl
