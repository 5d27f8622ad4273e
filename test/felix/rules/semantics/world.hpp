// A small made-up node: workloads, tiers, policies, profiles, sets, and packets that cross it. Shared by the oracle, the
// interpreter and the generator; it knows nothing of chains.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "calc/messages.hpp"
#include "rules/config.hpp"

namespace margay::rules::semantics {

struct Packet {
  Family family = Family::V4;
  std::string in, out;  // an empty `out`: to the host itself
  Addr source, destination;
  Protocol protocol = protocol::kTcp;
  std::uint16_t source_port = 0, destination_port = 0;  // TCP, UDP, SCTP
  std::uint8_t icmp_type = 0, icmp_code = 0;            // the family's ICMP
  enum class State { New, Established, Related, Invalid } state = State::New;
  bool spoofed = false;           // its source does not belong to the interface it came in by
  bool within_limit = true;       // what every rate limit says
  std::uint32_t connections = 0;  // of its source, before this one
  std::uint32_t mark = 0;

  [[nodiscard]] bool has_ports() const { return protocol::has_ports(protocol) || protocol == protocol::kUdpLite; }
  [[nodiscard]] bool is_icmp() const { return protocol == (family == Family::V4 ? protocol::kIcmp : protocol::kIcmpV6); }
};

struct Set {
  kernel::SetType type = kernel::SetType::HashNet;
  std::vector<kernel::SetMember> members;
};

struct Workload {
  WorkloadEndpoint endpoint;
  calc::EndpointPolicies policies;
};

struct World {
  Config config;
  std::vector<Workload> workloads;
  std::map<calc::PolicyId, calc::ActivePolicy> policies;
  std::map<calc::ProfileId, std::optional<calc::ActiveProfile>> profiles;
  std::map<calc::SetId, Set> sets;
  std::vector<Cidr> service_cidrs;
};

enum class Fate { Accepted, Dropped, Rejected, Undecided };  // Undecided: left to rules that are not ours

struct Outcome {
  Fate fate = Fate::Undecided;
  int logged = 0;  // how often LOG wrote a line
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

}  // namespace margay::rules::semantics
