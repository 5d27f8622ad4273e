// The matches of a rule: value → bytes → value.
#include <linux/netfilter/nf_conntrack_common.h>
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
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "xt_parts.hpp"

namespace margay::kernel::xt {
namespace {

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

}  // namespace

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
                          for (int d = 1; m.source && d <= m.dimensions && d < 8; ++d)  // one bit a dimension
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

bool equal_matches(const std::byte* a, const std::byte* b, std::size_t size) {
  while (size >= kHead) {
    const View l = view(a), r = view(b);
    if (l.size < kHead || l.size > size || !equal(l, r)) return false;
    a += l.size, b += l.size, size -= l.size;
  }
  return size == 0;
}

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

}  // namespace margay::kernel::xt
