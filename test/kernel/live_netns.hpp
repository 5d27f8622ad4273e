// A private network namespace for a live test, entered by the test's own process.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace margay::test {

// Put one in the test file: it enters a network namespace, which goes with the process, before main runs; where that is not
// possible the process says why and exits 77.
struct PrivateNetns {
  PrivateNetns() {
    if (::unshare(CLONE_NEWNET) == 0) return;
    std::perror("SKIP: no private network namespace (root needed)");
    std::_Exit(77);
  }
};

// Runs a shell command in the thread's namespace; its exit code. The tools stand in for "somebody else".
inline int run(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return text;
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  ::pclose(pipe);
  return text;
}

// A second namespace beside the one the test runs in; `enter` and `leave` switch the calling thread.
class OtherNetns {
 public:
  OtherNetns() : home_{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)} {
    if (::unshare(CLONE_NEWNET) != 0) std::abort();
    other_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    leave();
  }
  ~OtherNetns() {
    ::close(other_);
    ::close(home_);
  }
  OtherNetns(const OtherNetns&) = delete;
  OtherNetns& operator=(const OtherNetns&) = delete;
  void enter() const {
    if (::setns(other_, CLONE_NEWNET) != 0) std::abort();
  }
  void leave() const {
    if (::setns(home_, CLONE_NEWNET) != 0) std::abort();
  }
  // For `ip link set X netns <path>`.
  [[nodiscard]] std::string path() const { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(other_); }

 private:
  int home_, other_ = -1;
};

}  // namespace margay::test
