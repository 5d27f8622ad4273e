#include "margay/base/heap.hpp"

#include <malloc.h>

namespace margay {

void keep_freed_memory() noexcept {
  constexpr int kMegabyte = 1 << 20;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 32 * kMegabyte);  // the largest glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 32 * kMegabyte);
  ::mallopt(M_TOP_PAD, kMegabyte);
}

void release_freed_memory() noexcept { ::malloc_trim(0); }

}  // namespace margay
