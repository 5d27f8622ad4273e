// The entry of a rule: its header in both families, its parts, and whole entries compared.
#include "xt_encode.hpp"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "xt_parts.hpp"

namespace margay::kernel::xt {

namespace {

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
