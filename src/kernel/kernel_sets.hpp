// Set names and kernel indices through SO_IP_SET, remembered for the length of one call into the tables port.
//
// The kernel finds a name by looking at one set after the other, so a rule set that names many sets would be quadratic: after a
// few look-ups all sets are listed at once.
//
// Not longer: a set that is destroyed and made again may get another index. A swap keeps name and index together.
#pragma once

#include <optional>
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
  static constexpr unsigned kFew = 16;
  Result<unsigned> version();
  void learn_all();
  int fd_;
  unsigned version_ = 0;
  unsigned looked_up_ = 0;
  struct Known {
    std::uint16_t index = 0;
    std::optional<Family> family;  // empty: not asked for
  };
  std::unordered_map<std::string, Known> by_name_;
  std::unordered_map<std::uint16_t, std::string> by_index_;
};

}  // namespace margay::kernel
