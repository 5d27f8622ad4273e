// MARGAY_ASSERT: a broken invariant is a bug; log it and abort, in release builds too.
// The supervisor restarts us, and the kernel keeps the last secure state meanwhile (docs/architecture.md, law 4).
#pragma once

namespace margay {

// Writes the failed expression with its place to standard error and aborts. Never returns.
[[noreturn]] void assert_failed(const char* expression, const char* file, int line);

}  // namespace margay

#define MARGAY_ASSERT(expression) ((expression) ? static_cast<void>(0) : ::margay::assert_failed(#expression, __FILE__, __LINE__))
