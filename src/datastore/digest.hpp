// A fast 64-bit digest of text, to see that it changed. Not for anything an enemy may choose.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace margay::datastore {

[[nodiscard]] inline std::uint64_t digest64(std::string_view data, std::uint64_t seed = 0) {
  constexpr std::uint64_t kA = 0x9e3779b97f4a7c15ULL, kB = 0xff51afd7ed558ccdULL, kC = 0xc4ceb9fe1a85ec53ULL;
  std::uint64_t h = seed ^ (data.size() * kA);
  const auto mix = [&](std::uint64_t word) {
    word *= kB;
    word ^= word >> 31;
    h = (h ^ word) * kC;
    h ^= h >> 29;
  };
  while (data.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, data.data(), 8);
    mix(word);
    data.remove_prefix(8);
  }
  std::uint64_t tail = 0x80;
  for (const char c : data) tail = tail << 8 | static_cast<unsigned char>(c);
  mix(tail);
  h ^= h >> 32;
  h *= kA;
  h ^= h >> 29;
  return h == 0 ? 1 : h;  // 0 means "none" to those who keep it
}

}  // namespace margay::datastore
