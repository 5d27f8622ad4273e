// Kinds of resources and their keys: what an Update is about.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "margay/base/symbol.hpp"

namespace margay {

// Every kind a manifest may have. The order is stable within a build only; nothing persists the numbers.
enum class Kind : std::uint8_t {
  // projectcalico.org/v3
  NetworkPolicy,
  GlobalNetworkPolicy,
  StagedNetworkPolicy,
  StagedGlobalNetworkPolicy,
  StagedKubernetesNetworkPolicy,
  Tier,
  NetworkSet,
  GlobalNetworkSet,
  Profile,
  WorkloadEndpoint,
  HostEndpoint,
  Node,
  IPPool,
  IPReservation,
  FelixConfiguration,
  BGPConfiguration,
  BGPPeer,
  BGPFilter,
  ClusterInformation,
  IPAMBlock,
  IPAMHandle,
  BlockAffinity,
  IPAMConfiguration,
  KubeControllersConfiguration,
  CalicoNodeStatus,
  // v1
  Namespace,
  Pod,
  ServiceAccount,
  Service,
  KubernetesNode,
  Secret,
  // discovery.k8s.io/v1, networking.k8s.io/v1, policy.networking.k8s.io/v1alpha2
  EndpointSlice,
  KubernetesNetworkPolicy,
  ClusterNetworkPolicy,
};

struct KindInfo {
  Kind kind;
  std::string_view name;     // as in a manifest's `kind`
  std::string_view group;    // "projectcalico.org", "" for core
  std::string_view version;  // "v3", "v1", …
  std::string_view plural;
  bool namespaced;
  // Decoded, validated and enforced by this build. A known kind that is not decoded yet may be stored and shown by margayctl.
  bool decoded;
};

[[nodiscard]] std::span<const KindInfo> all_kinds() noexcept;
[[nodiscard]] const KindInfo& info(Kind kind) noexcept;
// By apiVersion ("projectcalico.org/v3", "v1") and kind, as written in a manifest.
[[nodiscard]] std::optional<Kind> find_kind(std::string_view api_version, std::string_view kind) noexcept;
[[nodiscard]] std::string api_version(Kind kind);

struct Key {
  Kind kind = Kind::NetworkPolicy;
  Symbol ns;  // empty for cluster-scoped kinds
  Symbol name;

  [[nodiscard]] std::string to_string() const;  // "NetworkPolicy default/allow-web", "Tier default"
  friend bool operator==(const Key&, const Key&) = default;
  friend auto operator<=>(const Key&, const Key&) = default;  // by kind, then namespace text, then name text
};

}  // namespace margay

template <>
struct std::hash<margay::Key> {
  std::size_t operator()(const margay::Key& k) const noexcept {
    std::size_t h = std::hash<margay::Symbol>{}(k.name);
    h ^= std::hash<margay::Symbol>{}(k.ns) + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
    return h ^ (static_cast<std::size_t>(k.kind) * 0xff51afd7ed558ccdULL);
  }
};
