#include "procfs_sysctls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace margay::kernel {
namespace {

class File {
 public:
  File(const std::string& path, int flags) noexcept : fd_{::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW)} {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

Error sysctl_error(int error, std::string_view verb, std::string_view path) {
  ErrorCode code = ErrorCode::Io;
  if (error == ENOENT || error == ENOTDIR || error == ENODEV) code = ErrorCode::NotFound;
  if (error == EACCES || error == EPERM || error == EROFS) code = ErrorCode::Permission;
  if (error == EINVAL || error == ERANGE || error == EISDIR || error == ELOOP || error == ENAMETOOLONG) code = ErrorCode::Invalid;
  if (error == EBUSY || error == EAGAIN) code = ErrorCode::Busy;
  return Error{code, std::strerror(error)}.in(std::string{verb} + " sysctl " + std::string{path});
}

// An interface's name comes from outside: no part may be empty, "." or "..", and none may end the string early. A '.' within a
// part stays what it is (cali1.100), which is why parts are not separated by it here.
bool is_safe(std::string_view path) noexcept {
  if (path.empty() || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }

// Trimmed, with runs of blanks as one space: "4096\t87380\n" and "4096 87380" are the same setting.
std::string canonical(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (!is_blank(c)) text += c;
    else if (!text.empty() && text.back() != ' ') text += ' ';
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

Result<std::string> ProcfsSysctls::read(std::string_view path) {
  if (!is_safe(path)) return Error{ErrorCode::Invalid, "not a path below /proc/sys: " + std::string{path}};
  const File file{root_ + "/" + std::string{path}, O_RDONLY};
  if (file.fd() < 0) return sysctl_error(errno, "read", path);
  std::string text;
  char buffer[512];
  for (;;) {
    const ssize_t n = ::read(file.fd(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sysctl_error(errno, "read", path);
    if (n == 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  while (!text.empty() && is_blank(text.back())) text.pop_back();
  return text;
}

Status ProcfsSysctls::write(std::string_view path, std::string_view value) {
  auto now = read(path);
  // Some settings can be written only (route/flush): then there is nothing to compare with.
  if (!now && now.error().code != ErrorCode::Permission) return std::move(now).error();
  if (now && canonical(*now) == canonical(value)) return {};
  const File file{root_ + "/" + std::string{path}, O_WRONLY};
  if (file.fd() < 0) return sysctl_error(errno, "write", path);
  // One write: the kernel parses each one by itself.
  const std::string text = std::string{value} + "\n";
  ssize_t n = -1;
  do n = ::write(file.fd(), text.data(), text.size());
  while (n < 0 && errno == EINTR);
  if (n < 0) return sysctl_error(errno, "write", path);
  if (static_cast<std::size_t>(n) != text.size()) return sysctl_error(EINVAL, "write", path);
  return {};
}

}  // namespace margay::kernel
