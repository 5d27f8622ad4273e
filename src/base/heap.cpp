#include "margay/base/heap.hpp"

#include <malloc.h>

namespace margay {

void release_freed_memory() noexcept { ::malloc_trim(0); }

}  // namespace margay
