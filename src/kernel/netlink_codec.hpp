// Links, addresses, routes and neighbours to and from rtnetlink messages. Pure: no system calls.
//
// Parsers answer nothing for a message that is not of their kind or says something the ports do not show (a bridge's link notice,
// a route of another table or type, a cached route, a neighbour that is not permanent).
#pragma once

#include <libmnl/libmnl.h>

#include <optional>

#include "margay/kernel/ports.hpp"

namespace margay::kernel {

[[nodiscard]] int address_family(Family family) noexcept;  // AF_INET, AF_INET6
[[nodiscard]] std::optional<Family> family_of(int address_family) noexcept;
// An attribute's bytes as an address: 4 or 16 of them, else nothing.
[[nodiscard]] std::optional<Addr> parse_addr(const nlattr* attr) noexcept;
void put_addr(nlmsghdr& message, std::uint16_t type, const Addr& addr) noexcept;

[[nodiscard]] std::optional<Link> parse_link(const nlmsghdr& message);
[[nodiscard]] std::optional<LinkAddress> parse_address(const nlmsghdr& message);
[[nodiscard]] std::optional<Route> parse_route(const nlmsghdr& message);
[[nodiscard]] std::optional<Neighbour> parse_neighbour(const nlmsghdr& message);

// Requests: fill in an empty header. A route is added with CREATE|REPLACE, an address with CREATE|EXCL.
void encode_add_address(nlmsghdr& message, const LinkAddress& address) noexcept;
void encode_remove_address(nlmsghdr& message, const LinkAddress& address) noexcept;
void encode_add_route(nlmsghdr& message, const Route& route) noexcept;
void encode_remove_route(nlmsghdr& message, const Route& route) noexcept;
void encode_set_neighbour(nlmsghdr& message, const Neighbour& neighbour) noexcept;
void encode_remove_neighbour(nlmsghdr& message, const Neighbour& neighbour) noexcept;

}  // namespace margay::kernel
