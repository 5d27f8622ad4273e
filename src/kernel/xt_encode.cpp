#include "xt_encode.hpp"

// Kernel and libiptc headers: plain C, and libip6tc.h does not say so itself.
extern "C" {
#include <libiptc/libip6tc.h>
#include <libiptc/libiptc.h>
}
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv6/ip6t_REJECT.h>

#include <algorithm>
#include <cstring>

namespace margay::kernel::xt {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

using Bytes = std::vector<std::byte>;

// What differs between the families' entries; all else is common.
struct V4 {
  using Entry = ipt_entry;
  static constexpr Family kFamily = Family::V4;
  static constexpr std::uint8_t kGoto = IPT_F_GOTO, kProtocolFlag = 0;
  static auto& header(Entry& e) { return e.ip; }
  static const auto& header(const Entry& e) { return e.ip; }
};
struct V6 {
  using Entry = ip6t_entry;
  static constexpr Family kFamily = Family::V6;
  static constexpr std::uint8_t kGoto = IP6T_F_GOTO, kProtocolFlag = IP6T_F_PROTO;
  static auto& header(Entry& e) { return e.ipv6; }
  static const auto& header(const Entry& e) { return e.ipv6; }
};
static_assert(IPT_INV_VIA_IN == IP6T_INV_VIA_IN && IPT_INV_VIA_OUT == IP6T_INV_VIA_OUT && IPT_INV_SRCIP == IP6T_INV_SRCIP &&
              IPT_INV_DSTIP == IP6T_INV_DSTIP && IPT_INV_PROTO == IP6T_INV_PROTO);

constexpr std::size_t aligned(std::size_t size) { return XT_ALIGN(size); }
constexpr std::size_t kHead = sizeof(xt_entry_match);
static_assert(sizeof(xt_entry_match) == sizeof(xt_entry_target) && kHead == 32);
constexpr std::size_t kStandardSize = XT_ALIGN(sizeof(xt_standard_target));

// Appends one match or target: its 32-byte head, then the zero-padded data. Offsets, not pointers: the vector moves.
void put(Bytes& out, const char* name, std::uint8_t revision, const void* data, std::size_t size) {
  const std::size_t at = out.size();
  out.resize(at + kHead + aligned(size));
  xt_entry_match head{};
  head.u.user.match_size = static_cast<std::uint16_t>(kHead + aligned(size));
  std::strncpy(head.u.user.name, name, sizeof head.u.user.name - 1);
  head.u.user.revision = revision;
  std::memcpy(&out[at], &head, kHead);
  if (size != 0) std::memcpy(&out[at + kHead], data, size);
}
template <class Info>
void put(Bytes& out, const char* name, std::uint8_t revision, const Info& info) {
  put(out, name, revision, &info, sizeof info);
}

struct ConntrackBit {
  std::uint8_t ours;
  std::uint16_t kernel;
};
constexpr ConntrackBit kStates[] = {
    {ConntrackMatch::Invalid, XT_CONNTRACK_STATE_INVALID},
    {ConntrackMatch::Established, XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED)},
    {ConntrackMatch::Related, XT_CONNTRACK_STATE_BIT(IP_CT_RELATED)},
    {ConntrackMatch::New, XT_CONNTRACK_STATE_BIT(IP_CT_NEW)},
    {ConntrackMatch::Untracked, XT_CONNTRACK_STATE_UNTRACKED},
    {ConntrackMatch::SourceNat, XT_CONNTRACK_STATE_SNAT},
    {ConntrackMatch::DestNat, XT_CONNTRACK_STATE_DNAT},
};

struct LimitUnit {
  LimitMatch::Unit unit;
  std::uint32_t ticks;
};
constexpr LimitUnit kUnits[] = {{LimitMatch::Unit::Day, XT_LIMIT_SCALE * 86400u},
                                {LimitMatch::Unit::Hour, XT_LIMIT_SCALE * 3600u},
                                {LimitMatch::Unit::Minute, XT_LIMIT_SCALE * 60u},
                                {LimitMatch::Unit::Second, XT_LIMIT_SCALE}};

// ---- matches -------------------------------------------------------------------------------------------------------

