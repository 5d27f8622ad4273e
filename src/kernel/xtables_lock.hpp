// The lock every well-behaved user of the legacy tables takes: flock on /run/xtables.lock, or on what XTABLES_LOCKFILE names.
//
// Wait: bounded, by trying again in growing steps; the file is opened anew each time, since /run may be mounted or emptied under
// us. Rejected: a blocking flock cut short by a timer (needs a signal handler or a thread in a library).
#pragma once

#include <chrono>

#include "margay/base/result.hpp"

namespace margay::kernel {

class XtablesLock {
 public:
  // Busy: somebody held it for all of `timeout`.
  [[nodiscard]] static Result<XtablesLock> take(std::chrono::milliseconds timeout);

  XtablesLock(XtablesLock&& other) noexcept : fd_{other.fd_} { other.fd_ = -1; }
  XtablesLock& operator=(XtablesLock&&) = delete;
  ~XtablesLock();

 private:
  explicit XtablesLock(int fd) : fd_{fd} {}
  int fd_;
};

}  // namespace margay::kernel
