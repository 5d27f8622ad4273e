#include "margay/control/claim.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace margay::control {

Claim::~Claim() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Claim> claim_node(const settings::Settings& settings, std::string_view daemon) {
  namespace fs = std::filesystem;
  std::error_code error;
  for (const std::string& directory : {settings.run_dir, settings.state_dir}) {
    const bool fresh = fs::create_directories(directory, error);
    if (!error && fresh && directory == settings.state_dir) fs::permissions(directory, fs::perms::owner_all, error);
    if (error) return Error{ErrorCode::Io, "create " + directory + ": " + error.message()};
  }
  const std::string path = settings.run_dir + "/" + std::string{daemon} + ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Error{ErrorCode::Io, "open " + path + ": " + std::strerror(errno)};
  Claim claim{fd};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0)
    return Error{ErrorCode::Busy,
                 "another margay-" + std::string{daemon} + " runs for node " + settings.node + " (it holds " + path + ")"};
  return claim;
}

}  // namespace margay::control
