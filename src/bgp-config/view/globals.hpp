// Globals: what this node is and what the cluster says to all its nodes, in the two portions that sessions and services depend
// on.
#pragma once

#include "inputs.hpp"

namespace margay::bgp::view {

// A difference here, but in labels, makes all sessions anew.
struct SessionContext {
  Symbol node;
  std::array<std::optional<Addr>, 2> node_ip;
  Labels labels;
  std::uint32_t cluster_as = kDefaultAs, as_number = kDefaultAs;
  std::optional<Addr> cluster_id;
  std::optional<std::uint16_t> cluster_port;  // where Calico's nodes listen; absent: 179
  std::optional<std::uint16_t> listen_port;   // this node
  bool mesh = true;
  std::optional<SecretRef> mesh_password;
  std::optional<std::uint32_t> mesh_restart_time;
  // What workloads dial (localWorkloadPeeringIPV4, …V6), where addresses are listened on one by one (bindMode NodeIP).
  std::array<std::optional<Addr>, 2> workloads_dial;
  friend bool operator==(const SessionContext&, const SessionContext&) = default;
};

// A difference here makes all service routes anew.
struct ServiceContext {
  Symbol node;
  std::vector<Cidr> cluster_ips, external_ips, load_balancer_ips;
  bool aggregate = true;
  bool withheld = false;  // excluded from external load balancers, or draining: nothing is advertised
  friend bool operator==(const ServiceContext&, const ServiceContext&) = default;
};

[[nodiscard]] SessionContext session_context(const Inputs& inputs, const ViewOptions& options, const Node& self);
[[nodiscard]] ServiceContext service_context(const Inputs& inputs, const ViewOptions& options, const Node& self,
                                             std::vector<Problem>& problems);

// An explicit one, the node's IPv4 address, or one made of the node's name.
[[nodiscard]] std::optional<Addr> router_id(const ViewOptions& options, const Node& self);

// The remaining scalars of the router and of its families.
void set_globals(const Inputs& inputs, const ViewOptions& options, const Node& self, Router& router,
                 std::vector<Problem>& problems);

// 179 and "not given" are one thing: a session is not to restart when somebody writes the default down.
[[nodiscard]] inline std::optional<std::uint16_t> unless_default(std::optional<std::uint16_t> port) {
  return port == std::uint16_t{179} ? std::nullopt : port;
}

}  // namespace margay::bgp::view
