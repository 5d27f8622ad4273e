#include "names.hpp"

#include <algorithm>

namespace margay::model {

namespace {

bool lower_alnum(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) noexcept { return lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool dns_label_form(std::string_view text) noexcept {
  if (text.empty() || !lower_alnum(text.front()) || !lower_alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return lower_alnum(c) || c == '-'; });
}

// [A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?, at most 63.
bool name_part(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxDnsLabel || !alnum(text.front()) || !alnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool all_of_class(std::string_view text, std::size_t longest) noexcept {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

// "label" or "label.label"
bool is_policy_name(std::string_view name) noexcept {
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return is_dns_label(name);
  return is_dns_label(name.substr(0, dot)) && is_dns_label(name.substr(dot + 1));
}

bool is_converted_policy_name(std::string_view name) noexcept {
  for (const std::string_view prefix : {"knp.default.", "ossg.default."})
    if (name.starts_with(prefix)) return is_dns_subdomain(name) && is_dns_subdomain(name.substr(prefix.size()));
  return false;
}

}  // namespace

bool is_dns_label(std::string_view text) noexcept { return text.size() <= kMaxDnsLabel && dns_label_form(text); }

bool is_dns_subdomain(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxDnsSubdomain) return false;
  for (;;) {
    const auto dot = text.find('.');
    if (!dns_label_form(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_qualified_name(std::string_view text) noexcept {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return name_part(text);
  return is_dns_subdomain(text.substr(0, slash)) && name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) noexcept { return text.empty() || name_part(text); }

bool is_port_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > 15 || text.find("--") != std::string_view::npos) return false;
  return dns_label_form(text) && std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_named_port(std::string_view text) noexcept { return all_of_class(text, 128); }
bool is_interface_name(std::string_view text) noexcept { return all_of_class(text, 15); }

std::optional<std::string> wrong_object_name(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::Tier:
    case Kind::Namespace:
      if (is_dns_label(name)) return std::nullopt;
      return "must be a DNS label: lower-case letters, digits and '-', at most 63 characters";
    case Kind::Service:  // RFC 1035: a letter first
      if (is_dns_label(name) && !(name.front() >= '0' && name.front() <= '9')) return std::nullopt;
      return "must be a DNS label that starts with a letter, at most 63 characters";
    case Kind::NetworkPolicy:
    case Kind::StagedNetworkPolicy:
      if (is_policy_name(name) || is_converted_policy_name(name)) return std::nullopt;
      return "must be a DNS label, or two joined by '.'";
    case Kind::GlobalNetworkPolicy:
    case Kind::StagedGlobalNetworkPolicy:
      if (is_policy_name(name)) return std::nullopt;
      return "must be a DNS label, or two joined by '.'";
    case Kind::StagedKubernetesNetworkPolicy:
      if (!name.empty() && name.size() <= kMaxDnsSubdomain) return std::nullopt;
      return "must have 1 to 253 characters";
    default:
      if (is_dns_subdomain(name)) return std::nullopt;
      return "must be a DNS subdomain: lower-case letters, digits, '-' and '.', at most 253 characters";
  }
}

}  // namespace margay::model
