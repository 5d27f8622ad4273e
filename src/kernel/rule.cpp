#include "margay/kernel/rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "overloaded.hpp"

namespace margay::kernel {

namespace {

using Out = std::back_insert_iterator<std::string>;

// iptables-save prints /etc/protocols' names; these are Debian's (netbase) for what policies can name.
std::string protocol_name(std::uint8_t number) {
  switch (number) {
    case 1: return "icmp";
    case 2: return "igmp";
    case 4: return "ipencap";
    case 6: return "tcp";
    case 17: return "udp";
    case 33: return "dccp";
    case 41: return "ipv6";
    case 47: return "gre";
    case 50: return "esp";
    case 51: return "ah";
    case 58: return "ipv6-icmp";
    case 89: return "ospf";
    case 132: return "sctp";
    case 136: return "udplite";
    default: return std::to_string(number);
  }
}

// libxtables' quoting: bare if made of harmless characters only, else in double quotes with " \ ' escaped.
void put_string(std::string& text, std::string_view value) {
  const auto harmless = [](char c) {
    return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  text += ' ';
  if (!value.empty() && std::all_of(value.begin(), value.end(), harmless)) {
    text += value;
    return;
  }
  text += '"';
  for (char c : value) {
    if (c == '"' || c == '\\' || c == '\'') text += '\\';
    text += c;
  }
  text += '"';
}

std::string bang(bool negated) { return negated ? " !" : ""; }

std::string range_text(const PortsMatch::Range& range, char separator) {
  return range.min == range.max ? std::to_string(range.min) : fmt::format("{}{}{}", range.min, separator, range.max);
}

std::string address_and_ports(const Addr& address, const std::optional<PortsMatch::Range>& ports) {
  if (!ports) return address.to_string();
  const std::string host = address.family == Family::V6 ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + range_text(*ports, '-');
}

// xt_limit keeps the time between packets in units of 1/10000 s, rounded down; rates of equal period are one rate.
constexpr std::uint32_t kLimitScale = 10000;
constexpr std::uint32_t unit_ticks(LimitMatch::Unit unit) {
  switch (unit) {
    case LimitMatch::Unit::Second: return kLimitScale;
    case LimitMatch::Unit::Minute: return kLimitScale * 60;
    case LimitMatch::Unit::Hour: return kLimitScale * 60 * 60;
    case LimitMatch::Unit::Day: return kLimitScale * 60 * 60 * 24;
  }
  return kLimitScale;
}
std::uint32_t limit_period(const LimitMatch& limit) { return unit_ticks(limit.unit) / std::max<std::uint32_t>(limit.rate, 1); }

std::string limit_text(const LimitMatch& limit) {
  struct Rate {
    const char* name;
    std::uint32_t ticks;
  };
  static constexpr Rate kRates[] = {
      {"day", kLimitScale * 86400}, {"hour", kLimitScale * 3600}, {"min", kLimitScale * 60}, {"sec", kLimitScale}};
  const std::uint32_t period = std::max<std::uint32_t>(limit_period(limit), 1);
  std::size_t i = 1;  // as libxt_limit chooses its unit: the smallest in which the rate is (nearly) whole
  for (; i < std::size(kRates); ++i)
    if (period > kRates[i].ticks || kRates[i].ticks / period < kRates[i].ticks % period) break;
  std::string text = fmt::format(" -m limit --limit {}/{}", kRates[i - 1].ticks / period, kRates[i - 1].name);
  if (limit.burst != 5) text += fmt::format(" --limit-burst {}", limit.burst);
  return text;
}

std::string states_text(std::uint8_t states) {
  struct Name {
    std::uint8_t bit;
    std::string_view text;
  };
  static constexpr Name kNames[] = {{ConntrackMatch::Invalid, "INVALID"},     {ConntrackMatch::New, "NEW"},
                                    {ConntrackMatch::Related, "RELATED"},     {ConntrackMatch::Established, "ESTABLISHED"},
                                    {ConntrackMatch::Untracked, "UNTRACKED"}, {ConntrackMatch::SourceNat, "SNAT"},
                                    {ConntrackMatch::DestNat, "DNAT"}};
  std::string text;
  for (const auto& [bit, state] : kNames) {
    if (!(states & bit)) continue;
    if (!text.empty()) text += ',';
    text += state;
  }
  return text;
}

std::string mark_text(std::uint32_t value, std::uint32_t mask) {
  return mask == 0xffffffff ? fmt::format(" 0x{:x}", value) : fmt::format(" 0x{:x}/0x{:x}", value, mask);
}

void put_match(std::string& text, Family family, const Match& match) {
  std::visit(
      Overloaded{
          [&](const MarkMatch& m) { text += " -m mark" + bang(m.negated) + " --mark" + mark_text(m.value, m.mask); },
          [&](const ConntrackMatch& m) { text += " -m conntrack" + bang(m.negated) + " --ctstate " + states_text(m.states); },
          [&](const SetMatch& m) {
            const char* side = m.source ? "src" : "dst";
            text += " -m set" + bang(m.negated) + " --match-set " + m.set + " " + side;
            for (int i = 1; i < m.dimensions; ++i) text += fmt::format(",{}", side);
          },
          [&](const PortsMatch& m) {
            text += " -m multiport" + bang(m.negated) + (m.source ? " --sports" : " --dports");
            char separator = ' ';
            for (const auto& range : m.ranges) {
              text += separator + range_text(range, ':');
              separator = ',';
            }
          },
          [&](const IcmpTypeMatch& m) {
            const bool v4 = family == Family::V4;
            text += (v4 ? " -m icmp" : " -m icmp6") + bang(m.negated) + (v4 ? " --icmp-type " : " --icmpv6-type ");
            if (v4 && m.type == 0xff && !m.code) {
              text += "any";
              return;
            }
            text += std::to_string(m.type);
            if (m.code) text += fmt::format("/{}", *m.code);
          },
          [&](const AddrTypeMatch& m) {
            text += " -m addrtype" + bang(m.negated) + (m.source ? " --src-type LOCAL" : " --dst-type LOCAL");
            if (m.limit_iface_out) text += " --limit-iface-out";
          },
          [&](const RpfilterMatch&) { text += " -m rpfilter --validmark --invert"; },
          [&](const LimitMatch& m) { text += limit_text(m); },
          [&](const ConnlimitMatch& m) {
            text += fmt::format(
                " -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above {} --connlimit-mask 0"
                " --connlimit-saddr",
                m.above);
          },
          [&](const CommentMatch& m) {
            text += " -m comment --comment";
            put_string(text, m.text);
          },
          [&](const OpaqueMatch& m) { text += fmt::format(" -m {} [{:016x}]", m.name, m.digest); },
      },
      match);
}

void put_target(std::string& text, Family family, const Target& target) {
  std::visit(Overloaded{
                 [&](const Continue&) {},
                 [&](const Accept&) { text += " -j ACCEPT"; },
                 [&](const Drop&) { text += " -j DROP"; },
                 [&](const Return&) { text += " -j RETURN"; },
                 [&](const Jump& t) { text += " -j " + t.chain; },
                 [&](const Goto& t) { text += " -g " + t.chain; },
                 [&](const Reject& t) {
                   text += " -j REJECT --reject-with ";
                   text += t.tcp_reset ? "tcp-reset" : family == Family::V4 ? "icmp-port-unreachable" : "icmp6-port-unreachable";
                 },
                 [&](const SetMark& t) { text += fmt::format(" -j MARK --set-xmark 0x{:x}/0x{:x}", t.value, t.mask); },
                 [&](const Log& t) {
                   text += " -j LOG";
                   if (!t.prefix.empty()) {
                     text += " --log-prefix";
                     put_string(text, t.prefix);
                   }
                   if (t.level != 4) text += fmt::format(" --log-level {}", t.level);
                 },
                 [&](const Nflog& t) {
                   text += " -j NFLOG";
                   if (!t.prefix.empty()) {
                     text += " --nflog-prefix";
                     put_string(text, t.prefix);
                   }
                   if (t.group != 0) text += fmt::format(" --nflog-group {}", t.group);
                   if (t.size != 0) text += fmt::format(" --nflog-size {}", t.size);
                 },
                 [&](const NoTrack&) { text += " -j CT --notrack"; },
                 [&](const Masquerade& t) {
                   text += " -j MASQUERADE";
                   if (t.ports) text += " --to-ports " + range_text(*t.ports, '-');
                   if (t.random_fully) text += " --random-fully";
                 },
                 [&](const SourceNat& t) {
                   text += " -j SNAT --to-source " + address_and_ports(t.address, t.ports);
                   if (t.random_fully) text += " --random-fully";
                 },
                 [&](const DestNat& t) {
                   std::optional<PortsMatch::Range> ports;
                   if (t.port) ports = PortsMatch::Range{*t.port, *t.port};
                   text += " -j DNAT --to-destination " + address_and_ports(t.address, ports);
                 },
                 [&](const SetDscp& t) { text += fmt::format(" -j DSCP --set-dscp 0x{:02x}", t.value); },
                 [&](const OpaqueTarget& t) { text += fmt::format(" -j {} [{:016x}]", t.name, t.digest); },
             },
             target);
}

// ---- digest --------------------------------------------------------------------------------------------------------

// Order-sensitive mixing of 64-bit words (splitmix64's finaliser); variants put their index first, strings their length.
class Mixer {
 public:
  void word(std::uint64_t value) {
    std::uint64_t z = (state_ ^ value) + 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    state_ = z ^ z >> 31;
  }
  void text(std::string_view value) {
    word(value.size());
    word(hash_bytes(value.data(), value.size()));
  }
  void addr(const Addr& value) {
    word(static_cast<std::uint64_t>(value.family));
    word(hash_bytes(value.bytes.data(), value.bytes.size()));
  }
  void range(const std::optional<PortsMatch::Range>& value) {
    word(value ? 1ULL << 32 | std::uint64_t{value->min} << 16 | value->max : 0);
  }
  void opaque() { opaque_ = true; }
  // The top bit tells a rule set that no rule set of ours can equal.
  [[nodiscard]] Digest result() const { return (state_ & ~kOpaque) | (opaque_ ? kOpaque : 0); }

 private:
  static constexpr std::uint64_t kOpaque = 1ULL << 63;
  std::uint64_t state_ = 0x6d61726761790001ULL;
  bool opaque_ = false;
};

void mix(Mixer& h, const std::optional<Interface>& value) {
  h.word(value ? 1 + value->wildcard * 2u + value->negated * 4u : 0);
  if (value) h.text(value->name);
}
void mix(Mixer& h, const std::optional<Prefix>& value) {
  // A /0 prefix is no prefix, unless negated (then the rule never matches).
  if (!value || (value->cidr.prefix == 0 && !value->negated)) return h.word(0);
  h.word(1 + value->negated * 2u + std::uint64_t{value->cidr.prefix} * 4);
  h.addr(value->cidr.addr);
}

void mix(Mixer& h, const Match& match) {
  h.word(match.index());
  std::visit(
      Overloaded{
          [&](const MarkMatch& m) { h.word(std::uint64_t{m.value} << 32 | m.mask), h.word(m.negated); },
          [&](const ConntrackMatch& m) { h.word(m.states + (m.negated ? 256u : 0u)); },
          [&](const SetMatch& m) {
            h.text(m.set);
            h.word(m.source + m.negated * 2u + m.dimensions * 4u);
          },
          [&](const PortsMatch& m) {
            h.word(m.source + m.negated * 2u + m.ranges.size() * 4);
            for (const auto& range : m.ranges) h.word(std::uint64_t{range.min} << 16 | range.max);
          },
          [&](const IcmpTypeMatch& m) { h.word(m.type + (m.code ? 256u + *m.code * 512u : 0u) + (m.negated ? 1u << 20 : 0u)); },
          [&](const AddrTypeMatch& m) { h.word(m.source + m.negated * 2u + m.limit_iface_out * 4u); },
          [&](const RpfilterMatch&) {},
          [&](const LimitMatch& m) { h.word(std::uint64_t{limit_period(m)} << 32 | m.burst); },
          [&](const ConnlimitMatch& m) { h.word(m.above); },
          [&](const CommentMatch& m) { h.text(m.text); },
          [&](const OpaqueMatch& m) { h.opaque(), h.text(m.name), h.word(m.digest); },
      },
      match);
}

void mix(Mixer& h, const Target& target) {
  h.word(target.index());
  std::visit(Overloaded{
                 [&](const Jump& t) { h.text(t.chain); },
                 [&](const Goto& t) { h.text(t.chain); },
                 [&](const Reject& t) { h.word(t.tcp_reset); },
                 [&](const SetMark& t) { h.word(std::uint64_t{t.value} << 32 | t.mask); },
                 [&](const Log& t) { h.text(t.prefix), h.word(t.level); },
                 [&](const Nflog& t) { h.text(t.prefix), h.word(std::uint64_t{t.size} << 16 | t.group); },
                 [&](const Masquerade& t) { h.range(t.ports), h.word(t.random_fully); },
                 [&](const SourceNat& t) { h.addr(t.address), h.range(t.ports), h.word(t.random_fully); },
                 [&](const DestNat& t) { h.addr(t.address), h.word(t.port ? 65536u + *t.port : 0u); },
                 [&](const SetDscp& t) { h.word(t.value); },
                 [&](const OpaqueTarget& t) { h.opaque(), h.text(t.name), h.word(t.digest); },
                 [&](const auto&) {},
             },
             target);
}

void put_prefix(std::string& text, const std::optional<Prefix>& prefix, const char* flag) {
  if (!prefix || (prefix->cidr.prefix == 0 && !prefix->negated)) return;
  text += bang(prefix->negated) + flag + prefix->cidr.to_string();
}
void put_interface(std::string& text, const std::optional<Interface>& interface, const char* flag) {
  if (interface) text += bang(interface->negated) + flag + interface->name + (interface->wildcard ? "+" : "");
}

}  // namespace

std::string_view name(Table table) noexcept {
  switch (table) {
    case Table::Raw: return "raw";
    case Table::Mangle: return "mangle";
    case Table::Nat: return "nat";
    case Table::Filter: return "filter";
  }
  return "?";
}

const std::string* Rule::target_chain() const noexcept {
  if (const auto* jump = std::get_if<Jump>(&target)) return &jump->chain;
  if (const auto* to = std::get_if<Goto>(&target)) return &to->chain;
  return nullptr;
}

std::vector<std::string_view> Rule::sets() const {
  std::vector<std::string_view> names;
  for (const auto& match : matches)
    if (const auto* set = std::get_if<SetMatch>(&match)) names.push_back(set->set);
  return names;
}

std::string to_text(Family family, std::string_view chain, const Rule& rule) {
  std::string text = "-A ";
  text += chain;
  put_prefix(text, rule.source, " -s ");
  put_prefix(text, rule.destination, " -d ");
  put_interface(text, rule.in, " -i ");
  put_interface(text, rule.out, " -o ");
  if (rule.protocol) text += bang(rule.protocol->negated) + " -p " + protocol_name(rule.protocol->number);
  for (const auto& match : rule.matches) put_match(text, family, match);
  put_target(text, family, rule.target);
  return text;
}

std::string to_text(Family family, const Chain& chain) {
  std::string text;
  for (const auto& rule : chain.rules) text += to_text(family, chain.name, rule) + '\n';
  return text;
}

Digest digest(const std::vector<Rule>& rules) {
  Mixer h;
  h.word(rules.size());
  for (const auto& rule : rules) {
    mix(h, rule.in);
    mix(h, rule.out);
    h.word(rule.protocol ? 1 + rule.protocol->number * 2u + (rule.protocol->negated ? 1u << 16 : 0u) : 0);
    mix(h, rule.source);
    mix(h, rule.destination);
    h.word(rule.matches.size());
    for (const auto& match : rule.matches) mix(h, match);
    mix(h, rule.target);
  }
  return h.result();
}

bool is_our_chain(std::string_view name) noexcept { return name.starts_with("cali"); }

bool is_our_rule(const Rule& rule) noexcept {
  if (const auto* chain = rule.target_chain(); chain && is_our_chain(*chain)) return true;
  return std::any_of(rule.matches.begin(), rule.matches.end(), [](const Match& match) {
    const auto* comment = std::get_if<CommentMatch>(&match);
    return comment && comment->text.starts_with("cali:");
  });
}

}  // namespace margay::kernel
