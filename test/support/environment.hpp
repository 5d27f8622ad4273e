// Numbers from the environment: MARGAY_SEED and MARGAY_ITERATIONS of the random tests.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace margay::test {

// Decimal or 0x…; `otherwise` if the variable is not set.
inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace margay::test
