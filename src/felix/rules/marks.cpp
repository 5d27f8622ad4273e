#include "rules/marks.hpp"

#include <array>
#include <bit>

#include "margay/base/assert.hpp"

namespace margay::rules {

Result<Marks> allocate_marks(std::uint32_t mask) {
  if (std::popcount(mask) < 5) return Error{ErrorCode::Invalid, "the mark mask needs at least five bits"};
  Marks result;
  for (std::uint32_t* bit : std::array{&result.accept, &result.pass, &result.drop, &result.scratch0, &result.scratch1}) {
    *bit = mask & (~mask + 1);  // the lowest bit set
    mask &= mask - 1;
  }
  return result;
}

Marks marks(const Config& config) {
  Result<Marks> result = allocate_marks(config.mark_mask);
  MARGAY_ASSERT(result.has_value());  // felix/config refuses such a mask
  return *result;
}

}  // namespace margay::rules