Status put_match(Family family, const Match& match, SetIndex& sets, Bytes& out) {
  return std::visit(Overloaded{
                        [&](const MarkMatch& m) -> Status {
                          xt_mark_mtinfo1 info{};
                          info.mark = m.value, info.mask = m.mask, info.invert = m.negated;
                          put(out, "mark", 1, info);
                          return {};
                        },
                        [&](const ConntrackMatch& m) -> Status {
                          xt_conntrack_mtinfo3 info{};
                          info.match_flags = XT_CONNTRACK_STATE;
                          if (m.negated) info.invert_flags = XT_CONNTRACK_STATE;
                          for (const auto& [ours, kernel] : kStates)
                            if (m.states & ours) info.state_mask |= kernel;
                          put(out, "conntrack", 3, info);
                          return {};
                        },
                        [&](const SetMatch& m) -> Status {
                          auto index = sets.index(family, m.set);
                          if (!index) return index.error();
                          xt_set_info_match_v4 info{};
                          info.match_set.index = *index;
                          info.match_set.dim = m.dimensions;
                          if (m.negated) info.match_set.flags |= IPSET_INV_MATCH;
                          for (int d = 1; m.source && d <= m.dimensions; ++d)
                            info.match_set.flags |= static_cast<std::uint8_t>(1 << d);
                          put(out, "set", 4, info);
                          return {};
                        },
                        [&](const PortsMatch& m) -> Status {
                          xt_multiport_v1 info{};
                          info.flags = m.source ? XT_MULTIPORT_SOURCE : XT_MULTIPORT_DESTINATION;
                          info.invert = m.negated;
                          for (const auto& range : m.ranges) {  // host byte order; a range is two slots, the first flagged
                            if (range.min != range.max) {
                              info.pflags[info.count] = 1;
                              info.ports[info.count++] = range.min;
                            }
                            info.ports[info.count++] = range.max;
                          }
                          put(out, "multiport", 1, info);
                          return {};
                        },
                        [&](const IcmpTypeMatch& m) -> Status {
                          ipt_icmp info{};
                          static_assert(sizeof(ipt_icmp) == sizeof(ip6t_icmp) && IPT_ICMP_INV == IP6T_ICMP_INV);
                          info.type = m.type;
                          info.code[0] = m.code.value_or(0);
                          info.code[1] = m.code.value_or(0xff);
                          info.invflags = m.negated ? IPT_ICMP_INV : 0;
                          put(out, family == Family::V4 ? "icmp" : "icmp6", 0, info);
                          return {};
                        },
                        [&](const AddrTypeMatch& m) -> Status {
                          xt_addrtype_info_v1 info{};
                          (m.source ? info.source : info.dest) = XT_ADDRTYPE_LOCAL;
                          if (m.negated) info.flags |= m.source ? XT_ADDRTYPE_INVERT_SOURCE : XT_ADDRTYPE_INVERT_DEST;
                          if (m.limit_iface_out) info.flags |= XT_ADDRTYPE_LIMIT_IFACE_OUT;
                          put(out, "addrtype", 1, info);
                          return {};
                        },
                        [&](const RpfilterMatch&) -> Status {
                          put(out, "rpfilter", 0, xt_rpfilter_info{XT_RPFILTER_VALID_MARK | XT_RPFILTER_INVERT});
                          return {};
                        },
                        [&](const LimitMatch& m) -> Status {
                          xt_rateinfo info{};
                          for (const auto& [unit, ticks] : kUnits)
                            if (unit == m.unit) info.avg = ticks / m.rate;
                          info.burst = m.burst;
                          put(out, "limit", 0, info);
                          return {};
                        },
                        [&](const ConnlimitMatch& m) -> Status {
                          xt_tcp tcp{};
                          tcp.spts[1] = tcp.dpts[1] = 0xffff;
                          tcp.flg_mask = 0x17;  // FIN, SYN, RST, ACK
                          tcp.flg_cmp = 0x02;   // SYN
                          put(out, "tcp", 0, tcp);
                          xt_connlimit_info info{};
                          info.limit = m.above;
                          put(out, "connlimit", 1, info);
                          return {};
                        },
                        [&](const CommentMatch& m) -> Status {
                          xt_comment_info info{};
                          std::memcpy(info.comment, m.text.data(), std::min(m.text.size(), sizeof info.comment - 1));
                          put(out, "comment", 0, info);
                          return {};
                        },
                        [&](const OpaqueMatch& m) -> Status {
                          return Error{ErrorCode::Invalid, "foreign match " + m.name};
                        },
                    },
                    match);
}

