// Claim: the node's directories, and the lock that keeps two daemons of one kind and node from fighting.
#pragma once

#include <string_view>
#include <utility>

#include "margay/base/result.hpp"
#include "margay/settings/settings.hpp"

namespace margay::control {

// Held until destroyed; the kernel lets go of it when the process dies.
class Claim {
 public:
  explicit Claim(int fd) : fd_{fd} {}
  Claim(Claim&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Claim& operator=(Claim&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Claim();

 private:
  int fd_;
};

// Makes run and state directory where they are missing (the state, which repeats manifests, for its owner alone). `daemon`:
// "felix", "bgp-config". Busy: another one of this node runs.
[[nodiscard]] Result<Claim> claim_node(const settings::Settings& settings, std::string_view daemon);

}  // namespace margay::control
