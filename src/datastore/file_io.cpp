#include "file_io.hpp"

#include <unistd.h>

#include <cstring>

#include "yaml.hpp"

namespace margay::datastore {

Error system_error(const std::string& what, int error) {
  ErrorCode code = ErrorCode::Io;
  switch (error) {
    case ENOSPC:
    case EDQUOT: code = ErrorCode::NoSpace; break;
    case EACCES:
    case EPERM:
    case EROFS: code = ErrorCode::Permission; break;
    case ENOENT:
    case ENOTDIR: code = ErrorCode::Unavailable; break;
    default: break;
  }
  return Error{code, what + ": " + std::strerror(error)};
}

bool read_all(int fd, std::size_t expected, std::string& text) {
  text.resize(expected + 1);
  std::size_t size = 0;
  while (true) {
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > YamlLimits{}.bytes) {
      errno = EFBIG;
      return false;
    }
    if (size == text.size()) text.resize(size * 2);
  }
  text.resize(size);
  return true;
}

bool write_all_at(int fd, std::string_view data, std::uint64_t at) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      errno = ENOSPC;
      return false;
    }
    data.remove_prefix(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return true;
}

}  // namespace margay::datastore
