#include "kernel_sets.hpp"

// Before linux/in.h, which gives way to it.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "ipset_dump.hpp"

namespace margay::kernel {

Result<unsigned> KernelSetIndex::version() {
  if (version_ != 0) return version_;
  ip_set_req_version request{IP_SET_OP_VERSION, 0};
  socklen_t size = sizeof request;
  if (::getsockopt(fd_, SOL_IP, SO_IP_SET, &request, &size) != 0)
    return Error{errno == ENOPROTOOPT ? ErrorCode::Unavailable : ErrorCode::Io, std::string{"ipset: "} + std::strerror(errno)};
  return version_ = request.version;
}

Result<std::uint16_t> KernelSetIndex::index(Family family, std::string_view name) {
  const std::string key{name};
  const auto of_other_family = [&] { return Error{ErrorCode::Invalid, "set " + key + " is of the other family"}; };
  if (looked_up_ == kFew && !by_name_.contains(key)) learn_all();
  if (const auto known = by_name_.find(key); known != by_name_.end() && known->second.family) {
    if (*known->second.family != family) return of_other_family();
    return std::uint16_t{known->second.index};
  }
  ++looked_up_;
  auto protocol = version();
  if (!protocol) return protocol.error();
  ip_set_req_get_set_family request{};
  request.op = IP_SET_OP_GET_FNAME;
  request.version = *protocol;
  std::strncpy(request.set.name, key.c_str(), sizeof request.set.name - 1);
  socklen_t size = sizeof request;
  if (::getsockopt(fd_, SOL_IP, SO_IP_SET, &request, &size) != 0)
    return Error{ErrorCode::Io, "set " + key + ": " + std::strerror(errno)};
  if (request.set.index == IPSET_INVALID_ID) return Error{ErrorCode::NotFound, "set " + key + " does not exist"};
  if (request.family != (family == Family::V4 ? unsigned{NFPROTO_IPV4} : unsigned{NFPROTO_IPV6})) return of_other_family();
  by_index_.emplace(request.set.index, key);
  by_name_[key] = {request.set.index, family};
  return std::uint16_t{request.set.index};
}

// Without an answer, or from a kernel that tells no indices, names are looked up one by one as before.
void KernelSetIndex::learn_all() {
  ++looked_up_;
  NetlinkSocket socket{NETLINK_NETFILTER};
  auto all = dump_set_indices(socket);
  if (!all) return;
  for (auto& entry : *all) {
    if (!entry.family) continue;
    by_index_[entry.index] = entry.name;
    by_name_[std::move(entry.name)] = {entry.index, entry.family};
  }
}

std::optional<std::string> KernelSetIndex::name(std::uint16_t index) {
  if (const auto known = by_index_.find(index); known != by_index_.end()) return known->second;
  auto protocol = version();
  if (!protocol) return std::nullopt;
  ip_set_req_get_set request{};
  request.op = IP_SET_OP_GET_BYINDEX;
  request.version = *protocol;
  request.set.index = index;
  socklen_t size = sizeof request;
  if (::getsockopt(fd_, SOL_IP, SO_IP_SET, &request, &size) != 0) return std::nullopt;
  std::string name{request.set.name, strnlen(request.set.name, sizeof request.set.name)};
  if (name.empty()) return std::nullopt;
  by_index_.emplace(index, name);
  by_name_.try_emplace(name, Known{index, std::nullopt});
  return name;
}

}  // namespace margay::kernel
