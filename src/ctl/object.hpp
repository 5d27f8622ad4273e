// One manifest on its way into the datastore, and an object on its way to a person's eyes. Pure.
//
// Into: namespace filled in, what only a server writes taken off, Calico's defaults put in, everything checked strictly.
// Out: built-in objects look like others; what a Secret holds is never shown, and what is shown cannot be written back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"

namespace margay::ctl {

// How a hidden value starts, its size following: "<hidden: 7 bytes>". Nothing that starts so can be written.
inline constexpr std::string_view kHidden = "<hidden";

struct Prepared {
  std::optional<ObjectId> id;
  nlohmann::json object;
  std::string resource_version;    // of the manifest; not stored
  std::vector<FieldError> errors;  // not empty: nothing may be written
};

// `ns`: of the command line, empty if none was given.
[[nodiscard]] Prepared identify_manifest(nlohmann::json manifest, std::string_view ns);
[[nodiscard]] Prepared prepare(nlohmann::json manifest, std::string_view ns);
// The object as prepare() leaves one: what "unchanged" compares.
[[nodiscard]] nlohmann::json normal_form(const ObjectId& id, nlohmann::json object);
// Errors of `after` that `before` did not have: an edit is not blamed for what it found.
[[nodiscard]] std::vector<FieldError> new_errors(const ObjectId& id, const nlohmann::json& before, const nlohmann::json& after);

// What an update writes (datastore-model §5.3): the manifest, with the stored metadata but for labels and annotations, and the
// stored status if the manifest has none.
[[nodiscard]] nlohmann::json updated(const nlohmann::json& stored, nlohmann::json manifest);

[[nodiscard]] nlohmann::json presented(Kind kind, nlohmann::json object, std::string_view revision);
// Takes off what ties an object to this datastore.
void strip_for_export(nlohmann::json& object);

[[nodiscard]] std::vector<ObjectId> built_ins(Kind kind);
[[nodiscard]] std::optional<nlohmann::json> built_in(const ObjectId& id);

}  // namespace margay::ctl
