// The target of a rule: value → bytes → value.
#include <arpa/inet.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include "xt_parts.hpp"

namespace margay::kernel::xt {
namespace {

nf_inet_addr inet(const Addr& address) {
  nf_inet_addr value{};
  std::memcpy(&value, address.bytes.data(), bits(address.family) / 8);
  return value;
}
// SNAT and MASQUERADE: rev 0 with the old range for IPv4, nf_nat_range for IPv6 (there SNAT is rev 1): what iptables writes.
void put_source_nat(Family family, const char* name, const Addr* address, const std::optional<PortsMatch::Range>& ports,
                    bool random_fully, Bytes& out) {
  unsigned flags = 0;
  if (address) flags |= NF_NAT_RANGE_MAP_IPS;
  if (ports) flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
  if (random_fully) flags |= NF_NAT_RANGE_PROTO_RANDOM_FULLY;
  const auto fill = [&](auto& min, auto& max) {
    if (ports) min.all = htons(ports->min), max.all = htons(ports->max);
  };
  if (family == Family::V4) {
    nf_nat_ipv4_multi_range_compat info{};
    info.rangesize = 1;
    info.range[0].flags = flags;
    if (address) info.range[0].min_ip = info.range[0].max_ip = inet(*address).ip;
    fill(info.range[0].min, info.range[0].max);
    put(out, name, 0, info);
  } else {
    nf_nat_range info{};
    info.flags = flags;
    if (address) info.min_addr = info.max_addr = inet(*address);
    fill(info.min_proto, info.max_proto);
    put(out, name, address ? 1 : 0, info);
  }
}

void put_standard(Bytes& out, const char* verdict) {
  const std::uint64_t none = 0;
  put(out, verdict, 0, &none, kStandardSize - kHead);
}

std::optional<PortsMatch::Range> read_ports(unsigned flags, std::uint16_t min, std::uint16_t max) {
  if (!(flags & NF_NAT_RANGE_PROTO_SPECIFIED)) return std::nullopt;
  return PortsMatch::Range{ntohs(min), ntohs(max)};
}

std::optional<Target> read_source_nat(Family family, const View& v, bool masquerade) {
  unsigned flags = 0;
  Addr address{};
  std::optional<PortsMatch::Range> ports;
  if (family == Family::V4) {
    const auto info = v.info<nf_nat_ipv4_multi_range_compat>();
    flags = info.range[0].flags;
    address = addr(family, &info.range[0].min_ip);
    ports = read_ports(flags, info.range[0].min.all, info.range[0].max.all);
  } else {
    const auto info = v.info<nf_nat_range>();
    flags = info.flags;
    address = addr(family, &info.min_addr);
    ports = read_ports(flags, info.min_proto.all, info.max_proto.all);
  }
  const bool random_fully = (flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY) != 0;
  if (masquerade) return Masquerade{ports, random_fully};
  return SourceNat{address, ports, random_fully};
}

}  // namespace

Status put_target(Family family, const Target& target, Bytes& out) {
  std::visit(Overloaded{
                 [&](const Continue&) { put_standard(out, ""); },
                 [&](const Accept&) { put_standard(out, "ACCEPT"); },
                 [&](const Drop&) { put_standard(out, "DROP"); },
                 [&](const Return&) { put_standard(out, "RETURN"); },
                 [&](const Jump& t) { put_standard(out, t.chain.c_str()); },
                 [&](const Goto& t) { put_standard(out, t.chain.c_str()); },
                 [&](const Reject& t) {
                   std::uint32_t with = 0;  // the enums of both families are an int alone in their struct
                   static_assert(sizeof(ipt_reject_info) == 4 && sizeof(ip6t_reject_info) == 4);
                   if (family == Family::V4) with = t.tcp_reset ? IPT_TCP_RESET : IPT_ICMP_PORT_UNREACHABLE;
                   else with = t.tcp_reset ? IP6T_TCP_RESET : IP6T_ICMP6_PORT_UNREACH;
                   put(out, "REJECT", 0, with);
                 },
                 [&](const SetMark& t) {
                   put(out, "MARK", 2, xt_mark_tginfo2{t.value, t.mask});
                 },
                 [&](const Log& t) {
                   xt_log_info info{};
                   info.level = t.level;
                   std::memcpy(info.prefix, t.prefix.data(), std::min(t.prefix.size(), sizeof info.prefix - 1));
                   put(out, "LOG", 0, info);
                 },
                 [&](const Nflog& t) {
                   xt_nflog_info info{};
                   info.len = t.size;
                   info.group = t.group;
                   if (t.size != 0) info.flags = XT_NFLOG_F_COPY_LEN;
                   std::memcpy(info.prefix, t.prefix.data(), std::min(t.prefix.size(), sizeof info.prefix - 1));
                   put(out, "NFLOG", 0, info);
                 },
                 [&](const NoTrack&) {
                   xt_ct_target_info_v1 info{};
                   info.flags = XT_CT_NOTRACK;
                   put(out, "CT", 2, info);
                 },
                 [&](const Masquerade& t) { put_source_nat(family, "MASQUERADE", nullptr, t.ports, t.random_fully, out); },
                 [&](const SourceNat& t) { put_source_nat(family, "SNAT", &t.address, t.ports, t.random_fully, out); },
                 [&](const DestNat& t) {
                   nf_nat_range2 info{};
                   info.flags = NF_NAT_RANGE_MAP_IPS;
                   info.min_addr = info.max_addr = inet(t.address);
                   if (t.port) {
                     info.flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
                     info.min_proto.all = info.max_proto.all = htons(*t.port);
                   }
                   put(out, "DNAT", 2, info);
                 },
                 [&](const SetDscp& t) { put(out, "DSCP", 0, xt_DSCP_info{t.value}); },
                 [&](const OpaqueTarget&) {},
             },
             target);
  if (const auto* opaque = std::get_if<OpaqueTarget>(&target)) return Error{ErrorCode::Invalid, "foreign target " + opaque->name};
  return {};
}

std::optional<Target> read_target(Family family, const View& v) {
  if (v.is("REJECT", 0))
    return Reject{v.info<std::uint32_t>() == (family == Family::V4 ? unsigned{IPT_TCP_RESET} : unsigned{IP6T_TCP_RESET})};
  if (v.is("MARK", 2)) {
    const auto info = v.info<xt_mark_tginfo2>();
    return SetMark{info.mark, info.mask};
  }
  if (v.is("LOG", 0)) {
    const auto info = v.info<xt_log_info>();
    return Log{std::string{info.prefix, strnlen(info.prefix, sizeof info.prefix)}, info.level};
  }
  if (v.is("NFLOG", 0)) {
    const auto info = v.info<xt_nflog_info>();
    return Nflog{info.group, std::string{info.prefix, strnlen(info.prefix, sizeof info.prefix)}, info.len};
  }
  if (v.is("CT", 2)) return NoTrack{};
  if (v.is("MASQUERADE", 0)) return read_source_nat(family, v, true);
  if (v.is("SNAT", family == Family::V4 ? 0 : 1)) return read_source_nat(family, v, false);
  if (v.is("DNAT", 2)) {
    const auto info = v.info<nf_nat_range2>();
    DestNat t{addr(family, &info.min_addr), std::nullopt};
    if (const auto ports = read_ports(info.flags, info.min_proto.all, info.max_proto.all)) t.port = ports->min;
    return t;
  }
  if (v.is("DSCP", 0)) return SetDscp{v.info<xt_DSCP_info>().dscp};
  return std::nullopt;
}

}  // namespace margay::kernel::xt