struct View {  // of one match or target
  std::string_view name;
  std::uint8_t revision;
  const std::byte* start;
  std::size_t size;
  // Copies the data out; short data leaves zeros, and then the comparison with our own encoding fails.
  template <class Info>
  [[nodiscard]] Info info() const {
    Info value{};
    std::memcpy(static_cast<void*>(&value), start + kHead, std::min(sizeof value, size - kHead));
    return value;
  }
  [[nodiscard]] bool is(std::string_view wanted, std::uint8_t rev) const { return name == wanted && revision == rev; }
};
View view(const std::byte* at) {
  const auto* head = reinterpret_cast<const xt_entry_match*>(at);
  return {
      {head->u.user.name, strnlen(head->u.user.name, sizeof head->u.user.name)}, head->u.user.revision, at, head->u.match_size};
}

std::optional<Match> read_match(Family family, const View& v, SetIndex& sets) {
  if (v.is("mark", 1)) {
    const auto info = v.info<xt_mark_mtinfo1>();
    return MarkMatch{info.mark, info.mask, info.invert != 0};
  }
  if (v.is("conntrack", 3)) {
    const auto info = v.info<xt_conntrack_mtinfo3>();
    ConntrackMatch m{0, info.invert_flags != 0};
    for (const auto& [ours, kernel] : kStates)
      if (info.state_mask & kernel) m.states |= ours;
    return m;
  }
  if (v.is("set", 4)) {
    const auto info = v.info<xt_set_info_match_v4>();
    auto name = sets.name(info.match_set.index);
    if (!name) return std::nullopt;
    return SetMatch{*name, (info.match_set.flags & IPSET_DIM_ONE_SRC) != 0, info.match_set.dim,
                    (info.match_set.flags & IPSET_INV_MATCH) != 0};
  }
  if (v.is("multiport", 1)) {
    const auto info = v.info<xt_multiport_v1>();
    PortsMatch m{info.flags == XT_MULTIPORT_SOURCE, {}, info.invert != 0};
    if (info.count > XT_MULTI_PORTS) return std::nullopt;
    for (int i = 0; i < info.count; ++i) {
      const bool range = info.pflags[i] != 0 && i + 1 < info.count;
      m.ranges.push_back({info.ports[i], info.ports[i + (range ? 1 : 0)]});
      i += range ? 1 : 0;
    }
    return m;
  }
  if (v.is(family == Family::V4 ? "icmp" : "icmp6", 0)) {
    const auto info = v.info<ipt_icmp>();
    IcmpTypeMatch m{info.type, std::nullopt, info.invflags != 0};
    if (info.code[0] == info.code[1]) m.code = info.code[0];
    return m;
  }
  if (v.is("addrtype", 1)) {
    const auto info = v.info<xt_addrtype_info_v1>();
    return AddrTypeMatch{info.source != 0, (info.flags & (XT_ADDRTYPE_INVERT_SOURCE | XT_ADDRTYPE_INVERT_DEST)) != 0,
                         (info.flags & XT_ADDRTYPE_LIMIT_IFACE_OUT) != 0};
  }
  if (v.is("rpfilter", 0)) return RpfilterMatch{};
  if (v.is("limit", 0)) {  // spelled in the unit libxt_limit would print
    const auto info = v.info<xt_rateinfo>();
    if (info.avg == 0) return std::nullopt;
    std::size_t i = 1;
    for (; i < std::size(kUnits); ++i)
      if (info.avg > kUnits[i].ticks || kUnits[i].ticks / info.avg < kUnits[i].ticks % info.avg) break;
    const auto& [unit, ticks] = kUnits[i - 1];
    if (ticks / info.avg == 0) return std::nullopt;
    return LimitMatch{ticks / info.avg, unit, info.burst};
  }
  if (v.is("comment", 0)) {
    const auto info = v.info<xt_comment_info>();
    return CommentMatch{std::string{info.comment, strnlen(info.comment, sizeof info.comment)}};
  }
  return std::nullopt;
}

