#include "margay/base/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "margay/base/assert.hpp"

namespace margay {
namespace {

// inet_pton wants a terminated string; no valid address text is longer than this.
constexpr std::size_t kLongestAddress = 45;

// Clears every bit from `prefix` on.
void mask(Addr& addr, unsigned prefix) noexcept {
  for (unsigned i = 0; i < addr.bytes.size(); ++i) {
    const unsigned first_bit = i * 8;
    if (first_bit >= prefix) {
      addr.bytes[i] = 0;
    } else if (first_bit + 8 > prefix) {
      addr.bytes[i] &= static_cast<std::uint8_t>(0xff00u >> (prefix - first_bit));
    }
  }
}

struct Split {
  Addr addr;
  unsigned prefix;
};

std::optional<Split> split(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto addr = Addr::parse(text.substr(0, slash));
  if (!addr) return std::nullopt;
  if (slash == std::string_view::npos) return Split{*addr, bits(addr->family)};
  const auto digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  unsigned prefix = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  if (error != std::errc{} || end != digits.data() + digits.size() || prefix > bits(addr->family)) return std::nullopt;
  return Split{*addr, prefix};
}

}  // namespace

std::optional<Addr> Addr::parse(std::string_view text) noexcept {
  if (text.empty() || text.size() > kLongestAddress) return std::nullopt;
  char terminated[kLongestAddress + 1];
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  if (std::strlen(terminated) != text.size()) return std::nullopt;
  Addr addr;
  addr.family = text.find(':') == std::string_view::npos ? Family::V4 : Family::V6;
  const int family = addr.family == Family::V4 ? AF_INET : AF_INET6;
  if (inet_pton(family, terminated, addr.bytes.data()) != 1) return std::nullopt;
  return addr;
}

std::string Addr::to_string() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(family == Family::V4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

Cidr::Cidr(Addr address, unsigned prefix_length) noexcept : addr{address}, prefix{static_cast<std::uint8_t>(prefix_length)} {
  MARGAY_ASSERT(prefix_length <= bits(address.family));
  mask(addr, prefix_length);
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  return Cidr{parts->addr, parts->prefix};
}

bool Cidr::is_masked(std::string_view text) noexcept {
  const auto parts = split(text);
  return parts && Cidr(parts->addr, parts->prefix).addr == parts->addr;
}

bool Cidr::contains(const Addr& address) const noexcept {
  return address.family == addr.family && Cidr(address, prefix).addr == addr;
}

bool Cidr::contains(const Cidr& other) const noexcept { return other.prefix >= prefix && contains(other.addr); }

Addr Cidr::last() const noexcept {
  Addr out = addr;
  for (unsigned i = prefix; i < bits(addr.family); ++i) out.bytes[i / 8] |= static_cast<std::uint8_t>(0x80u >> (i % 8));
  return out;
}

std::string Cidr::to_string() const { return addr.to_string() + '/' + std::to_string(prefix); }

bool is_host_address(const Addr& addr) noexcept {
  static const Cidr kNot4[] = {*Cidr::parse("0.0.0.0/32"), *Cidr::parse("127.0.0.0/8"), *Cidr::parse("169.254.0.0/16"),
                               *Cidr::parse("224.0.0.0/4"), *Cidr::parse("255.255.255.255/32")};
  static const Cidr kNot6[] = {*Cidr::parse("::/128"), *Cidr::parse("::1/128"), *Cidr::parse("fe80::/10"),
                               *Cidr::parse("ff00::/8")};
  const auto holds = [&](const Cidr& cidr) { return cidr.contains(addr); };
  return addr.family == Family::V4 ? std::none_of(std::begin(kNot4), std::end(kNot4), holds)
                                   : std::none_of(std::begin(kNot6), std::end(kNot6), holds);
}

std::optional<Mac> Mac::parse(std::string_view text) noexcept {
  if (text.size() != 17) return std::nullopt;
  const char separator = text[2];
  if (separator != ':' && separator != '-') return std::nullopt;
  Mac mac;
  for (std::size_t i = 0; i < 6; ++i) {
    if (i > 0 && text[i * 3 - 1] != separator) return std::nullopt;
    const char* begin = text.data() + i * 3;
    const auto [end, error] = std::from_chars(begin, begin + 2, mac.bytes[i], 16);
    if (error != std::errc{} || end != begin + 2) return std::nullopt;
  }
  return mac;
}

std::string Mac::to_string() const {
  std::string out;
  static constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out += ':';
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

// FNV-1a with a final mix: short keys, no adversary (keys come from the operator's own datastore).
// A word at a time: addresses and label texts, the usual customers, are a few words long.
std::size_t hash_bytes(const void* data, std::size_t size, std::size_t seed) noexcept {
  constexpr std::uint64_t kA = 0x9e3779b97f4a7c15ULL, kB = 0xff51afd7ed558ccdULL;
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t h = (seed + size) * kA;
  const auto mix = [&h](std::uint64_t word) {
    h = (h ^ word) * kB;
    h ^= h >> 32;
  };
  for (; size >= 8; size -= 8, bytes += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    mix(word);
  }
  std::uint64_t tail = 0;
  for (std::size_t i = 0; i < size; ++i) tail |= std::uint64_t{bytes[i]} << (8 * i);
  mix(tail);
  h *= kA;
  return static_cast<std::size_t>(h ^ h >> 29);
}

}  // namespace margay
