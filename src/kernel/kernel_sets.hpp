// Set names and kernel indices through SO_IP_SET, remembered for the length of one call into the tables port.
//
// Not longer: a set that is destroyed and made again may get another index. A swap keeps name and index together.
#pragma once

#include <string>
#include <unordered_map>

#include "xt_encode.hpp"

namespace margay::kernel {

class KernelSetIndex final : public xt::SetIndex {
 public:
  // `fd`: an AF_INET raw socket in the right network namespace; not owned.
  explicit KernelSetIndex(int fd) : fd_{fd} {}
  Result<std::uint16_t> index(Family family, std::string_view name) override;
  std::optional<std::string> name(std::uint16_t index) override;

 private:
  Result<unsigned> version();
  int fd_;
  unsigned version_ = 0;
  std::unordered_map<std::string, std::uint16_t> by_name_;
  std::unordered_map<std::uint16_t, std::string> by_index_;
};

}  // namespace margay::kernel
