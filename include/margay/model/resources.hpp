// One plain struct per kind that a daemon reads, decoded and validated. Immutable once published: Ref<T> is shared, so the
// model of the cluster costs memory once, whoever holds it. No JSON is kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/symbol.hpp"
#include "margay/model/bgp.hpp"
#include "margay/model/key.hpp"
#include "margay/model/labels.hpp"
#include "margay/model/rule.hpp"
#include "margay/model/selector.hpp"

namespace margay {

template <class T>
using Ref = std::shared_ptr<const T>;

// Every policy kind in one form: Calico's (global) network policies, their staged variants, and Kubernetes' NetworkPolicy
// (tier default, order 1000). Key.kind says which it was.
struct Policy {
  Symbol tier = "default";
  std::optional<double> order;  // absent: last
  Selector selector;            // namespace, service account and orchestrator terms worked in
  bool governs_ingress = true;  // `types`, defaulted
  bool governs_egress = false;
  std::vector<Rule> ingress, egress;
  bool do_not_track = false;
  bool pre_dnat = false;
  bool apply_on_forward = false;
  bool needed_everywhere = false;  // performanceHints: AssumeNeededOnEveryNode
  bool staged = false;             // ordered with the others, never enforced
  // The resource was never valid, but says what it selects: the rules are one Deny in each direction it governs (law 3).
  bool closed = false;
  friend bool operator==(const Policy&, const Policy&) = default;
};

struct Tier {
  std::optional<double> order;  // absent: last
  bool default_pass = false;    // defaultAction: Pass
  friend bool operator==(const Tier&, const Tier&) = default;
};

// NetworkSet and GlobalNetworkSet. A NetworkSet has its namespace label in `labels` and `kns.<ns>` as parent.
struct NetworkSet {
  Labels labels;
  std::vector<Symbol> profiles;
  std::vector<Cidr> nets;  // as given, deduplicated; /0 is legal here
  friend bool operator==(const NetworkSet&, const NetworkSet&) = default;
};

// Profile, and what a Namespace (kns.) or ServiceAccount (ksa.) means.
struct Profile {
  Labels labels_to_apply;
  std::vector<Rule> ingress, egress;
  friend bool operator==(const Profile&, const Profile&) = default;
};

struct EndpointPort {
  Symbol name;
  std::optional<Protocol> protocol;  // number
  // Given as a name (TCP, UDP, SCTP), not as a number: named-port rules without protocol match only those.
  bool protocol_by_name = true;
  std::uint16_t port = 0;
  friend bool operator==(const EndpointPort&, const EndpointPort&) = default;
};

struct Nat {
  Addr internal, external;
  friend bool operator==(const Nat&, const Nat&) = default;
};

// qosControls; absent means unlimited. Rates in packets per second, connections counted.
struct QosControls {
  std::optional<std::uint32_t> ingress_packet_rate, egress_packet_rate, ingress_packet_burst, egress_packet_burst;
  std::optional<std::uint32_t> ingress_max_connections, egress_max_connections;
  std::optional<std::uint8_t> dscp;
  friend bool operator==(const QosControls&, const QosControls&) = default;
};

struct WorkloadEndpoint {
  Symbol node;
  Symbol orchestrator;    // "k8s", "cni", …
  Symbol workload;        // "<ns>/<pod>" and the like: the v1 workload id
  Symbol endpoint;        // "eth0"
  Symbol interface_name;  // on the host
  std::optional<Mac> mac;
  Labels labels;  // with the projectcalico.org/ ones
  std::vector<Symbol> profiles;
  std::vector<Cidr> nets;           // host prefixes of both families; empty for a finished pod
  std::vector<EndpointPort> ports;  // named ones
  std::vector<Nat> nats;
  std::vector<Cidr> allowed_source_prefixes;
  std::optional<QosControls> qos;
  bool active = true;  // admin state
  friend bool operator==(const WorkloadEndpoint&, const WorkloadEndpoint&) = default;
};

struct HostEndpoint {
  Symbol node;
  Symbol interface_name;  // "*": all; empty: by expected IPs
  Labels labels;
  std::vector<Symbol> profiles;
  std::vector<Addr> expected_ips;
  std::vector<EndpointPort> ports;
  friend bool operator==(const HostEndpoint&, const HostEndpoint&) = default;
};

// Calico's Node, and what a v1 Node means (its annotations).
struct Node {
  Labels labels;
  std::optional<Addr> ipv4, ipv6;  // spec.bgp.ipv4Address / ipv6Address without the prefix length
  std::optional<Cidr> ipv4_net, ipv6_net;
  std::optional<std::uint32_t> as_number;
  std::string route_reflector_cluster_id;
  std::vector<Cidr> pod_cidrs;
  std::array<std::optional<Addr>, 2> wireguard;  // interface address, by Family
  // Annotation bgp.margay.io/drain: "true": routes carry the graceful-shutdown community (RFC 8326) and no service is advertised.
  bool draining = false;
  friend bool operator==(const Node&, const Node&) = default;
};

struct IpPool {
  Cidr cidr;
  bool nat_outgoing = false;
  bool disabled = false;
  bool disable_bgp_export = false;
  bool only_load_balancer = false;  // allowedUses is exactly [LoadBalancer]
  enum class Encap : std::uint8_t { Never, Always, CrossSubnet };
  Encap ipip = Encap::Never, vxlan = Encap::Never;
  std::uint8_t block_size = 26;
  Selector node_selector;
  std::optional<Selector> namespace_selector;
  bool use_workload = true, use_tunnel = true, use_load_balancer = false;
  bool automatic = true;  // assignmentMode
  friend bool operator==(const IpPool&, const IpPool&) = default;
};

// Parameters by Felix name in text form ("iptablesMarkMask" → "IptablesMarkMask": "0xffff0000"); the daemon parses them.
struct FelixConfiguration {
  std::map<std::string, std::string> parameters;
  std::optional<Selector> node_selector;
  std::string creation_timestamp;  // RFC 3339; of several matching by selector the oldest wins
  friend bool operator==(const FelixConfiguration&, const FelixConfiguration&) = default;
};

struct ClusterInformation {
  std::string cluster_guid, cluster_type, calico_version;
  std::optional<bool> datastore_ready;  // false: what is enforced stays, nothing new is programmed
  friend bool operator==(const ClusterInformation&, const ClusterInformation&) = default;
};

struct ServicePort {
  Symbol name;
  Protocol protocol = protocol::kTcp;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

struct Service {
  std::string type;  // ClusterIP, NodePort, LoadBalancer, ExternalName
  std::vector<Addr> cluster_ips, external_ips, load_balancer_ips;
  std::vector<ServicePort> ports;
  bool external_policy_local = false;  // externalTrafficPolicy: Local
  bool internal_policy_local = false;
  std::optional<Addr> requested_load_balancer_ip;  // spec.loadBalancerIP
  std::vector<Family> families;                    // ipFamilies; empty: not said
  friend bool operator==(const Service&, const Service&) = default;
};

struct EndpointSlice {
  Symbol service;  // label kubernetes.io/service-name; empty: belongs to none
  struct Endpoint {
    std::vector<Addr> addresses;
    Symbol node;
    bool ready = true;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
  };
  std::vector<Endpoint> endpoints;
  std::vector<ServicePort> ports;  // those with a number
  std::optional<Family> family;    // addressType; absent: FQDN
  friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

using Resource =
    std::variant<Ref<Policy>, Ref<Tier>, Ref<NetworkSet>, Ref<Profile>, Ref<WorkloadEndpoint>, Ref<HostEndpoint>, Ref<Node>,
                 Ref<IpPool>, Ref<FelixConfiguration>, Ref<BgpConfiguration>, Ref<ClusterInformation>, Ref<Service>,
                 Ref<EndpointSlice>, Ref<BgpPeer>, Ref<BgpFilter>, Ref<BlockAffinity>, Ref<Secret>, Ref<CalicoNodeStatus>>;

}  // namespace margay
