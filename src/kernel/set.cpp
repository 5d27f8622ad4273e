#include "margay/kernel/set.hpp"

#include "margay/base/assert.hpp"

namespace margay::kernel {
namespace {

// The names `ipset save` prints; any other protocol goes by number, which `ipset restore` takes as well.
std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case 6: return "tcp";
    case 17: return "udp";
    case 132: return "sctp";
    case 136: return "udplite";
    default: return std::to_string(protocol);
  }
}

}  // namespace

std::string_view name(SetType type) noexcept {
  switch (type) {
    case SetType::HashIp: return "hash:ip";
    case SetType::HashNet: return "hash:net";
    case SetType::HashIpPort: return "hash:ip,port";
  }
  MARGAY_ASSERT(false && "no such set type");
}

// As `ipset save` prints it: a host prefix bare, so that texts of ours and of the tool compare.
std::string SetMember::to_string(SetType type) const {
  std::string text = net.is_host() || type != SetType::HashNet ? net.addr.to_string() : net.to_string();
  if (type == SetType::HashIpPort) text.append(",").append(protocol_text(protocol)).append(":").append(std::to_string(port));
  return text;
}

}  // namespace margay::kernel
