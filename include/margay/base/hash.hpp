// SHA-2 digests and base64url text for names (chains, sets, interfaces). Backed by libcrypto in src/base/hash.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace margay {

[[nodiscard]] std::array<std::uint8_t, 20> sha1(std::string_view data);
[[nodiscard]] std::array<std::uint8_t, 28> sha224(std::string_view data);
[[nodiscard]] std::array<std::uint8_t, 32> sha256(std::string_view data);
[[nodiscard]] std::array<std::uint8_t, 28> sha3_224(std::string_view data);

// RFC 4648 §5 alphabet, no padding.
[[nodiscard]] std::string base64url(const std::uint8_t* data, std::size_t size);
template <std::size_t N>
[[nodiscard]] std::string base64url(const std::array<std::uint8_t, N>& bytes) {
  return base64url(bytes.data(), N);
}
// Lower-case hexadecimal.
[[nodiscard]] std::string hex(const std::uint8_t* data, std::size_t size);

// Calico's MakeUniqueID: prefix + ":" + base64url(SHA-224(prefix + ":" + content)), 38 hash characters.
[[nodiscard]] std::string make_unique_id(std::string_view prefix, std::string_view content);

}  // namespace margay
