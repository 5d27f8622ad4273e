// A policy rule as the calculation graph reads it: namespacing and label prefixes already worked into the selectors
// (policy-rendering §3.2), networks masked, protocols as numbers. Both Calico's and Kubernetes' rules end as this.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/symbol.hpp"
#include "margay/model/selector.hpp"

namespace margay {

enum class Action : std::uint8_t { Allow, Deny, Pass, Log };
enum class Direction : std::uint8_t { Ingress, Egress };

// IP protocol number; text forms are TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or 1-255.
using Protocol = std::uint8_t;
namespace protocol {
inline constexpr Protocol kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpV6 = 58, kSctp = 132, kUdpLite = 136;
[[nodiscard]] constexpr bool has_ports(Protocol p) noexcept { return p == kTcp || p == kUdp || p == kSctp; }
// Case-insensitive name or decimal number, else nothing.
[[nodiscard]] std::optional<Protocol> parse(std::string_view text) noexcept;
[[nodiscard]] std::string to_string(Protocol p);  // "tcp", "udp", "icmp", "icmpv6", "sctp", "udplite", else the number
}  // namespace protocol

struct PortRange {
  std::uint16_t min = 0;
  std::uint16_t max = 0;
  friend bool operator==(const PortRange&, const PortRange&) = default;
  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

struct IcmpMatch {
  std::optional<std::uint8_t> type;
  std::optional<std::uint8_t> code;  // only with a type
  friend bool operator==(const IcmpMatch&, const IcmpMatch&) = default;
};

// A service reference: namespace and name.
struct ServiceRef {
  Symbol ns;
  Symbol name;
  friend bool operator==(const ServiceRef&, const ServiceRef&) = default;
};

// One side of a rule. Empty lists and absent selectors restrict nothing.
struct Entity {
  std::vector<Cidr> nets, not_nets;
  std::optional<Selector> selector, not_selector;
  std::vector<PortRange> ports, not_ports;
  std::vector<Symbol> named_ports, not_named_ports;
  std::optional<ServiceRef> service;
  friend bool operator==(const Entity&, const Entity&) = default;
};

struct Rule {
  Action action = Action::Allow;
  std::optional<Family> family;  // ipVersion, as given
  std::optional<Protocol> protocol, not_protocol;
  std::optional<IcmpMatch> icmp, not_icmp;
  Entity source, destination;
  std::vector<std::pair<std::string, std::string>> annotations;  // rule metadata, sorted by key
  friend bool operator==(const Rule&, const Rule&) = default;
};

}  // namespace margay
