// What stands in etcd under a v3 resource's key ↔ the manifest, as Calico's clients write and read it (datastore-model §1.4).
//
// Pure. `address` is what the key says. The name of a tiered policy is not always the key's: the two are kept apart, and a
// manifest carries the name that people use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/result.hpp"
#include "margay/model/decode.hpp"

namespace margay::datastore {

// The manifest, its resourceVersion being `mod_revision`. Invalid: no JSON object, one that nests too deeply, or of another kind.
[[nodiscard]] Result<nlohmann::json> manifest_of(const ObjectId& address, std::string_view value, std::int64_t mod_revision);

// What an object gets when it is created: Calico's clients refuse to update one without.
struct Birth {
  std::string uid;                 // random, version 4
  std::string creation_timestamp;  // RFC 3339, UTC, whole seconds
};

// The value to store at `address`. `before`: the manifest that is there now, whose birth is kept; null: none, and the object gets
// what `birth` says unless it brings its own.
[[nodiscard]] std::string value_of(const ObjectId& address, nlohmann::json manifest, const nlohmann::json* before,
                                   const Birth& birth);

// Policies that belong to a tier: their name may differ from the key's.
[[nodiscard]] bool is_tiered(Kind kind) noexcept;

// projectcalico-default-allow: never stored, always there.
[[nodiscard]] bool is_virtual(const ObjectId& id) noexcept;
[[nodiscard]] nlohmann::json virtual_profile();

// JSON text → value. Invalid: no JSON, or one that nests so deeply that walking it would take the stack.
[[nodiscard]] Result<nlohmann::json> parse_value(std::string_view text);

}  // namespace margay::datastore
