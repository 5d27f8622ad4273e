// What the calculation graph tells the dataplane: plain values, in dependency order. The internal contract between
// src/felix/calc (maker), src/felix/rules (renders them) and src/felix/dataplane (keeps them).
//
// Order within a flush (style: references exist before their users and outlive them):
//   set updates, set deltas · policies · profiles · endpoint updates · endpoint removes · profile, policy, set removes ·
//   nodes, pools, service CIDRs · InSync (once, after the first flush following sync)
// Add+remove (or remove+add) of one object inside a flush coalesce. A set's delta never adds what is there nor removes what is
// not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "margay/base/clock.hpp"
#include "margay/base/ip.hpp"
#include "margay/base/symbol.hpp"
#include "margay/kernel/set.hpp"
#include "margay/model/key.hpp"
#include "margay/model/resources.hpp"
#include "margay/model/rule.hpp"

namespace margay::calc {

using SetId = Symbol;  // "s:…", "n:…", "svc:…", "svcnoport:…" (policy-rendering §4.1)
using PolicyId = Key;  // kind, namespace, name
using ProfileId = Symbol;
using EndpointId = Key;  // Kind::WorkloadEndpoint or Kind::HostEndpoint

// A policy rule whose selectors, named ports and services have become set ids.
struct ActiveRule {
  Action action = Action::Allow;
  std::optional<Family> family;
  std::optional<Protocol> protocol, not_protocol;
  std::optional<IcmpMatch> icmp, not_icmp;
  std::vector<Cidr> src_nets, not_src_nets, dst_nets, not_dst_nets;
  std::vector<PortRange> src_ports, not_src_ports, dst_ports, not_dst_ports;
  std::vector<SetId> src_sets, not_src_sets, dst_sets, not_dst_sets;                      // hash:net, one dimension
  std::vector<SetId> src_port_sets, not_src_port_sets, dst_port_sets, not_dst_port_sets;  // named ports: hash:ip,port
  std::vector<SetId> dst_service_sets;                                                    // hash:ip,port
  std::vector<std::pair<std::string, std::string>> annotations;
  friend bool operator==(const ActiveRule&, const ActiveRule&) = default;
};

struct ActivePolicy {
  Symbol tier;
  std::string selector;  // canonical text: equal neighbours form a group
  std::vector<ActiveRule> ingress, egress;
  bool staged = false;
  bool do_not_track = false, pre_dnat = false, apply_on_forward = false;
  bool needed_everywhere = false;
  bool closed = false;
  friend bool operator==(const ActivePolicy&, const ActivePolicy&) = default;
};

struct ActiveProfile {
  std::vector<ActiveRule> ingress, egress;
  friend bool operator==(const ActiveProfile&, const ActiveProfile&) = default;
};

// The policies of one tier that select an endpoint, in order, per direction they govern. Staged ones included.
struct TierPolicies {
  Symbol tier;
  bool default_pass = false;
  std::vector<PolicyId> ingress, egress;
  friend bool operator==(const TierPolicies&, const TierPolicies&) = default;
};

struct EndpointPolicies {
  std::vector<TierPolicies> normal, untracked, pre_dnat, forward;  // only `normal` concerns workloads
  std::vector<ProfileId> profiles;
  friend bool operator==(const EndpointPolicies&, const EndpointPolicies&) = default;
};

// ---- messages ------------------------------------------------------------------------------------------------------

struct SetUpdate {  // the whole set; replaces what there was
  SetId id;
  kernel::SetType type = kernel::SetType::HashNet;
  std::vector<kernel::SetMember> members;  // both families
};
struct SetDelta {
  SetId id;
  std::vector<kernel::SetMember> added, removed;
};
struct SetRemove {
  SetId id;
};

struct PolicyUpdate {
  PolicyId id;
  Ref<ActivePolicy> policy;
};
struct PolicyRemove {
  PolicyId id;
};
struct ProfileUpdate {
  ProfileId id;
  Ref<ActiveProfile> profile;
};
struct ProfileRemove {
  ProfileId id;
};

struct WorkloadUpdate {
  EndpointId id;
  Ref<WorkloadEndpoint> endpoint;
  Ref<EndpointPolicies> policies;
  Symbol bgp_peer;  // the BGPPeer by which it is a BGP peer of this node; empty: it is none
};
struct WorkloadRemove {
  EndpointId id;
};
struct HostEndpointUpdate {
  EndpointId id;
  Ref<HostEndpoint> endpoint;
  Ref<EndpointPolicies> policies;
};
struct HostEndpointRemove {
  EndpointId id;
};

struct NodeUpdate {
  Symbol name;
  std::optional<Addr> ipv4, ipv6;
};
struct NodeRemove {
  Symbol name;
};
struct PoolUpdate {
  Symbol name;
  Ref<IpPool> pool;
};
struct PoolRemove {
  Symbol name;
};
struct ServiceCidrsUpdate {
  std::vector<Cidr> cidrs;
};  // cluster, external and load-balancer IPs; sorted, distinct

struct BlocksUpdate {
  std::vector<Cidr> blocks;
};  // this node's address blocks that a blackhole belongs to; sorted, distinct

struct WorkloadPeeringUpdate {
  std::optional<Addr> ipv4, ipv6;
};  // this node's addresses towards workloads that are BGP peers

struct InSync {};

using Message = std::variant<SetUpdate, SetDelta, SetRemove, PolicyUpdate, PolicyRemove, ProfileUpdate, ProfileRemove,
                             WorkloadUpdate, WorkloadRemove, HostEndpointUpdate, HostEndpointRemove, NodeUpdate, NodeRemove,
                             PoolUpdate, PoolRemove, ServiceCidrsUpdate, BlocksUpdate, WorkloadPeeringUpdate, InSync>;

class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void on_message(Message message) = 0;
};

}  // namespace margay::calc
