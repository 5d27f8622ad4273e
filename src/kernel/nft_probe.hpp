// Whether nf_tables has base chains that may drop what our iptables rules let pass.
//
// Debian's `iptables` is the nft variant: its tables are not the ones we program, neither shows the other's, and a packet must
// get through both. Whoever wonders why allowed traffic does not arrive should be told. Read only; a kernel without nf_tables
// answers an empty list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "margay/base/result.hpp"

namespace margay::kernel {

struct NftChain {
  std::string family;  // "ip", "ip6", "inet"
  std::string table, name, hook;
  bool drops = false;  // its policy is drop
  std::uint32_t rules = 0;
  friend bool operator==(const NftChain&, const NftChain&) = default;
};

// The filter chains at the hooks input, forward and output that have rules or a drop policy, in the kernel's order.
[[nodiscard]] Result<std::vector<NftChain>> read_nft_filters();

// "ip filter FORWARD (policy drop, 2 rules)".
[[nodiscard]] std::string to_text(const NftChain& chain);

}  // namespace margay::kernel
