// The forms names, labels and ports may have (Kubernetes' API validation, Calico's v3 validation). Pure predicates.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "margay/model/key.hpp"

namespace margay::model {

inline constexpr std::size_t kMaxDnsLabel = 63;
inline constexpr std::size_t kMaxDnsSubdomain = 253;

[[nodiscard]] bool is_dns_label(std::string_view text) noexcept;      // RFC 1123: [a-z0-9]([-a-z0-9]*[a-z0-9])?, at most 63
[[nodiscard]] bool is_dns_subdomain(std::string_view text) noexcept;  // RFC 1123 labels of any length joined by '.', at most 253
[[nodiscard]] bool is_qualified_name(
    std::string_view text) noexcept;  // label and annotation keys: [subdomain/]name, name at most 63
[[nodiscard]] bool is_label_value(std::string_view text) noexcept;     // at most 63, may be empty
[[nodiscard]] bool is_port_name(std::string_view text) noexcept;       // RFC 6335: at most 15, a letter in it, no "--"
[[nodiscard]] bool is_named_port(std::string_view text) noexcept;      // in Calico's rules: [a-zA-Z0-9_.-]{1,128}
[[nodiscard]] bool is_interface_name(std::string_view text) noexcept;  // [a-zA-Z0-9_.-]{1,15}

// What is wrong with this name of an object of this kind, or nothing.
[[nodiscard]] std::optional<std::string> wrong_object_name(Kind kind, std::string_view name);

}  // namespace margay::model