// Heads are compared field by field: the kernel copies out a name with its terminator only, and what follows in the 29 bytes is
// whatever libiptc's buffer held. The data after the head is whole.
bool equal(const View& a, const View& b) {
  return a.size == b.size && a.revision == b.revision && a.name == b.name &&
         std::memcmp(a.start + kHead, b.start + kHead, a.size - kHead) == 0;
}
bool equal_matches(const std::byte* a, const std::byte* b, std::size_t size) {
  while (size >= kHead) {
    const View l = view(a), r = view(b);
    if (l.size < kHead || l.size > size || !equal(l, r)) return false;
    a += l.size, b += l.size, size -= l.size;
  }
  return size == 0;
}

std::uint64_t opaque_digest(const View& v) { return hash_bytes(v.start + kHead, v.size - kHead, v.revision); }

// The matches between `at` and `end`. A value counts only if encoding it gives these very bytes again.
std::vector<Match> read_matches(Family family, const std::byte* at, const std::byte* end, SetIndex& sets) {
  std::vector<Match> matches;
  Bytes again;
  const auto same = [&](const Match& match, const std::byte* from, std::size_t size) {
    again.clear();
    return put_match(family, match, sets, again).has_value() && again.size() == size && equal_matches(from, again.data(), size);
  };
  while (at < end) {
    const View v = view(at);
    if (v.size < kHead || v.size > static_cast<std::size_t>(end - at)) break;
    if (v.is("tcp", 0) && at + v.size < end) {
      const View next = view(at + v.size);
      if (next.is("connlimit", 1) && next.size <= static_cast<std::size_t>(end - next.start)) {
        const Match match = ConnlimitMatch{next.info<xt_connlimit_info>().limit};
        if (same(match, at, v.size + next.size)) {
          matches.push_back(match);
          at += v.size + next.size;
          continue;
        }
      }
    }
    auto match = read_match(family, v, sets);
    if (match && same(*match, at, v.size)) matches.push_back(std::move(*match));
    else matches.push_back(OpaqueMatch{std::string{v.name}, opaque_digest(v)});
    at += v.size;
  }
  return matches;
}

// ---- targets -------------------------------------------------------------------------------------------------------

