// What the encodings of matches and targets share: an entry's parts as bytes, and views of them. Only for src/kernel/xt_*.cpp.
//
// A part is a 32-byte head (size, name, revision) and zero-padded data. A standard target has an empty name in the kernel, the
// verdict's or chain's name before libiptc has taken it.
#pragma once

#include <linux/netfilter/x_tables.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "margay/base/hash.hpp"
#include "overloaded.hpp"
#include "xt_encode.hpp"

namespace margay::kernel::xt {

using Bytes = std::vector<std::byte>;

constexpr std::size_t aligned(std::size_t size) { return XT_ALIGN(size); }
constexpr std::size_t kHead = sizeof(xt_entry_match);
static_assert(sizeof(xt_entry_match) == sizeof(xt_entry_target) && kHead == 32);
constexpr std::size_t kStandardSize = XT_ALIGN(sizeof(xt_standard_target));

// Appends one match or target: its 32-byte head, then the zero-padded data. Offsets, not pointers: the vector moves.
inline void put(Bytes& out, const char* name, std::uint8_t revision, const void* data, std::size_t size) {
  const std::size_t at = out.size();
  out.resize(at + kHead + aligned(size));
  xt_entry_match head{};
  head.u.user.match_size = static_cast<std::uint16_t>(kHead + aligned(size));
  std::strncpy(head.u.user.name, name, sizeof head.u.user.name - 1);
  head.u.user.revision = revision;
  std::memcpy(&out[at], &head, kHead);
  if (size != 0) std::memcpy(&out[at + kHead], data, size);
}
template <class Info>
inline void put(Bytes& out, const char* name, std::uint8_t revision, const Info& info) {
  put(out, name, revision, &info, sizeof info);
}

struct View {  // of one match or target
  std::string_view name;
  std::uint8_t revision;
  const std::byte* start;
  std::size_t size;
  // Copies the data out; short data leaves zeros, and then the comparison with our own encoding fails.
  template <class Info>
  [[nodiscard]] Info info() const {
    Info value{};
    std::memcpy(static_cast<void*>(&value), start + kHead, std::min(sizeof value, size - kHead));
    return value;
  }
  [[nodiscard]] bool is(std::string_view wanted, std::uint8_t rev) const { return name == wanted && revision == rev; }
};
inline View view(const std::byte* at) {
  const auto* head = reinterpret_cast<const xt_entry_match*>(at);
  return {
      {head->u.user.name, strnlen(head->u.user.name, sizeof head->u.user.name)}, head->u.user.revision, at, head->u.match_size};
}

// Heads are compared field by field: the kernel copies out a name with its terminator only, and what follows in the 29 bytes is
// whatever libiptc's buffer held. The data after the head is whole.
inline bool equal(const View& a, const View& b) {
  return a.size == b.size && a.revision == b.revision && a.name == b.name &&
         std::memcmp(a.start + kHead, b.start + kHead, a.size - kHead) == 0;
}
inline std::uint64_t opaque_digest(const View& v) { return hash_bytes(v.start + kHead, v.size - kHead, v.revision); }

inline bool is_standard(const View& v) { return v.name.empty(); }
inline Addr addr(Family family, const void* bytes) {
  Addr value{family, {}};
  std::memcpy(value.bytes.data(), bytes, bits(family) / 8);
  return value;
}

// ---- matches: xt_match.cpp

// Appends the match; a connection limit is two.
[[nodiscard]] Status put_match(Family family, const Match& match, SetIndex& sets, Bytes& out);
// The matches between `at` and `end`. A value counts only if encoding it gives these very bytes again.
[[nodiscard]] std::vector<Match> read_matches(Family family, const std::byte* at, const std::byte* end, SetIndex& sets);
[[nodiscard]] bool equal_matches(const std::byte* a, const std::byte* b, std::size_t size);

// ---- targets: xt_target.cpp

[[nodiscard]] Status put_target(Family family, const Target& target, Bytes& out);
// Nothing for standard targets and those nobody here knows.
[[nodiscard]] std::optional<Target> read_target(Family family, const View& v);

}  // namespace margay::kernel::xt
