// The address that a node's BGP speaks from: what the operator asked for, or which of the host's is meant (datastore-model §6.2).
//
// Pure: who reads the host is host_interfaces.hpp. But for first-found, which is Calico's, no method guesses: where two addresses
// would do and the default route does not decide, there is no answer and the candidates are named.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/result.hpp"

namespace margay::ctl {

struct HostAddress {
  Addr addr;
  std::uint8_t prefix = 0;
  bool secondary = false;  // IPv4: another of the same subnet was first; IPv6: temporary (RFC 8981)
  bool usable = true;      // not tentative, not deprecated, no duplicate
};

struct HostInterface {
  int index = 0;
  std::string name;
  bool up = true;
  std::vector<HostAddress> addresses;  // both families, in the kernel's order
};

struct DefaultRoute {  // one a next hop
  Family family = Family::V4;
  int interface = 0;
  std::uint32_t metric = 0;
  std::optional<Addr> source;
};

struct Host {
  std::vector<HostInterface> interfaces;
  std::vector<DefaultRoute> default_routes;
};

struct AddressMethod {
  enum class How : std::uint8_t {
    OnlyOne,               // autodetect
    FirstFound,            // first-found
    Interface,             // interface=RE[,RE…]
    SkipInterface,         // skip-interface=RE[,RE…]
    Cidr,                  // cidr=CIDR[,CIDR…]
    CanReach,              // can-reach=DEST
    KubernetesInternalIp,  // kubernetes-internal-ip
  };
  How how = How::OnlyOne;
  std::vector<std::string> patterns;  // POSIX extended regular expressions, anywhere in the name
  std::vector<Cidr> cidrs;
  std::string destination;
};

struct AddressWish {
  enum class What : std::uint8_t { Unset, None, Given, Detect };
  What what = What::Unset;
  std::optional<Addr> given;
  std::optional<std::uint8_t> prefix;  // of `given`
  AddressMethod method;
};

// The value of --ip or --ip6: ADDRESS[/LEN], none, autodetect or a method. Invalid otherwise.
[[nodiscard]] Result<AddressWish> parse_address_wish(Family family, std::string_view text);

struct Candidate {
  Addr addr;
  std::uint8_t prefix = 0;
  std::string interface;                    // empty: on none of this host
  [[nodiscard]] std::string cidr() const;   // "10.0.0.1/24"
  [[nodiscard]] std::string named() const;  // "10.0.0.1/24 (eth0)"
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

struct Detection {
  std::optional<Candidate> chosen;
  std::string why;                    // of what is chosen
  std::vector<Candidate> candidates;  // all that would do, the chosen one among them; several and none chosen: ambiguous
};

// `wanted`: for CanReach and KubernetesInternalIp, the address that the effect outside found.
[[nodiscard]] Detection detect_address(const Host& host, Family family, const AddressMethod& method,
                                       const std::optional<Addr>& wanted = std::nullopt);
// Why there is no answer, and what to say instead.
[[nodiscard]] std::string detection_refused(const Detection& detection, Family family);
// A given address with its prefix length: as given, else as an interface has it, else a host's.
[[nodiscard]] Candidate complete_address(const Host& host, const AddressWish& wish);

}  // namespace margay::ctl
