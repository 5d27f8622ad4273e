#include "xtables_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace margay::kernel {

Result<XtablesLock> XtablesLock::take(std::chrono::milliseconds timeout) {
  using std::chrono::microseconds;
  const char* given = std::getenv("XTABLES_LOCKFILE");
  const std::string path = given && *given ? given : "/run/xtables.lock";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const auto code = errno == EACCES || errno == EPERM ? ErrorCode::Permission : ErrorCode::Io;
    return Error{code, "lock " + path + ": " + std::strerror(errno)};
  }
  XtablesLock lock{fd};
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (microseconds pause{100};; pause = std::min(pause * 2, microseconds{5000})) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK && errno != EINTR) return Error{ErrorCode::Io, "lock " + path + ": " + std::strerror(errno)};
    if (std::chrono::steady_clock::now() >= deadline)
      return Error{ErrorCode::Busy, "lock " + path + " held by another for " + std::to_string(timeout.count()) + " ms"};
    std::this_thread::sleep_for(pause);
  }
}

XtablesLock::~XtablesLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace margay::kernel
