// Whether the kernel has IPv6 at all.
#pragma once

namespace margay::kernel {

// False only where both a socket of the family and its /proc/sys tree are refused: a kernel built or booted without it
// (ipv6.disable=1). A sandbox that forbids the sockets hides the tree from nobody, and must not open what IPv6 policy closes; nor
// is a disabled address on an interface (disable_ipv6) any reason to leave the tables alone.
[[nodiscard]] bool has_ipv6() noexcept;

}  // namespace margay::kernel
