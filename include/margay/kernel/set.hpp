// IP sets as values: their shape and their members.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "margay/base/ip.hpp"

namespace margay::kernel {

enum class SetType : std::uint8_t { HashIp, HashNet, HashIpPort };
[[nodiscard]] std::string_view name(SetType type) noexcept;  // "hash:ip", …

struct SetSpec {
  std::string name;  // at most 31 characters
  SetType type = SetType::HashNet;
  Family family = Family::V4;
  std::uint32_t max_elements = 1048576;
  std::uint32_t hash_size = 64;  // preset; a power of two. Not part of the identity: the kernel grows it
  friend bool operator==(const SetSpec& a, const SetSpec& b) {
    return a.name == b.name && a.type == b.type && a.family == b.family && a.max_elements == b.max_elements;
  }
};

// One member. hash:net never holds a /0: renderers split it into two /1.
struct SetMember {
  Cidr net;                   // a host prefix in hash:ip and hash:ip,port
  std::uint8_t protocol = 0;  // hash:ip,port only
  std::uint16_t port = 0;
  friend bool operator==(const SetMember&, const SetMember&) = default;
  friend auto operator<=>(const SetMember&, const SetMember&) = default;

  [[nodiscard]] std::string to_string(SetType type) const;  // as `ipset restore` takes it
};

}  // namespace margay::kernel

template <>
struct std::hash<margay::kernel::SetMember> {
  std::size_t operator()(const margay::kernel::SetMember& m) const noexcept {
    return std::hash<margay::Cidr>{}(m.net) ^ ((std::size_t{m.protocol} << 16 | m.port) * 0x9e3779b97f4a7c15ULL);
  }
};
