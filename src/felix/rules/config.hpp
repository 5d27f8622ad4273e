// What rendering depends on: the subset of Felix's parameters that shapes rules, typed. Made by src/felix/config, given to
// renderers and managers at construction; a change of any of them restarts the daemon (exit 129).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/model/rule.hpp"

namespace margay::rules {

enum class Verdict : std::uint8_t { Accept, Return, Drop, Reject };

struct FailsafePort {
  Protocol protocol = protocol::kTcp;
  std::uint16_t port = 0;
  std::optional<Cidr> net;
  friend bool operator==(const FailsafePort&, const FailsafePort&) = default;
};

struct Config {
  std::vector<std::string> interface_prefixes{"cali"};
  std::uint32_t mark_mask = 0xffff0000;
  Verdict filter_allow = Verdict::Accept;    // Accept or Return
  Verdict mangle_allow = Verdict::Accept;    // Accept or Return
  Verdict filter_deny = Verdict::Drop;       // Drop or Reject; raw and mangle always Drop
  Verdict endpoint_to_host = Verdict::Drop;  // DefaultEndpointToHostAction: Drop, Accept, Return
  bool append_hooks = false;                 // ChainInsertMode
  bool disable_conntrack_invalid_check = false;
  bool allow_vxlan_from_workloads = false;
  bool allow_ipip_from_workloads = false;
  std::uint16_t vxlan_port = 4789;
  std::string log_prefix = "calico-packet";
  std::string log_rate;  // "10/minute"; empty: unlimited
  std::uint32_t log_burst = 5;
  std::optional<PortRange> nat_port_range;
  std::optional<Addr> nat_outgoing_address;  // IPv4
  bool nat_exclude_hosts = false;            // NATOutgoingExclusions: IPPoolsAndHostIPs
  std::string nat_outgoing_interface;        // "eth+" allowed; empty: any
  enum class LoopPrevention : std::uint8_t { Drop, Reject, Disabled } loop_prevention = LoopPrevention::Drop;
  bool spoofing_allowed = false;  // WorkloadSourceSpoofing: Any
  bool floating_ips = false;
  bool ipv6 = true;
  bool random_fully = true;          // kernel ≥ 3.14 and not overridden
  bool flow_logs = false;            // NFLOG rules
  std::vector<Cidr> external_nodes;  // ExternalNodesCIDRList
  std::vector<FailsafePort> failsafe_in, failsafe_out;
  std::uint32_t max_set_size = 1048576;
  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace margay::rules
