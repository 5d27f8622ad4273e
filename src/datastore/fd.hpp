// Fd: a file descriptor with one owner, closed at the end.
#pragma once

#include <unistd.h>

#include <utility>

namespace margay::datastore {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_{fd} {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

}  // namespace margay::datastore
