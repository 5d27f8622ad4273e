// IP addresses, prefixes and MAC addresses as regular values: parse, format, compare, hash. No I/O.
//
// Byte order: always network order, as in the packet. IPv4 uses the first four bytes of the array; the rest is zero, so
// defaulted comparison and hashing of the whole object are right.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace margay {

enum class Family : std::uint8_t { V4, V6 };

// Code for both families is written once, as a loop over this array.
inline constexpr std::array<Family, 2> kFamilies{Family::V4, Family::V6};

[[nodiscard]] constexpr unsigned bits(Family family) noexcept { return family == Family::V4 ? 32 : 128; }
[[nodiscard]] constexpr std::size_t index(Family family) noexcept { return static_cast<std::size_t>(family); }
[[nodiscard]] constexpr char digit(Family family) noexcept { return family == Family::V4 ? '4' : '6'; }

struct Addr {
  Family family = Family::V4;
  std::array<std::uint8_t, 16> bytes{};

  // Strict: dotted quad without leading zeros, or RFC 4291 text without a zone; nothing around it.
  [[nodiscard]] static std::optional<Addr> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string to_string() const;  // RFC 5952 for IPv6

  [[nodiscard]] bool bit(unsigned position) const noexcept { return (bytes[position / 8] >> (7 - position % 8)) & 1u; }
  friend bool operator==(const Addr&, const Addr&) = default;
  friend auto operator<=>(const Addr&, const Addr&) = default;
};

// A prefix whose host bits are always zero.
struct Cidr {
  Addr addr;
  std::uint8_t prefix = 0;

  Cidr() = default;
  Cidr(Addr address, unsigned prefix_length) noexcept;  // masks; prefix_length is at most bits(family)
  explicit Cidr(Addr address) noexcept : addr{address}, prefix{static_cast<std::uint8_t>(bits(address.family))} {}

  // Accepts "A/n" (host bits are masked away) and a bare address as a full-length prefix.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text) noexcept;
  // True if the text is "A/n" with no host bits set, or a bare address.
  [[nodiscard]] static bool is_masked(std::string_view text) noexcept;

  [[nodiscard]] Family family() const noexcept { return addr.family; }
  [[nodiscard]] bool is_host() const noexcept { return prefix == bits(addr.family); }
  [[nodiscard]] bool contains(const Addr& address) const noexcept;
  [[nodiscard]] bool contains(const Cidr& other) const noexcept;
  [[nodiscard]] Addr last() const noexcept;     // the highest address in it
  [[nodiscard]] std::string to_string() const;  // always with "/n"
  friend bool operator==(const Cidr&, const Cidr&) = default;
  friend auto operator<=>(const Cidr&, const Cidr&) = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  [[nodiscard]] static std::optional<Mac> parse(std::string_view text) noexcept;  // aa:bb:cc:dd:ee:ff, or with '-'
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Mac&, const Mac&) = default;
  friend auto operator<=>(const Mac&, const Mac&) = default;
};

// What a host can have towards others: not unspecified, loopback, link-local, multicast or broadcast.
[[nodiscard]] bool is_host_address(const Addr& addr) noexcept;

[[nodiscard]] std::size_t hash_bytes(const void* data, std::size_t size, std::size_t seed = 0) noexcept;

}  // namespace margay

template <>
struct std::hash<margay::Addr> {
  std::size_t operator()(const margay::Addr& a) const noexcept {
    return margay::hash_bytes(a.bytes.data(), a.bytes.size(), static_cast<std::size_t>(a.family));
  }
};
template <>
struct std::hash<margay::Cidr> {
  std::size_t operator()(const margay::Cidr& c) const noexcept {
    return margay::hash_bytes(c.addr.bytes.data(), c.addr.bytes.size(), static_cast<std::size_t>(c.addr.family) * 256 + c.prefix);
  }
};
