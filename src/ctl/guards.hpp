// What a Calico client refuses to write or delete although it is well-formed (datastore-model §3, §5.3). Pure but for the
// lookups, which the caller brings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/model/decode.hpp"

namespace margay::ctl {

struct Lookup {
  std::function<Result<bool>(const ObjectId&)> exists;
  std::function<Result<std::vector<nlohmann::json>>(Kind)> list;
};

// `before`: what is stored now, null if it would be created. An error says why it is refused.
[[nodiscard]] Status guard_write(const ObjectId& id, const nlohmann::json& object, const nlohmann::json* before,
                                 const Lookup& lookup);
[[nodiscard]] Status guard_delete(const ObjectId& id, const Lookup& lookup);

}  // namespace margay::ctl
