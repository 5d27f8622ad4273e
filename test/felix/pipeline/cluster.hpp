// A small cluster as an operator would describe it: the resources, before any of Margay's code has read them. Shared by the
// generator, the writer of manifests and the oracle.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/ip.hpp"

namespace margay::pipeline {

inline constexpr const char* kThisNode = "here";

using Labels = std::map<std::string, std::string>;

struct Select {  // a selector as a tree
  enum class Op { All, Global, Has, Equal, NotEqual, In, NotIn, StartsWith, EndsWith, Contains, And, Or, Not };
  Op op = Op::All;
  std::string key;
  std::vector<std::string> values;
  std::vector<Select> parts;
};

struct Namespace {
  std::string name;
  Labels labels;
};
struct Account {
  std::string ns, name;
  Labels labels;
};
struct NamedPort {
  std::string name;
  int protocol = 6;
  std::uint16_t port = 0;
  bool by_number = false;  // the protocol is written as a number
};

struct Endpoint {
  enum class Kind { Pod, Workload, Host, NetworkSet, GlobalNetworkSet } kind = Kind::Pod;
  std::string ns, name, node;
  std::string account;                // pods and workloads
  std::string interface;              // workloads, as written; of pods it follows from the name
  std::vector<std::string> profiles;  // workloads and hosts, as written
  Labels labels;
  std::vector<Cidr> nets;
  std::vector<NamedPort> ports;
  bool finished = false;  // a pod that ended
};

struct Port {  // a number, a range or a name
  std::uint16_t min = 0, max = 0;
  std::string name;
};
struct Entity {
  std::vector<Cidr> nets, not_nets;
  std::vector<Port> ports, not_ports;
  std::optional<Select> selector, not_selector, namespaces, accounts;
  std::vector<std::string> account_names;
  std::optional<std::pair<std::string, std::string>> service;
};
struct Icmp {
  int type = 0;
  std::optional<int> code;
};
struct Rule {
  enum class Action { Allow, Deny, Pass, Log } action = Action::Allow;
  std::optional<int> ip_version, protocol, not_protocol;
  bool protocol_by_name = true;
  std::optional<Icmp> icmp, not_icmp;
  Entity source, destination;
};

// Kubernetes' policy has words of its own.
struct Requirements {  // LabelSelector
  Labels equal;
  struct Expression {
    std::string key, op;  // In, NotIn, Exists, DoesNotExist
    std::vector<std::string> values;
  };
  std::vector<Expression> expressions;
};
struct Peer {
  std::optional<Cidr> block;
  std::vector<Cidr> except;
  std::optional<Requirements> pods, namespaces;
};
struct K8sPort {
  int protocol = 6;
  std::optional<Port> port;
};
struct K8sRule {
  std::vector<Peer> peers;
  std::vector<K8sPort> ports;
};

struct Policy {
  enum class Kind { Namespaced, Global, Kubernetes, Staged, StagedGlobal } kind = Kind::Namespaced;
  std::string ns, name, tier = "default";
  std::optional<double> order;
  std::optional<Select> selector, namespaces, accounts;
  std::optional<std::pair<bool, bool>> types;  // ingress, egress
  std::vector<Rule> ingress, egress;
  Requirements pods;  // Kubernetes
  std::vector<K8sRule> k8s_ingress, k8s_egress;
  bool broken = false;  // does not validate, but says what it selects
};
struct Profile {
  std::string name;
  Labels labels;
  std::vector<Rule> ingress, egress;
};
struct Tier {
  std::string name;
  std::optional<double> order;
  bool pass = false;
};
struct Slice {
  std::string ns, name, service;
  std::vector<Addr> addresses;  // one family
  std::vector<NamedPort> ports;
};
struct Pool {
  std::string name;
  Cidr cidr;
  bool nat = false;
};

struct Cluster {
  std::vector<Namespace> namespaces;
  std::vector<Account> accounts;
  std::vector<Endpoint> endpoints;
  std::vector<Profile> profiles;
  std::vector<Tier> tiers;
  std::vector<Policy> policies;
  std::vector<Slice> slices;
  std::vector<Pool> pools;
  std::vector<Cidr> service_cidrs;
};

struct Packet {
  Addr source, destination;
  std::string in, out;  // interfaces
  int protocol = 6;
  std::uint16_t source_port = 0, destination_port = 0;
  int icmp_type = 0, icmp_code = 0;

  [[nodiscard]] bool has_ports() const { return protocol == 6 || protocol == 17 || protocol == 132; }
  [[nodiscard]] bool is_icmp() const { return protocol == (source.family == Family::V4 ? 1 : 58); }
};

enum class Fate { Accepted, Dropped, Undecided };  // Undecided: left to rules that are not ours
struct Outcome {
  Fate fate = Fate::Undecided;
  bool masqueraded = false;
  int logged = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// ---- manifests.cpp
[[nodiscard]] std::vector<nlohmann::json> manifests(const Cluster& cluster);
[[nodiscard]] std::string text_of(const Select& selector);
[[nodiscard]] std::string interface_of(const Endpoint& endpoint);

// ---- oracle.cpp: what should happen, read from the resources, with no set, chain or mark.
[[nodiscard]] Outcome decide(const Cluster& cluster, const Packet& packet);

}  // namespace margay::pipeline
