#include "ipset_dump.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>
#include <string>
#include <utility>

#include "netlink_attrs.hpp"
#include "netlink_codec.hpp"

namespace margay::kernel {
namespace {

constexpr SetType kTypes[] = {SetType::HashIp, SetType::HashNet, SetType::HashIpPort};

void put_list_request(nlmsghdr& message, const char* set, std::uint32_t flags, std::uint8_t protocol = IPSET_PROTOCOL_MIN) {
  message.nlmsg_type = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST;
  message.nlmsg_flags =
      NLM_F_ACK;  // the subsystem starts the dump by itself, and tells of an unknown name in an acknowledgement only
  auto& header = *static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(&message, sizeof(nfgenmsg)));
  header.nfgen_family = AF_INET;
  header.version = NFNETLINK_V0;
  mnl_attr_put_u8(&message, IPSET_ATTR_PROTOCOL, protocol);
  if (set) mnl_attr_put_strz(&message, IPSET_ATTR_SETNAME, set);
  if (flags) mnl_attr_put_u32(&message, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER, htonl(flags));
}

std::string text_of(const nlattr* attr) {
  const char* text = mnl_attr_get_str(attr);
  return {text, strnlen(text, mnl_attr_get_payload_len(attr))};
}

std::uint32_t u32_of(const nlattr* attr) {
  return mnl_attr_get_payload_len(attr) < sizeof(std::uint32_t) ? 0 : ntohl(mnl_attr_get_u32(attr));
}

bool is_our_set(std::string_view name) { return name.starts_with("cali4") || name.starts_with("cali6"); }

struct Header {
  SetHeader header;
  bool named = false;  // the message is a set's first: it has its type
  bool known = false;  // of a type, family and options that we make
};

// A set's first message of a dump says what it is; the following ones only go on with its members.
Header parse_header(const nlmsghdr& message) {
  Header found;
  bool type_known = false, family_known = false, plain = true;
  SetSpec& spec = found.header.spec;
  for_each_attr(message, sizeof(nfgenmsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case IPSET_ATTR_SETNAME: spec.name = text_of(attr); break;
      case IPSET_ATTR_TYPENAME:
        found.named = true;
        for (const SetType type : kTypes)
          if (name(type) == text_of(attr)) spec.type = type, type_known = true;
        break;
      case IPSET_ATTR_FAMILY:
        if (mnl_attr_get_payload_len(attr) < 1) break;
        if (const auto family = family_of(mnl_attr_get_u8(attr))) spec.family = *family, family_known = true;
        break;
      case IPSET_ATTR_DATA: {
        for_each_nested(attr, [&](const nlattr* option) {
          switch (mnl_attr_get_type(option)) {
            case IPSET_ATTR_HASHSIZE: spec.hash_size = u32_of(option); break;
            case IPSET_ATTR_MAXELEM: spec.max_elements = u32_of(option); break;
            case IPSET_ATTR_REFERENCES: found.header.references = u32_of(option); break;
            // Sets of ours have none of these: members that expire, or that stand for another address than they say.
            case IPSET_ATTR_TIMEOUT:
            case IPSET_ATTR_NETMASK: plain = false; break;
            default: break;
          }
        });
        break;
      }
      default: break;
    }
  });
  found.known = type_known && family_known && plain;
  if (!found.known) spec.max_elements = 0;
  return found;
}

// Nothing: a member we never write (nomatch, an address of another family).
std::optional<SetMember> parse_member(const nlattr* data, const SetSpec& spec) {
  std::optional<Addr> addr;
  unsigned prefix = bits(spec.family);
  SetMember member;
  bool nomatch = false;
  for_each_nested(data, [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case IPSET_ATTR_IP: {
        for_each_nested(attr, [&](const nlattr* ip) { addr = parse_addr(ip); });
        break;
      }
      case IPSET_ATTR_CIDR: prefix = mnl_attr_get_u8(attr); break;
      case IPSET_ATTR_PORT: member.port = ntohs(mnl_attr_get_u16(attr)); break;
      case IPSET_ATTR_PROTO: member.protocol = mnl_attr_get_u8(attr); break;
      case IPSET_ATTR_CADT_FLAGS: nomatch = u32_of(attr) & IPSET_FLAG_NOMATCH; break;
      default: break;
    }
  });
  if (nomatch || !addr || addr->family != spec.family || prefix > bits(spec.family)) return std::nullopt;
  member.net = Cidr{*addr, prefix};
  return member;
}

}  // namespace

Result<std::vector<SetHeader>> dump_set_headers(NetlinkSocket& socket) {
  std::vector<SetHeader> headers;
  auto status = socket.dump(
      "list sets", [](nlmsghdr& message) { put_list_request(message, nullptr, IPSET_FLAG_LIST_HEADER); },
      [&] { headers.clear(); },
      [&](const nlmsghdr& message) {
        auto found = parse_header(message);
        if (found.named && is_our_set(found.header.spec.name)) headers.push_back(std::move(found.header));
      });
  if (!status) return std::move(status).error();
  return headers;
}

Result<std::vector<SetIndexEntry>> dump_set_indices(NetlinkSocket& socket) {
  constexpr std::uint8_t kProtocolWithIndices = 7;
  std::vector<SetIndexEntry> out;
  auto status = socket.dump(
      "list sets", [](nlmsghdr& message) { put_list_request(message, nullptr, IPSET_FLAG_LIST_HEADER, kProtocolWithIndices); },
      [&] { out.clear(); },
      [&](const nlmsghdr& message) {
        SetIndexEntry entry;
        bool indexed = false;
        for_each_attr(message, sizeof(nfgenmsg), [&](const nlattr* attr) {
          switch (mnl_attr_get_type(attr)) {
            case IPSET_ATTR_SETNAME: entry.name = text_of(attr); break;
            case IPSET_ATTR_INDEX:
              if (mnl_attr_get_payload_len(attr) < sizeof(std::uint16_t)) break;
              entry.index = ntohs(mnl_attr_get_u16(attr));
              indexed = true;
              break;
            case IPSET_ATTR_FAMILY:
              if (mnl_attr_get_payload_len(attr) >= 1) entry.family = family_of(mnl_attr_get_u8(attr));
              break;
            default: break;
          }
        });
        if (indexed) out.push_back(std::move(entry));
      });
  if (!status) return std::move(status).error();
  return out;
}

Result<std::vector<SetMember>> dump_set_members(NetlinkSocket& socket, const SetSpec& spec) {
  std::vector<SetMember> members;
  bool foreign = false;
  auto status = socket.dump(
      "read set " + spec.name, [&](nlmsghdr& message) { put_list_request(message, spec.name.c_str(), 0); },
      [&] { members.clear(), foreign = false; },
      [&](const nlmsghdr& message) {
        const auto found = parse_header(message);
        if (found.named && !(found.known && found.header.spec.type == spec.type && found.header.spec.family == spec.family))
          foreign = true;
        if (foreign) return;
        for_each_attr(message, sizeof(nfgenmsg), [&](const nlattr* attr) {
          if (mnl_attr_get_type(attr) != IPSET_ATTR_ADT) return;
          for_each_nested(attr, [&](const nlattr* data) {
            if (const auto member = parse_member(data, spec)) members.push_back(*member);
            else foreign = true;
          });
        });
      });
  if (!status) return std::move(status).error();
  if (foreign) return Error{ErrorCode::Unsupported, "read set " + spec.name + ": of a foreign type or with foreign members"};
  return members;
}

}  // namespace margay::kernel
