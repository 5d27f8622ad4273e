#include "margay/base/hash.hpp"

#include <openssl/evp.h>

#include "margay/base/assert.hpp"

namespace margay {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> digest(const EVP_MD* algorithm, std::string_view data) {
  std::array<std::uint8_t, N> out{};
  unsigned size = 0;
  const int ok = EVP_Digest(data.data(), data.size(), out.data(), &size, algorithm, nullptr);
  MARGAY_ASSERT(ok == 1 && size == N);
  return out;
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::string_view data) { return digest<20>(EVP_sha1(), data); }
std::array<std::uint8_t, 28> sha224(std::string_view data) { return digest<28>(EVP_sha224(), data); }
std::array<std::uint8_t, 32> sha256(std::string_view data) { return digest<32>(EVP_sha256(), data); }
std::array<std::uint8_t, 28> sha3_224(std::string_view data) { return digest<28>(EVP_sha3_224(), data); }

std::string base64url(const std::uint8_t* data, std::size_t size) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  out.reserve((size * 4 + 2) / 3);
  std::uint32_t accumulator = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < size; ++i) {
    accumulator = accumulator << 8 | data[i];
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += kAlphabet[accumulator >> held & 63u];
    }
  }
  if (held > 0) out += kAlphabet[accumulator << (6 - held) & 63u];
  return out;
}

std::string hex(const std::uint8_t* data, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (std::size_t i = 0; i < size; ++i) {
    out += kDigits[data[i] >> 4];
    out += kDigits[data[i] & 15];
  }
  return out;
}

std::string make_unique_id(std::string_view prefix, std::string_view content) {
  std::string text{prefix};
  text += ':';
  text += content;
  return std::string{prefix} + ':' + base64url(sha224(text));
}

}  // namespace margay
