#include "inotify.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace margay::datastore {
namespace {

// No IN_MODIFY but where asked for: a file counts when its writer closes it.
constexpr std::uint32_t kMask = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |
                                IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK;

}  // namespace

Inotify::~Inotify() {
  if (fd_ >= 0) ::close(fd_);
}

Status Inotify::open() {
  fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd_ >= 0) return {};
  if (errno == EMFILE)
    return Error{ErrorCode::NoSpace, "this user has no inotify instance left; raise the sysctl fs.inotify.max_user_instances"};
  return Error{ErrorCode::Io, std::string{"inotify: "} + std::strerror(errno)};
}

Result<int> Inotify::watch(const std::string& directory) {
  const int wd = ::inotify_add_watch(fd_, directory.c_str(), kMask | also_);
  if (wd >= 0) {
    ++uses_[wd];
    return wd;
  }
  switch (errno) {
    case ENOSPC:
      return Error{ErrorCode::NoSpace,
                   "cannot watch " + directory + ": no inotify watch left; raise the sysctl fs.inotify.max_user_watches"};
    case ENOENT:
    case ENOTDIR: return Error{ErrorCode::NotFound, directory + " is not a directory"};
    case EACCES: return Error{ErrorCode::Permission, "cannot watch " + directory + ": no right to read it"};
    default: return Error{ErrorCode::Io, "cannot watch " + directory + ": " + std::strerror(errno)};
  }
}

void Inotify::drop(int wd) {
  const auto found = uses_.find(wd);
  if (found == uses_.end() || --found->second > 0) return;
  uses_.erase(found);
  ::inotify_rm_watch(fd_, wd);
}

bool Inotify::read(const std::function<void(const Event&)>& handle) {
  constexpr std::size_t kSize = 64 * 1024;
  alignas(inotify_event) static thread_local char buffer[kSize];
  const ssize_t got = ::read(fd_, buffer, kSize);
  if (got <= 0) return true;
  for (ssize_t at = 0; at < got;) {
    const auto* const raw = reinterpret_cast<const inotify_event*>(buffer + at);
    const std::string_view name = raw->len > 0 ? std::string_view{raw->name} : std::string_view{};
    handle(Event{raw->wd, raw->mask, raw->cookie, name});
    at += static_cast<ssize_t>(sizeof(inotify_event) + raw->len);
  }
  return false;
}

bool Inotify::readable() const {
  pollfd one{fd_, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0;
}

}  // namespace margay::datastore
