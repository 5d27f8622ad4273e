// Sets read back over plain netlink: headers of all in one dump, members of one in another.
//
// libipset can only print: text that we would parse again, at more than twice the cost (docs/design/kernel-netlink.md).
#pragma once

#include "margay/kernel/ports.hpp"
#include "netlink_socket.hpp"

namespace margay::kernel {

// Headers of the sets whose names start "cali4" or "cali6", as Sets::list() promises.
[[nodiscard]] Result<std::vector<SetHeader>> dump_set_headers(NetlinkSocket& socket);
// NotFound: no such set. Unsupported: of another type or family than `spec` says, or with members we never write.
[[nodiscard]] Result<std::vector<SetMember>> dump_set_members(NetlinkSocket& socket, const SetSpec& spec);

struct SetIndexEntry {
  std::string name;
  std::uint16_t index = 0;
  std::optional<Family> family;
};
// Of all sets, in one pass of the kernel over them.
[[nodiscard]] Result<std::vector<SetIndexEntry>> dump_set_indices(NetlinkSocket& socket);

}  // namespace margay::kernel
