#include "address_family.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace margay::kernel {

bool has_ipv6() noexcept {
  const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    ::close(fd);
    return true;
  }
  return errno != EAFNOSUPPORT || ::access("/proc/sys/net/ipv6/conf/all", F_OK) == 0;
}

}  // namespace margay::kernel
