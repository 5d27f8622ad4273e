#include "rules/parts.hpp"

#include <algorithm>
#include <array>

namespace margay::rules {

std::string sanitise_comment(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ @%+=:,./-";
  std::string out{text.substr(0, 255)};
  for (char& c : out)
    if (kAllowed.find(c) == std::string_view::npos) c = '_';
  return out;
}

kernel::LimitMatch make_limit(std::uint32_t rate, kernel::LimitMatch::Unit unit, std::uint32_t burst) {
  constexpr std::array<std::uint64_t, 4> kSeconds{1, 60, 3600, 86400};
  // xt_limit keeps the time per packet in 1/10000 s and turns time × burst into 32 bits of credits, at most 38400 a second
  // (HZ=300). 10^9 units (28 hours) of burst stay below the overflow at every HZ.
  constexpr std::uint64_t kScale = 10000, kMaxBudget = 1'000'000'000;
  rate = std::clamp<std::uint32_t>(rate, 1, kScale);
  const std::uint64_t per_packet = std::max<std::uint64_t>(1, kScale * kSeconds[static_cast<std::size_t>(unit)] / rate);
  const auto most = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, kMaxBudget / per_packet));
  return {.rate = rate, .unit = unit, .burst = std::clamp<std::uint32_t>(burst, 1, most)};
}

}  // namespace margay::rules
