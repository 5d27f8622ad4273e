// The Sysctls port over /proc/sys: reads first, writes only what differs.
#pragma once

#include <string>

#include "margay/kernel/ports.hpp"

namespace margay::kernel {

class ProcfsSysctls final : public Sysctls {
 public:
  explicit ProcfsSysctls(std::string root = "/proc/sys") : root_{std::move(root)} {}

  // Invalid: the path would leave the root or names no file, or the kernel refuses the value. NotFound: no such setting (an
  // interface that has gone, a kernel without IPv6). Values compare as the kernel prints them, runs of blanks being one.
  Status write(std::string_view path, std::string_view value) override;
  Result<std::string> read(std::string_view path) override;

 private:
  std::string root_;
};

}  // namespace margay::kernel
