#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "netlink.hpp"
#include "netlink_attrs.hpp"
#include "netlink_codec.hpp"

namespace margay::kernel {
namespace {

constexpr int message_type(int message) noexcept { return NFNL_SUBSYS_CTNETLINK << 8 | message; }

// What names one entry to the kernel. Without the id a new flow of the same tuple, begun since the dump, would go too.
struct Entry {
  std::vector<char> tuple;     // CTA_TUPLE_ORIG, contents
  std::vector<char> id, zone;  // contents; empty: not given
};

void put_header(nlmsghdr& message, int type, int flags, Family family) noexcept {
  message.nlmsg_type = static_cast<std::uint16_t>(message_type(type));
  message.nlmsg_flags = static_cast<std::uint16_t>(flags);
  auto& header = *static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(&message, sizeof(nfgenmsg)));
  header.nfgen_family = static_cast<std::uint8_t>(address_family(family));
  header.version = NFNETLINK_V0;
}

bool tuple_has(const nlattr* tuple, const std::unordered_set<Addr>& addresses) {
  bool has = false;
  for_each_nested(tuple, [&](const nlattr* part) {
    if (mnl_attr_get_type(part) != CTA_TUPLE_IP) return;
    for_each_nested(part, [&](const nlattr* ip) {
      const auto addr = parse_addr(ip);  // sources and destinations of either family are all there is in CTA_TUPLE_IP
      has = has || (addr && addresses.count(*addr));
    });
  });
  return has;
}

std::vector<char> contents(const nlattr* attr) {
  const auto* begin = static_cast<const char*>(mnl_attr_get_payload(attr));
  return {begin, begin + mnl_attr_get_payload_len(attr)};
}

}  // namespace

NetlinkConntrack::NetlinkConntrack() : socket_{NETLINK_NETFILTER} {}

Status NetlinkConntrack::remove_flows(const std::vector<Addr>& addresses) {
  for (const Family family : kFamilies) {
    std::unordered_set<Addr> wanted;
    for (const Addr& addr : addresses)
      if (addr.family == family) wanted.insert(addr);
    if (wanted.empty()) continue;

    std::vector<Entry> entries;
    auto status = socket_.dump(
        "read conntrack", [family](nlmsghdr& message) { put_header(message, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family); },
        [&] { entries.clear(); },
        [&](const nlmsghdr& message) {
          const nlattr *original = nullptr, *id = nullptr, *zone = nullptr;
          bool match = false;
          for_each_attr(message, sizeof(nfgenmsg), [&](const nlattr* attr) {
            switch (mnl_attr_get_type(attr)) {
              case CTA_TUPLE_ORIG: original = attr; [[fallthrough]];
              case CTA_TUPLE_REPLY:
                match = match || tuple_has(attr, wanted);
                break;  // after NAT only the reply knows the address
              case CTA_ID: id = attr; break;
              case CTA_ZONE: zone = attr; break;
              default: break;
            }
          });
          if (!match || !original) return;
          entries.push_back(
              {contents(original), id ? contents(id) : std::vector<char>{}, zone ? contents(zone) : std::vector<char>{}});
        });
    if (!status) {
      // nfnetlink answers EINVAL for a subsystem that it does not have.
      if (status.error().code == ErrorCode::Invalid)
        return Error{ErrorCode::Unsupported, "read conntrack: this kernel has no ctnetlink"};
      return status;
    }
    const auto outcome = socket_.request(entries.size(), [&](std::size_t i, nlmsghdr& message) {
      put_header(message, IPCTNL_MSG_CT_DELETE, 0, family);
      mnl_attr_put(&message, CTA_TUPLE_ORIG | NLA_F_NESTED, entries[i].tuple.size(), entries[i].tuple.data());
      if (!entries[i].zone.empty()) mnl_attr_put(&message, CTA_ZONE, entries[i].zone.size(), entries[i].zone.data());
      if (!entries[i].id.empty()) mnl_attr_put(&message, CTA_ID, entries[i].id.size(), entries[i].id.data());
    });
    for (const int error : outcome)
      if (error && error != ENOENT) return netlink_error(error, "remove conntrack entry");
  }
  return {};
}

}  // namespace margay::kernel
