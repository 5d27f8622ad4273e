// Inotify: the kernel's file notifications as values; watches are counted, since one directory may matter for several reasons.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "margay/base/result.hpp"

namespace margay::datastore {

class Inotify {
 public:
  // `also`: events beyond those of names, of files written and closed, and of rights.
  explicit Inotify(std::uint32_t also = 0) : also_{also} {}
  ~Inotify();
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;

  [[nodiscard]] Status open();
  [[nodiscard]] int fd() const { return fd_; }

  // Watches a directory (through symbolic links); every success is given back with drop(). NoSpace: the user's watch limit.
  [[nodiscard]] Result<int> watch(const std::string& directory);
  void drop(int wd);
  // The kernel ended this watch (IN_IGNORED): the directory is gone.
  void ended(int wd) { uses_.erase(wd); }

  struct Event {
    int wd;
    std::uint32_t mask, cookie;
    std::string_view name;  // valid during the call
  };
  // Reads what is there, without waiting. False: there may be more.
  bool read(const std::function<void(const Event&)>& handle);
  // Events are waiting.
  [[nodiscard]] bool readable() const;

 private:
  std::uint32_t also_;
  int fd_ = -1;
  std::unordered_map<int, unsigned> uses_;
};

}  // namespace margay::datastore
