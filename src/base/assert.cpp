#include "margay/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace margay {

void assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "error: a bug: \"%s\" does not hold at %s:%d; aborting, the kernel keeps what is enforced\n", expression,
               file, line);
  std::abort();
}

}  // namespace margay
