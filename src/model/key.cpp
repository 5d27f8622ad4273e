#include "margay/model/key.hpp"

#include <array>

#include "margay/base/assert.hpp"

namespace margay {
namespace {

constexpr std::string_view kCalico = "projectcalico.org";

// In the order of Kind, so that info() is an index.
constexpr std::array<KindInfo, 34> kKinds{{
    {Kind::NetworkPolicy, "NetworkPolicy", kCalico, "v3", "networkpolicies", true, true},
    {Kind::GlobalNetworkPolicy, "GlobalNetworkPolicy", kCalico, "v3", "globalnetworkpolicies", false, true},
    {Kind::StagedNetworkPolicy, "StagedNetworkPolicy", kCalico, "v3", "stagednetworkpolicies", true, true},
    {Kind::StagedGlobalNetworkPolicy, "StagedGlobalNetworkPolicy", kCalico, "v3", "stagedglobalnetworkpolicies", false, true},
    {Kind::StagedKubernetesNetworkPolicy, "StagedKubernetesNetworkPolicy", kCalico, "v3", "stagedkubernetesnetworkpolicies", true,
     true},
    {Kind::Tier, "Tier", kCalico, "v3", "tiers", false, true},
    {Kind::NetworkSet, "NetworkSet", kCalico, "v3", "networksets", true, true},
    {Kind::GlobalNetworkSet, "GlobalNetworkSet", kCalico, "v3", "globalnetworksets", false, true},
    {Kind::Profile, "Profile", kCalico, "v3", "profiles", false, true},
    {Kind::WorkloadEndpoint, "WorkloadEndpoint", kCalico, "v3", "workloadendpoints", true, true},
    {Kind::HostEndpoint, "HostEndpoint", kCalico, "v3", "hostendpoints", false, true},
    {Kind::Node, "Node", kCalico, "v3", "nodes", false, true},
    {Kind::IPPool, "IPPool", kCalico, "v3", "ippools", false, true},
    {Kind::IPReservation, "IPReservation", kCalico, "v3", "ipreservations", false, false},
    {Kind::FelixConfiguration, "FelixConfiguration", kCalico, "v3", "felixconfigurations", false, true},
    {Kind::BGPConfiguration, "BGPConfiguration", kCalico, "v3", "bgpconfigurations", false, true},
    {Kind::BGPPeer, "BGPPeer", kCalico, "v3", "bgppeers", false, true},
    {Kind::BGPFilter, "BGPFilter", kCalico, "v3", "bgpfilters", false, true},
    {Kind::ClusterInformation, "ClusterInformation", kCalico, "v3", "clusterinformations", false, true},
    {Kind::IPAMBlock, "IPAMBlock", kCalico, "v3", "ipamblocks", false, false},
    {Kind::IPAMHandle, "IPAMHandle", kCalico, "v3", "ipamhandles", false, false},
    {Kind::BlockAffinity, "BlockAffinity", kCalico, "v3", "blockaffinities", false, true},
    {Kind::IPAMConfiguration, "IPAMConfiguration", kCalico, "v3", "ipamconfigurations", false, false},
    {Kind::KubeControllersConfiguration, "KubeControllersConfiguration", kCalico, "v3", "kubecontrollersconfigurations", false,
     false},
    {Kind::CalicoNodeStatus, "CalicoNodeStatus", kCalico, "v3", "caliconodestatuses", false, true},
    {Kind::Namespace, "Namespace", "", "v1", "namespaces", false, true},
    {Kind::Pod, "Pod", "", "v1", "pods", true, true},
    {Kind::ServiceAccount, "ServiceAccount", "", "v1", "serviceaccounts", true, true},
    {Kind::Service, "Service", "", "v1", "services", true, true},
    {Kind::KubernetesNode, "Node", "", "v1", "nodes", false, true},
    {Kind::Secret, "Secret", "", "v1", "secrets", true, true},
    {Kind::EndpointSlice, "EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", true, true},
    {Kind::KubernetesNetworkPolicy, "NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", true, true},
    {Kind::ClusterNetworkPolicy, "ClusterNetworkPolicy", "policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", false,
     false},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (static_cast<std::size_t>(kKinds[i].kind) != i) return false;
  }
  return static_cast<std::size_t>(Kind::ClusterNetworkPolicy) + 1 == kKinds.size();
}
static_assert(in_order());

}  // namespace

std::span<const KindInfo> all_kinds() noexcept { return kKinds; }

const KindInfo& info(Kind kind) noexcept {
  MARGAY_ASSERT(static_cast<std::size_t>(kind) < kKinds.size());
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<Kind> find_kind(std::string_view api_version, std::string_view kind) noexcept {
  const auto slash = api_version.find('/');
  const bool core = slash == std::string_view::npos;
  const auto group = core ? std::string_view{} : api_version.substr(0, slash);
  const auto version = core ? api_version : api_version.substr(slash + 1);
  if (!core && group.empty()) return std::nullopt;
  for (const auto& row : kKinds) {
    if (row.name == kind && row.group == group && row.version == version) return row.kind;
  }
  return std::nullopt;
}

std::string api_version(Kind kind) {
  const auto& row = info(kind);
  if (row.group.empty()) return std::string{row.version};
  return std::string{row.group} + '/' + std::string{row.version};
}

std::string Key::to_string() const {
  std::string out{info(kind).name};
  out += ' ';
  if (!ns.empty()) {
    out += ns.view();
    out += '/';
  }
  out += name.view();
  return out;
}

}  // namespace margay
