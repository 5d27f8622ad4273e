#include "rules/names.hpp"

#include "margay/base/hash.hpp"

namespace margay::rules {
namespace {

// The pseudo-interface of a host endpoint for all interfaces; Calico's, so that chain names agree.
constexpr std::string_view kAnyInterface = "any-interface-at-all";

}  // namespace

std::string limit_name(std::string_view prefix, std::string_view suffix, std::size_t max) {
  if (suffix.empty()) suffix = "_";
  const std::size_t size = prefix.size() + suffix.size();
  // A plain name of exactly `max` that begins with '_' would look like a digest.
  if (size < max || (size == max && suffix.front() != '_')) return std::string{prefix}.append(suffix);
  std::string name{prefix};
  name += '_';
  name += base64url(sha256(suffix));
  name.resize(max);
  return name;
}

std::string_view short_kind(Kind kind) noexcept {
  switch (kind) {
    case Kind::NetworkPolicy: return "np";
    case Kind::GlobalNetworkPolicy: return "gnp";
    case Kind::StagedNetworkPolicy: return "snp";
    case Kind::StagedGlobalNetworkPolicy: return "sgnp";
    case Kind::StagedKubernetesNetworkPolicy: return "sknp";
    case Kind::KubernetesNetworkPolicy: return "knp";
    case Kind::ClusterNetworkPolicy: return "kcnp";
    default: return "unknown";
  }
}

std::string_view policy_kind(Kind kind) noexcept {
  switch (kind) {
    case Kind::NetworkPolicy: return "NetworkPolicy";
    case Kind::GlobalNetworkPolicy: return "GlobalNetworkPolicy";
    case Kind::StagedNetworkPolicy: return "StagedNetworkPolicy";
    case Kind::StagedGlobalNetworkPolicy: return "StagedGlobalNetworkPolicy";
    case Kind::StagedKubernetesNetworkPolicy: return "StagedKubernetesNetworkPolicy";
    case Kind::KubernetesNetworkPolicy: return "KubernetesNetworkPolicy";
    case Kind::ClusterNetworkPolicy: return "KubernetesClusterNetworkPolicy";
    default: return "Unknown";
  }
}

std::string policy_label(const calc::PolicyId& id) {
  std::string label{short_kind(id.kind)};
  label += '/';
  if (!id.ns.empty()) {
    label += id.ns.view();
    label += '/';
  }
  label += id.name.view();
  return label;
}

std::string policy_chain_name(const calc::PolicyId& id, Direction direction) {
  return limit_name(direction == Direction::Ingress ? "cali-pi-" : "cali-po-", policy_label(id));
}

std::string profile_chain_name(const calc::ProfileId& id, Direction direction) {
  return limit_name(direction == Direction::Ingress ? "cali-pri-" : "cali-pro-", id.view());
}

std::string group_chain_name(std::string_view selector, Direction direction, std::span<const calc::PolicyId> policies) {
  std::string text{selector};
  text += direction == Direction::Ingress ? "\ninbound\n" : "\noutbound\n";
  text += std::to_string(policies.size());
  text += '\n';
  for (const calc::PolicyId& id : policies) {
    text += "{Name: ";
    text += id.name.view();
    text += ", Namespace: ";
    text += id.ns.view();
    text += ", Kind: ";
    text += policy_kind(id.kind);
    text += "}\n";
  }
  std::string name{direction == Direction::Ingress ? "cali-gi-" : "cali-go-"};
  name += base64url(sha3_224(text));
  name.resize(kMaxChainName);
  return name;
}

std::string workload_chain_name(std::string_view interface_name, Direction direction) {
  return limit_name(direction == Direction::Ingress ? "cali-tw-" : "cali-fw-", interface_name);
}

std::string host_chain_name(std::string_view interface_name, Direction direction, bool forward) {
  const bool from = direction == Direction::Ingress;
  const std::string_view prefix = forward ? (from ? "cali-fhfw-" : "cali-thfw-") : (from ? "cali-fh-" : "cali-th-");
  return limit_name(prefix, interface_name == "*" ? kAnyInterface : interface_name);
}

std::string set_name(Family family, std::string_view id) {
  std::string name{"cali"};
  name += digit(family);
  name += '0';  // the format token: changes if a set of the same id changes its type
  name += id;
  if (name.size() > kMaxSetName) name.resize(kMaxSetName);
  return name;
}

std::string temporary_set_name(Family family, unsigned number) {
  return std::string{"cali"} + digit(family) + 't' + std::to_string(number);
}

bool is_temporary_set_name(std::string_view name) noexcept { return name.starts_with("cali4t") || name.starts_with("cali6t"); }

}  // namespace margay::rules
