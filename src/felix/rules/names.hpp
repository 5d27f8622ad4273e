// Names on disk: chains and sets, within the kernel's limits and as Calico spells them (operators grep for them; a host can be
// taken over from Calico and handed back). The one place that makes them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "calc/messages.hpp"
#include "margay/base/ip.hpp"

namespace margay::rules {

inline constexpr std::size_t kMaxChainName = 28;
inline constexpr std::size_t kMaxSetName = 31;
// An interface name longer than this cannot exist (IFNAMSIZ - 1).
inline constexpr std::size_t kMaxInterfaceName = 15;

// ---- fixed chains (policy-rendering §0.1) ----------------------------------------------------------------------------

namespace chain {
inline constexpr std::string_view kPrerouting = "cali-PREROUTING", kInput = "cali-INPUT", kForward = "cali-FORWARD",
                                  kOutput = "cali-OUTPUT", kPostrouting = "cali-POSTROUTING";
inline constexpr std::string_view kFailsafeIn = "cali-failsafe-in", kFailsafeOut = "cali-failsafe-out";
inline constexpr std::string_view kWorkloadToHost = "cali-wl-to-host";
inline constexpr std::string_view kFromWorkload = "cali-from-wl-dispatch", kToWorkload = "cali-to-wl-dispatch";
inline constexpr std::string_view kFromHost = "cali-from-host-endpoint", kToHost = "cali-to-host-endpoint";
inline constexpr std::string_view kFromHostForward = "cali-from-hep-forward", kToHostForward = "cali-to-hep-forward";
inline constexpr std::string_view kCidrBlock = "cali-cidr-block", kRpfSkip = "cali-rpf-skip";
inline constexpr std::string_view kNatOutgoing = "cali-nat-outgoing", kFloatingDnat = "cali-fip-dnat",
                                  kFloatingSnat = "cali-fip-snat";
inline constexpr std::string_view kEgressDscp = "cali-egress-dscp";
// Ours alone. `goto`ed from policy chains: set the bit and fall off the end, back to the caller of the policy chain.
inline constexpr std::string_view kAllow = "cali-allow", kPass = "cali-pass";
// Ours alone: what raw does with a packet that a workload sent.
inline constexpr std::string_view kAntiSpoof = "cali-rpf-check";
}  // namespace chain

// `prefix + suffix` if that fits, else prefix, '_' and a digest, exactly `max` long. An empty suffix is written "_".
[[nodiscard]] std::string limit_name(std::string_view prefix, std::string_view suffix, std::size_t max = kMaxChainName);

// "gnp/name", "np/ns/name", …: what policy chain names, log prefixes and flow logs call a policy.
[[nodiscard]] std::string policy_label(const calc::PolicyId& id);
[[nodiscard]] std::string_view short_kind(Kind kind) noexcept;   // "gnp", "knp", …
[[nodiscard]] std::string_view policy_kind(Kind kind) noexcept;  // "GlobalNetworkPolicy", "KubernetesNetworkPolicy", …

// cali-pi-… / cali-po-…, cali-pri-… / cali-pro-…: Ingress is inbound to the endpoint.
[[nodiscard]] std::string policy_chain_name(const calc::PolicyId& id, Direction direction);
[[nodiscard]] std::string profile_chain_name(const calc::ProfileId& id, Direction direction);
// cali-gi-… / cali-go-…: named after its selector, direction and all its policies in order (staged ones too), as Calico does.
[[nodiscard]] std::string group_chain_name(std::string_view selector, Direction direction,
                                           std::span<const calc::PolicyId> policies);

// Ingress: packets to the workload (cali-tw-), Egress: from it (cali-fw-).
[[nodiscard]] std::string workload_chain_name(std::string_view interface_name, Direction direction);
// Host endpoints: "cali-th-"/"cali-fh-", forwarded "cali-thfw-"/"cali-fhfw-". Ingress is `f` (from the wire to the host).
[[nodiscard]] std::string host_chain_name(std::string_view interface_name, Direction direction, bool forward);

// ---- sets (§4.1) -----------------------------------------------------------------------------------------------------

namespace set {
// Ids of sets that managers own, not the graph.
inline constexpr std::string_view kMasqueradePools = "masq-ipam-pools", kPools = "network-ip-pools", kAllHosts = "all-hosts-net",
                                  kAllVxlan = "all-vxlan-net", kThisHost = "this-host", kDscpSources = "dscp-src-net";
}  // namespace set

// "cali40" or "cali60" and the id, cut to 31 characters.
[[nodiscard]] std::string set_name(Family family, std::string_view id);
// "cali4t<n>" or "cali6t<n>".
[[nodiscard]] std::string temporary_set_name(Family family, unsigned number);
// A name of a temporary set of ours, left over or in use.
[[nodiscard]] bool is_temporary_set_name(std::string_view name) noexcept;

}  // namespace margay::rules