nf_inet_addr inet(const Addr& address) {
  nf_inet_addr value{};
  std::memcpy(&value, address.bytes.data(), bits(address.family) / 8);
  return value;
}
Addr addr(Family family, const void* bytes) {
  Addr value{family, {}};
  std::memcpy(value.bytes.data(), bytes, bits(family) / 8);
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

// ---- header --------------------------------------------------------------------------------------------------------

void put_mask(void* mask, unsigned prefix) {
  auto* bytes = static_cast<std::uint8_t*>(mask);
  for (; prefix >= 8; prefix -= 8) *bytes++ = 0xff;
  if (prefix != 0) *bytes = static_cast<std::uint8_t>(0xff << (8 - prefix));
}
std::optional<unsigned> read_mask(const void* mask, unsigned bit_count) {
  const auto* bytes = static_cast<const std::uint8_t*>(mask);
  unsigned prefix = 0;
  while (prefix < bit_count && (bytes[prefix / 8] >> (7 - prefix % 8) & 1)) ++prefix;
  for (unsigned i = prefix; i < bit_count; ++i)
    if (bytes[i / 8] >> (7 - i % 8) & 1) return std::nullopt;
  return prefix;
}

// An exact name is compared with its terminator; iptables leaves the '+' of a wildcard in the name, outside the mask.
void put_interface(const std::optional<Interface>& interface, char* name, unsigned char* mask, std::uint8_t& inverted,
                   std::uint8_t bit) {
  if (!interface) return;
  const std::size_t size = std::min<std::size_t>(interface->name.size(), IFNAMSIZ - 1);
  std::memcpy(name, interface->name.data(), size);
  if (interface->wildcard && size < IFNAMSIZ - 1) name[size] = '+';
  std::memset(mask, 0xff, interface->wildcard ? size : size + 1);
  if (interface->negated) inverted |= bit;
}
std::optional<Interface> read_interface(const char* name, const unsigned char* mask, bool inverted) {
  std::size_t size = 0;
  while (size < IFNAMSIZ && mask[size] != 0) ++size;
  if (size == 0) return std::nullopt;
  const bool wildcard = name[size - 1] != '\0';
  return Interface{std::string{name, wildcard ? size : size - 1}, wildcard, inverted};
}

template <class F>
void put_header(const Rule& rule, typename F::Entry& entry) {
  auto& ip = F::header(entry);
  const auto prefix = [&](const std::optional<Prefix>& p, auto& address, auto& mask, std::uint8_t bit) {
    if (!p || (p->cidr.prefix == 0 && !p->negated)) return;
    std::memcpy(&address, p->cidr.addr.bytes.data(), sizeof address);
    put_mask(&mask, p->cidr.prefix);
    if (p->negated) ip.invflags |= bit;
  };
  prefix(rule.source, ip.src, ip.smsk, IPT_INV_SRCIP);
  prefix(rule.destination, ip.dst, ip.dmsk, IPT_INV_DSTIP);
  put_interface(rule.in, ip.iniface, ip.iniface_mask, ip.invflags, IPT_INV_VIA_IN);
  put_interface(rule.out, ip.outiface, ip.outiface_mask, ip.invflags, IPT_INV_VIA_OUT);
  if (rule.protocol) {
    ip.proto = rule.protocol->number;
    ip.flags |= F::kProtocolFlag;
    if (rule.protocol->negated) ip.invflags |= IPT_INV_PROTO;
  }
  if (std::holds_alternative<Goto>(rule.target)) ip.flags |= F::kGoto;
}

template <class F>
Rule read_header(const typename F::Entry& entry) {
  const auto& ip = F::header(entry);
  Rule rule;
  const auto prefix = [&](const auto& address, const auto& mask, std::uint8_t bit) -> std::optional<Prefix> {
    const auto length = read_mask(&mask, bits(F::kFamily));
    const bool negated = (ip.invflags & bit) != 0;
    if (!length || (*length == 0 && !negated)) return std::nullopt;
    return Prefix{Cidr{addr(F::kFamily, &address), *length}, negated};
  };
  rule.source = prefix(ip.src, ip.smsk, IPT_INV_SRCIP);
  rule.destination = prefix(ip.dst, ip.dmsk, IPT_INV_DSTIP);
  rule.in = read_interface(ip.iniface, ip.iniface_mask, (ip.invflags & IPT_INV_VIA_IN) != 0);
  rule.out = read_interface(ip.outiface, ip.outiface_mask, (ip.invflags & IPT_INV_VIA_OUT) != 0);
  if (ip.proto != 0) rule.protocol = ProtocolMatch{static_cast<std::uint8_t>(ip.proto), (ip.invflags & IPT_INV_PROTO) != 0};
  return rule;
}

template <class F>
Status encode_as(const Rule& rule, SetIndex& sets, Bytes& out) {
  using Entry = typename F::Entry;
  out.assign(sizeof(Entry), std::byte{0});
  for (const auto& match : rule.matches)
    if (auto ok = put_match(F::kFamily, match, sets, out); !ok) return ok;
  const std::size_t target_offset = out.size();
  if (auto ok = put_target(F::kFamily, rule.target, out); !ok) return ok;
  if (out.size() > 0xffff) return Error{ErrorCode::Invalid, "rule larger than 64 KiB"};
  auto& entry = *reinterpret_cast<Entry*>(out.data());
  put_header<F>(rule, entry);
  entry.target_offset = static_cast<std::uint16_t>(target_offset);
  entry.next_offset = static_cast<std::uint16_t>(out.size());
  return {};
}

bool is_standard(const View& v) { return v.name.empty(); }

template <class F>
Rule decode_as(const void* data, std::string_view target, SetIndex& sets) {
  using Entry = typename F::Entry;
  const auto* bytes = static_cast<const std::byte*>(data);
  const auto& entry = *static_cast<const Entry*>(data);
  Rule rule = read_header<F>(entry);
  rule.matches = read_matches(F::kFamily, bytes + sizeof(Entry), bytes + entry.target_offset, sets);
  const View v = view(bytes + entry.target_offset);
  if (is_standard(v)) {
    if (target.empty()) rule.target = Continue{};
    else if (target == "ACCEPT") rule.target = Accept{};
    else if (target == "DROP") rule.target = Drop{};
    else if (target == "RETURN") rule.target = Return{};
    else if (target == "QUEUE") rule.target = OpaqueTarget{"QUEUE", 0};
    else if (F::header(entry).flags & F::kGoto) rule.target = Goto{std::string{target}};
    else rule.target = Jump{std::string{target}};
  } else {
    Bytes again;
    auto value = read_target(F::kFamily, v);
    if (value && put_target(F::kFamily, *value, again) && again.size() == v.size && equal(view(again.data()), v))
      rule.target = std::move(*value);
    else rule.target = OpaqueTarget{std::string{v.name}, opaque_digest(v)};
  }
  // Header forms we do not write (fragments, TOS, odd masks, stray flags) make the rule foreign too.
  Entry ours{};
  put_header<F>(rule, ours);
  if (std::memcmp(&F::header(ours), &F::header(entry), sizeof F::header(ours)) != 0)
    rule.matches.push_back(OpaqueMatch{"header", hash_bytes(bytes, sizeof F::header(ours))});
  return rule;
}

template <class F>
bool same_as(const void* a, std::string_view a_target, const Bytes& b) {
  using Entry = typename F::Entry;
  const auto& left = *static_cast<const Entry*>(a);
  const auto& right = *reinterpret_cast<const Entry*>(b.data());
  if (left.target_offset != right.target_offset || left.next_offset != right.next_offset) return false;
  if (std::memcmp(&F::header(left), &F::header(right), sizeof F::header(left)) != 0) return false;
  const auto* from = static_cast<const std::byte*>(a);
  if (!equal_matches(from + sizeof(Entry), b.data() + sizeof(Entry), left.target_offset - sizeof(Entry))) return false;
  const View l = view(from + left.target_offset), r = view(b.data() + right.target_offset);
  if (is_standard(l)) return r.size == l.size && r.revision == 0 && r.name == a_target;
  return equal(l, r);
}

template <class F>
bool is_our_entry_as(const void* data, std::string_view target) {
  using Entry = typename F::Entry;
  const auto* bytes = static_cast<const std::byte*>(data);
  const auto& entry = *static_cast<const Entry*>(data);
  if (is_our_chain(target) && is_standard(view(bytes + entry.target_offset))) return true;
  for (std::size_t at = sizeof(Entry); at + kHead <= entry.target_offset;) {
    const View v = view(bytes + at);
    if (v.size < kHead) break;
    if (v.name == "comment" && v.size > kHead + 5 && std::memcmp(v.start + kHead, "cali:", 5) == 0) return true;
    at += v.size;
  }
  return false;
}

template <class F>
std::vector<Extension> extensions_of(const Rule& rule, const Bytes& bytes) {
  using Entry = typename F::Entry;
  const auto& entry = *reinterpret_cast<const Entry*>(bytes.data());
  std::vector<Extension> found;
  for (std::size_t at = sizeof(Entry); at < entry.target_offset;) {
    const View v = view(bytes.data() + at);
    found.push_back({false, std::string{v.name}, v.revision});
    at += v.size;
  }
  const bool standard = std::visit(
      [](const auto& t) {
        using T = std::decay_t<decltype(t)>;
        return std::is_same_v<T, Continue> || std::is_same_v<T, Accept> || std::is_same_v<T, Drop> || std::is_same_v<T, Return> ||
               std::is_same_v<T, Jump> || std::is_same_v<T, Goto>;
      },
      rule.target);
  const View v = view(bytes.data() + entry.target_offset);
  if (!standard) found.push_back({true, std::string{v.name}, v.revision});
  return found;
}

}  // namespace

Status encode(Family family, const Rule& rule, SetIndex& sets, Bytes& out) {
  return family == Family::V4 ? encode_as<V4>(rule, sets, out) : encode_as<V6>(rule, sets, out);
}

Rule decode(Family family, const void* entry, std::string_view target, SetIndex& sets) {
  return family == Family::V4 ? decode_as<V4>(entry, target, sets) : decode_as<V6>(entry, target, sets);
}

bool same_entry(Family family, const void* a, std::string_view a_target, const Bytes& b) {
  return family == Family::V4 ? same_as<V4>(a, a_target, b) : same_as<V6>(a, a_target, b);
}

bool is_our_entry(Family family, const void* entry, std::string_view target) {
  return family == Family::V4 ? is_our_entry_as<V4>(entry, target) : is_our_entry_as<V6>(entry, target);
}

std::vector<Extension> extensions(Family family, const Rule& rule, const Bytes& entry) {
  return family == Family::V4 ? extensions_of<V4>(rule, entry) : extensions_of<V6>(rule, entry);
}

}  // namespace margay::kernel::xt
