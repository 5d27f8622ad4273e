#include "config_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

namespace margay::bgp {
namespace {

constexpr std::string_view kLive = "bird.conf", kStaged = "bird.conf.new", kNote = ".acknowledged";
constexpr mode_t kMode = 0640;

// Lets BIRD start and do nothing. With an id of its own: without any address it would find none, and not start. The device
// protocol has the name it will keep: one that replaces another learns of the interfaces at its first scan, ten seconds later.
constexpr std::string_view kBootstrap =
    "# Written by Margay so that BIRD can start; replaced as soon as BIRD answers.\nrouter id 0.0.0.1;\n"
    "protocol device margay_device { scan time 10; }\n";

class Fd {
 public:
  explicit Fd(int fd) : fd_{fd} {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error failure(std::string_view what, const std::string& path, int error) {
  const auto code = error == ENOSPC || error == EDQUOT                    ? ErrorCode::NoSpace
                    : error == EACCES || error == EPERM || error == EROFS ? ErrorCode::Permission
                                                                          : ErrorCode::Io;
  return Error{code, fmt::format("{} {}: {}", what, path, std::strerror(error))};
}

std::optional<std::string> read_fd(int fd) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

std::optional<std::string> read_file(const std::string& path) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (fd.get() < 0) return std::nullopt;
  return read_fd(fd.get());
}

bool is_part(std::string_view name) {
  if (!name.ends_with(".conf") || name.starts_with('.') || name.find('/') != std::string_view::npos) return false;
  name.remove_suffix(5);
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return false;
  const std::string_view digest = name.substr(dash + 1);
  return digest.size() >= 16 && digest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string temporary(std::string_view name) { return fmt::format(".{}.tmp", name); }

}  // namespace

BirdConfigDir::BirdConfigDir(std::string directory, std::string group)
    : directory_{std::move(directory)}, group_{std::move(group)} {
  while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
}

std::string BirdConfigDir::path(std::string_view name) const { return fmt::format("{}/{}", directory_, name); }
std::string BirdConfigDir::staged_path() const { return path(kStaged); }
std::string BirdConfigDir::live_path() const { return path(kLive); }
std::optional<std::string> BirdConfigDir::live_main() const { return read_file(live_path()); }
std::optional<std::string> BirdConfigDir::remembered() const { return read_file(path(kNote)); }

Status BirdConfigDir::make_directory() const {
  if (!directory_.starts_with('/') || directory_.find_first_of("\"\n\r") != std::string::npos)
    return Error{ErrorCode::Invalid, fmt::format("\"{}\" is no absolute path without quotes and line ends", directory_)};
  // Level by level; those above ours, if they are missing, are open to all as /run and /var/lib are.
  for (std::size_t slash = directory_.find('/', 1);; slash = directory_.find('/', slash + 1)) {
    const std::string level = directory_.substr(0, slash);
    const bool ours = slash == std::string::npos;
    if (::mkdir(level.c_str(), ours ? 0750 : 0755) == 0) {
      const Fd fd{::open(level.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
      if (ours && fd.get() >= 0)
        if (const group* g = ::getgrnam(group_.c_str())) (void)!::fchown(fd.get(), static_cast<uid_t>(-1), g->gr_gid);
    } else if (errno != EEXIST) {
      return failure("make directory", level, errno);
    }
    if (ours) return {};
  }
}

void BirdConfigDir::protect(int fd) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return;
  if (const group* g = ::getgrnam(group_.c_str()); g && info.st_gid != g->gr_gid)
    (void)!::fchown(fd, static_cast<uid_t>(-1), g->gr_gid);  // refused: BIRD says what it cannot read
  if ((info.st_mode & 07777) != kMode) (void)::fchmod(fd, kMode);
}

bool BirdConfigDir::holds(std::string_view name, const std::string& text) const {
  const Fd fd{::open(path(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  struct stat info {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (static_cast<std::size_t>(info.st_size) != text.size() || read_fd(fd.get()) != text) return false;
  protect(fd.get());
  return true;
}

Status BirdConfigDir::write(std::string_view name, const std::string& text) const {
  const std::string beside = path(temporary(name));
  ::unlink(beside.c_str());  // of a writer that died
  const auto failed = [&](std::string_view what) {
    const int error = errno;
    ::unlink(beside.c_str());
    return failure(what, path(name), error);
  };
  {
    const Fd fd{::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (fd.get() < 0) return failure("create", beside, errno);
    protect(fd.get());  // before the first password is in it
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t put = ::write(fd.get(), rest.data(), rest.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed("write");
      rest.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fsync(fd.get()) != 0) return failed("sync");
  }
  if (::rename(beside.c_str(), path(name).c_str()) != 0) return failed("rename to");
  return {};
}

Status BirdConfigDir::sync_directory() const {
  const Fd fd{::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return failure("sync", directory_, errno);
  return {};
}

Status BirdConfigDir::stage(const Rendered& rendered) {
  if (Status made = make_directory(); !made) return made;
  std::vector<std::string> written;
  const auto put = [&](const std::string& name, const std::string& text) -> Status {
    if (holds(name, text)) return {};
    const bool new_here = ::access(path(name).c_str(), F_OK) != 0;
    Status done = write(name, text);
    if (done && new_here) written.push_back(name);
    return done;
  };
  Status outcome;
  for (const auto& part : rendered.parts) {
    if (!is_part(part->name))
      outcome = Error{ErrorCode::Invalid,
                      fmt::format("part \"{}\" is not named <word>-<16 or more hexadecimal digits>.conf", part->name)};
    else outcome = put(part->name, part->text);
    if (!outcome) break;
  }
  if (outcome) outcome = put(std::string{kStaged}, rendered.main);
  if (outcome) outcome = sync_directory();
  if (!outcome)
    for (const std::string& name : written) ::unlink(path(name).c_str());
  return outcome;
}

Status BirdConfigDir::commit() {
  // First: the note is of what lies there now.
  if (::unlink(path(kNote).c_str()) != 0 && errno != ENOENT) return failure("remove", path(kNote), errno);
  if (::rename(staged_path().c_str(), live_path().c_str()) != 0) return failure("rename to", live_path(), errno);
  return sync_directory();
}

void BirdConfigDir::discard_unused(const Rendered& in_force) {
  std::set<std::string, std::less<>> used;
  for (const auto& part : in_force.parts) used.insert(part->name);
  // What an included file of the live main is called stands in its text; BIRD may read that at its next start.
  const std::string live = live_main().value_or("");
  DIR* const directory = ::opendir(directory_.c_str());
  if (!directory) return;
  std::vector<std::string> gone;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    const bool left_over = name.starts_with('.') && name.ends_with(".tmp") &&
                           (is_part(name.substr(1, name.size() - 5)) || name == temporary(kStaged));
    if (left_over || (is_part(name) && !used.contains(name) && live.find(name) == std::string::npos)) gone.emplace_back(name);
  }
  ::closedir(directory);
  for (const std::string& name : gone) ::unlink(path(name).c_str());
}

Status BirdConfigDir::bootstrap() {
  if (live_main()) return {};
  if (Status made = make_directory(); !made) return made;
  if (Status written = write(kLive, std::string{kBootstrap}); !written) return written;
  return sync_directory();
}

Status BirdConfigDir::remember(const std::string& note) { return write(kNote, note); }

}  // namespace margay::bgp
