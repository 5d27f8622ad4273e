// Which packet mark bits mean what. Taken lowest first out of IptablesMarkMask, in Calico's order, so that a host taken over
// from Calico (or handed back) reads the same bits the same way while both kinds of rules are loaded.
#pragma once

#include <cstdint>

#include "margay/base/result.hpp"
#include "rules/config.hpp"

namespace margay::rules {

struct Marks {
  std::uint32_t accept = 0;    // an endpoint's policy allows the packet
  std::uint32_t pass = 0;      // skip the rest of this tier
  std::uint32_t drop = 0;      // flow logs only: a Deny matched, log it, then drop it
  std::uint32_t scratch0 = 0;  // inside one rule or one chain only: "all match blocks hold", packet rate
  std::uint32_t scratch1 = 0;  // "this match block holds"

  [[nodiscard]] std::uint32_t all() const noexcept { return accept | pass | drop | scratch0 | scratch1; }
  friend bool operator==(const Marks&, const Marks&) = default;
};

// Invalid: the mask has fewer than five bits.
[[nodiscard]] Result<Marks> allocate_marks(std::uint32_t mask);
// Of a configuration that has been checked with allocate_marks.
[[nodiscard]] Marks marks(const Config& config);

}  // namespace margay::rules
