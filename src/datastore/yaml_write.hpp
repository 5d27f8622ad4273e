// A JSON document → YAML text as a person would write it: apiVersion, kind, metadata first, no quotes where none are needed.
// Pure. parse_manifests reads back the equal document.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace margay::datastore {

[[nodiscard]] std::string write_yaml(const nlohmann::json& document);

}  // namespace margay::datastore
