// For tests of decoders: a manifest as JSON text in, the value and the errors as text out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"
#include "support/catch.hpp"

namespace margay::test {

// Errors as lines "field: reason"; of identify() too.
inline std::string errors_of(const nlohmann::json& manifest, bool strict = false) {
  const auto id = identify(manifest);
  if (!id) return id.error().text + "\n";
  std::string out;
  for (const FieldError& e : decode(*id, manifest, {}, strict).errors) out += e.field + ": " + e.reason + "\n";
  return out;
}

inline Decoded decoded(const nlohmann::json& manifest) {
  const auto id = identify(manifest);
  INFO(manifest.dump());
  if (!id) INFO(id.error().text);
  REQUIRE(id);
  Decoded out = decode(*id, manifest, {});
  for (const FieldError& e : out.errors) UNSCOPED_INFO(e.field << ": " << e.reason);
  REQUIRE(out.errors.empty());
  return out;
}

template <class T>
std::shared_ptr<const T> value_of(const nlohmann::json& manifest) {
  const Decoded out = decoded(manifest);
  REQUIRE(out.key);
  REQUIRE(out.value);
  REQUIRE(std::holds_alternative<Ref<T>>(*out.value));
  return std::get<Ref<T>>(*out.value);
}

// A valid manifest, changed by JSON merge patch (RFC 7396), and what must be wrong with it then: each line starts so. Empty: it
// is still valid.
struct Case {
  const char* patch;
  const char* errors;
};

inline void check_cases(const char* valid, std::initializer_list<Case> cases) {
  const auto base = nlohmann::json::parse(valid);
  CHECK(errors_of(base) == "");
  for (const Case& c : cases) {
    auto manifest = base;
    manifest.merge_patch(nlohmann::json::parse(c.patch));
    const std::string found = errors_of(manifest);
    INFO(c.patch << "\nfound:\n" << found);
    if (std::string_view{c.errors}.empty()) CHECK(found == "");
    else CHECK(found.rfind(c.errors, 0) == 0);
  }
}

}  // namespace margay::test
