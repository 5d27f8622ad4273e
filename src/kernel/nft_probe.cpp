#include "nft_probe.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <optional>
#include <string_view>

#include "netlink_attrs.hpp"
#include "netlink_socket.hpp"

namespace margay::kernel {
namespace {

std::string_view family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_IPV6: return "ip6";
    case NFPROTO_INET: return "inet";
    default: return {};
  }
}

std::string_view hook_name(std::uint32_t hook) {
  switch (hook) {
    case NF_INET_LOCAL_IN: return "input";
    case NF_INET_FORWARD: return "forward";
    case NF_INET_LOCAL_OUT: return "output";
    default: return {};
  }
}

std::string text_of(const nlattr* attr) {
  const std::string_view all{static_cast<const char*>(mnl_attr_get_payload(attr)), mnl_attr_get_payload_len(attr)};
  return std::string{all.substr(0, all.find('\0'))};
}

std::uint32_t number_of(const nlattr* attr) {
  return mnl_attr_get_payload_len(attr) < sizeof(std::uint32_t) ? 0 : ntohl(mnl_attr_get_u32(attr));
}

// None: not a base chain of type filter at a hook that concerns us, or one that lets everything pass.
std::optional<NftChain> parse_chain(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(nfgenmsg)) return std::nullopt;
  NftChain chain;
  chain.family = family_name(static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family);
  bool filters = false;
  for_each_attr(message, sizeof(nfgenmsg), [&](const nlattr* attr) {
    switch (mnl_attr_get_type(attr)) {
      case NFTA_CHAIN_TABLE: chain.table = text_of(attr); break;
      case NFTA_CHAIN_NAME: chain.name = text_of(attr); break;
      case NFTA_CHAIN_TYPE: filters = text_of(attr) == "filter"; break;
      case NFTA_CHAIN_POLICY: chain.drops = number_of(attr) == NF_DROP; break;
      // References: a base chain cannot be jumped to, so they are its rules.
      case NFTA_CHAIN_USE: chain.rules = number_of(attr); break;
      case NFTA_CHAIN_HOOK:
        for_each_nested(attr, [&](const nlattr* hook) {
          if (mnl_attr_get_type(hook) == NFTA_HOOK_HOOKNUM) chain.hook = hook_name(number_of(hook));
        });
        break;
      default: break;
    }
  });
  if (chain.family.empty() || chain.hook.empty() || !filters || (!chain.drops && chain.rules == 0)) return std::nullopt;
  return chain;
}

}  // namespace

Result<std::vector<NftChain>> read_nft_filters() {
  NetlinkSocket socket{NETLINK_NETFILTER};
  std::vector<NftChain> chains;
  auto status = socket.dump(
      "list nf_tables chains",
      [](nlmsghdr& message) {
        message.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
        message.nlmsg_flags = NLM_F_DUMP;
        auto& header = *static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(&message, sizeof(nfgenmsg)));
        header.nfgen_family = NFPROTO_UNSPEC;
        header.version = NFNETLINK_V0;
      },
      [&] { chains.clear(); },
      [&](const nlmsghdr& message) {
        if (auto chain = parse_chain(message)) chains.push_back(std::move(*chain));
      });
  if (status) return chains;
  // nfnetlink says EINVAL of a subsystem that is neither loaded nor to be had.
  if (status.error().code == ErrorCode::Invalid || status.error().code == ErrorCode::Unsupported) return std::vector<NftChain>{};
  return std::move(status).error();
}

std::string to_text(const NftChain& chain) {
  return fmt::format("{} {} {} (policy {}, {} rule{})", chain.family, chain.table, chain.name, chain.drops ? "drop" : "accept",
                     chain.rules, chain.rules == 1 ? "" : "s");
}

}  // namespace margay::kernel
