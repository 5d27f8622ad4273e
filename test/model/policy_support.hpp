// Decoding a manifest written as JSON text, for tests of policies.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"
#include "support/catch.hpp"

namespace margay::test {

inline Decoded decode_text(const std::string& text, bool strict = false) {
  CAPTURE(text);
  const auto manifest = nlohmann::json::parse(text);
  const auto id = identify(manifest);
  if (!id) FAIL(id.error().text);
  return decode(*id, manifest, {}, strict);
}

inline std::string manifest(const std::string& api_version, const std::string& kind, const std::string& spec) {
  const bool global = kind.find("Global") != std::string::npos || kind == "Tier";
  return R"({"apiVersion":")" + api_version + R"(","kind":")" + kind + R"(","metadata":{"name":"p1")" +
         (global ? "" : R"(,"namespace":"ns1")") + R"(},"spec":)" + spec + "}";
}
inline std::string calico(const std::string& kind, const std::string& spec) {
  return manifest("projectcalico.org/v3", kind, spec);
}
inline std::string kubernetes(const std::string& spec) { return manifest("networking.k8s.io/v1", "NetworkPolicy", spec); }

inline std::string shown(const Decoded& decoded) {
  std::string out;
  for (const auto& error : decoded.errors) out += error.field + ": " + error.reason + "\n";
  return out;
}

inline bool has_error(const Decoded& decoded, const std::string& field, const std::string& reason) {
  for (const auto& error : decoded.errors) {
    if (error.field == field && error.reason.find(reason) != std::string::npos) return true;
  }
  return false;
}

// The policy of a manifest without errors.
inline Policy policy_of(const std::string& text) {
  const auto decoded = decode_text(text, true);
  CAPTURE(text);
  INFO(shown(decoded));
  REQUIRE(decoded.errors.empty());
  REQUIRE(decoded.value);
  return *std::get<Ref<Policy>>(*decoded.value);
}

// The closed form of an invalid one, or nothing.
inline std::optional<Policy> closed_of(const std::string& text) {
  const auto decoded = decode_text(text);
  CAPTURE(text);
  REQUIRE_FALSE(decoded.errors.empty());
  REQUIRE(decoded.key);
  if (!decoded.value) return std::nullopt;
  const auto& policy = *std::get<Ref<Policy>>(*decoded.value);
  REQUIRE(policy.closed);
  for (const auto* rules : {&policy.ingress, &policy.egress}) {
    REQUIRE(rules->size() <= 1);
    if (!rules->empty()) REQUIRE(rules->front() == Rule{.action = Action::Deny});
  }
  REQUIRE(policy.governs_ingress == !policy.ingress.empty());
  REQUIRE(policy.governs_egress == !policy.egress.empty());
  return policy;
}

}  // namespace margay::test
