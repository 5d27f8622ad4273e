#include "draw.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace margay::bgp::test {
namespace {

class Draw {
 public:
  explicit Draw(Rng& rng) : rng_{rng} {}

  std::uint64_t below(std::uint64_t n) { return rng_() % n; }
  bool one_in(unsigned n) { return below(n) == 0; }
  std::uint32_t number() {
    static constexpr std::uint32_t kEdges[] = {0,     1,          2,          3,          179,        255,
                                               256,   512,        1024,       4095,       4096,       65535,
                                               65536, 2147483646, 2147483647, 2147483648, 4294967294, 4294967295};
    return one_in(4) ? static_cast<std::uint32_t>(rng_()) : kEdges[below(std::size(kEdges))];
  }
  template <class T>
  std::optional<T> maybe(T value) {
    return one_in(2) ? std::optional<T>{value} : std::nullopt;
  }
  // Any byte, with those that mean something to BIRD often.
  std::string text(std::size_t longest) {
    static constexpr std::string_view kOdd = "\"\\'#;{}[]()*?%\n\r\t/. -_+=,:~";
    std::string out(below(longest + 1), 'x');
    for (char& c : out)
      c = one_in(3) ? kOdd[below(kOdd.size())] : one_in(8) ? static_cast<char>(below(256)) : static_cast<char>('a' + below(26));
    return out;
  }
  std::string name() {
    std::string out(one_in(3) ? 253 : 1 + below(60), 'a');
    for (char& c : out) c = "abcdefghijklmnopqrstuvwxyz0123456789.-"[below(38)];
    return one_in(8) ? text(253) : out;
  }
  Addr address(Family family) {
    Addr a;
    a.family = family;
    const auto kind = below(8);
    for (unsigned i = 0; i < bits(family) / 8; ++i)
      a.bytes[i] = static_cast<std::uint8_t>(kind == 0 ? 0 : kind == 1 ? 255 : rng_());
    if (family == Family::V6 && kind == 2) {  // IPv4-mapped
      std::fill(a.bytes.begin(), a.bytes.begin() + 10, std::uint8_t{0});
      a.bytes[10] = a.bytes[11] = 255;
    }
    if (family == Family::V6 && kind == 3) std::fill(a.bytes.begin(), a.bytes.begin() + 12, std::uint8_t{0});
    if (family == Family::V6 && (kind == 4 || kind == 5)) a.bytes[0] = 0xfe, a.bytes[1] = 0x80;
    return a;
  }
  Cidr cidr(Family family) {
    const auto length = one_in(3) ? bits(family) : static_cast<unsigned>(below(bits(family) + 1));
    return {address(family), length};
  }
  std::vector<Cidr> cidrs(Family family, unsigned most) {
    std::vector<Cidr> out(below(most + 1));
    for (Cidr& c : out) c = cidr(family);
    std::sort(out.begin(), out.end());
    return out;
  }
  Community community() {
    Community c;
    c.large = one_in(2);
    for (unsigned i = 0; i < (c.large ? 3u : 2u); ++i) c.parts[i] = c.large || one_in(10) ? number() : number() & 0xffff;
    return c;
  }
  Key key(Kind kind) { return {kind, {}, name()}; }

  BgpFilterRule rule(Family family) {
    BgpFilterRule r;
    if (one_in(2)) {
      r.cidr = cidr(one_in(20) ? Family::V4 : family);
      r.match = static_cast<BgpFilterRule::Match>(below(4));
      r.min_length = maybe(static_cast<std::uint8_t>(below(140)));
      r.max_length = maybe(static_cast<std::uint8_t>(below(140)));
    }
    r.from_remote_peers = one_in(4);
    if (one_in(3)) r.interface = one_in(3) ? "*" : text(15);
    if (one_in(3)) r.external_peer = one_in(2);
    if (one_in(3)) r.community = community();
    if (one_in(3))
      for (auto n = below(10); n > 0; --n) r.as_path_prefix.push_back(number());
    if (one_in(3)) r.priority = number();
    r.accept = one_in(2);
    for (auto n = below(11); n > 0; --n) {
      if (one_in(3)) r.operations.emplace_back(BgpFilterRule::AddCommunity{community()});
      else if (one_in(2)) r.operations.emplace_back(BgpFilterRule::SetPriority{number()});
      else r.operations.emplace_back(BgpFilterRule::PrependAsPath{{number(), number()}});
    }
    return r;
  }

  Session session(const Router& router) {
    Session s;
    const Family family = kFamilies[below(2)];
    s.origin = static_cast<Session::Origin>(below(4));
    static constexpr const char* kPrefixes[] = {"Mesh_", "Global_", "Node_", "Local_Workload_"};
    s.name = one_in(8) ? text(80) : fmt::format("{}{}", kPrefixes[static_cast<int>(s.origin)], rng_());
    s.owner = key(Kind::BGPPeer);
    s.description = text(one_in(5) ? 6000 : 80);
    s.family = family;
    if (!one_in(6)) s.peer = address(one_in(10) ? Family::V6 : family);
    if (one_in(4)) s.interface = text(15);
    s.port = maybe(static_cast<std::uint16_t>(number()));
    s.local_as = one_in(2) ? kDefaultAs : number();
    s.remote_as = one_in(3) ? s.local_as : number();
    if (one_in(2)) s.source = address(one_in(10) ? Family::V6 : family);
    s.passive = one_in(2);
    s.ttl_hops = maybe(static_cast<std::uint8_t>(number()));
    s.restart_time = maybe(number());
    s.keepalive_time = maybe(number());
    if (one_in(3)) s.password = text(90);
    if (one_in(3)) s.cluster_id = address(Family::V4);
    s.next_hop = static_cast<Session::NextHop>(below(3));
    s.allowed_local_as = static_cast<std::uint8_t>(number());
    for (const auto& [filter, value] : router.filters)
      if (one_in(2)) s.filters.push_back(filter);
    if (one_in(10)) s.filters.emplace_back("not-there");
    BgpPeerExtensions& x = s.extensions;
    x.bfd = one_in(3);
    x.bfd_min_rx = maybe(number());
    x.bfd_min_tx = maybe(number());
    x.bfd_multiplier = maybe(number());
    x.hold_time = maybe(number());
    x.max_prefixes = maybe(number());
    x.max_prefix_action = static_cast<BgpPeerExtensions::MaxPrefixAction>(below(4));
    x.long_lived_restart_time = maybe(number());
    x.interface = s.interface;
    x.direct = one_in(4);
    return s;
  }

  FamilyView view(Family family) {
    FamilyView v;
    if (!one_in(4)) v.node_ip = address(family);
    if (!one_in(4)) v.subnet = cidr(family);
    v.normal_priority = number();
    v.kernel_metric = number();
    v.blocks = cidrs(family, 5);
    for (const Cidr& c : cidrs(family, 30)) {
      StaticRoute r{c, {}, static_cast<StaticRoute::Reason>(below(3)), key(Kind::Service)};
      if (r.reason == StaticRoute::Reason::Reachable) r.via = address(family);
      v.statics.push_back(r);
      if (one_in(10)) v.statics.push_back(r);
      if (r.reason == StaticRoute::Reason::Service && one_in(2)) v.services.push_back(c);
    }
    v.reflected = cidrs(family, 3);
    v.kernel_reject = cidrs(family, 20);
    for (const Cidr& c : cidrs(family, 5))
      v.pools.push_back({c, one_in(2), static_cast<PoolRule::Kernel>(below(4)), key(Kind::IPPool)});
    for (const Cidr& c : cidrs(family, 4)) {
      v.communities.push_back({c, {}});
      for (auto n = below(4); n > 0; --n) v.communities.back().communities.push_back(community());
    }
    for (auto n = below(10); n > 0; --n) v.wireguard_nodes.push_back(address(family));
    if (one_in(2)) v.ready_workloads = cidrs(family, 10);
    return v;
  }

  void sort(Router& r) {
    std::sort(r.sessions.begin(), r.sessions.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  }

 private:
  Rng& rng_;
};

}  // namespace

Router draw(Rng& rng) {
  Draw d{rng};
  Router r;
  r.node = d.name();
  if (!d.one_in(8)) r.router_id = d.address(Family::V4);
  r.listen_port = d.maybe(static_cast<std::uint16_t>(d.number()));
  r.bind_node_ip = d.one_in(3);
  r.log_level = static_cast<Router::LogLevel>(d.below(3));
  for (auto n = d.below(4); n > 0; --n) r.ignored_interfaces.push_back(d.text(15));
  if (d.one_in(3)) r.cluster_id = d.address(Family::V4);
  r.tunnel_routes = d.one_in(2);
  r.draining = d.one_in(3);
  for (const Family family : kFamilies) r.families[index(family)] = d.view(family);
  for (auto n = d.below(4); n > 0; --n) {
    auto filter = std::make_shared<BgpFilter>();
    for (const Family family : kFamilies)
      for (auto* rules : {&filter->import_rules, &filter->export_rules})
        for (auto k = d.below(5); k > 0; --k) (*rules)[index(family)].push_back(d.rule(family));
    r.filters[d.name()] = filter;
  }
  for (auto n = d.below(15); n > 0; --n) r.sessions.push_back(d.session(r));
  d.sort(r);
  return r;
}

void change(Router& r, Rng& rng) {
  Draw d{rng};
  switch (d.below(8)) {
    case 0: r.draining = !r.draining; break;
    case 1: r.sessions.push_back(d.session(r)); break;
    case 2:
      if (!r.sessions.empty()) r.sessions.erase(r.sessions.begin() + static_cast<std::ptrdiff_t>(d.below(r.sessions.size())));
      break;
    case 3:
      if (!r.sessions.empty()) {
        Session& s = r.sessions[d.below(r.sessions.size())];
        const std::string name = s.name;
        s = d.session(r);
        s.name = name;
      }
      break;
    case 4: {
      const Family family = kFamilies[d.below(2)];
      r.families[index(family)] = d.view(family);
      break;
    }
    case 5: {
      auto& v = r.families[0];
      if (!v.statics.empty()) v.statics.erase(v.statics.begin() + static_cast<std::ptrdiff_t>(d.below(v.statics.size())));
      break;
    }
    case 6:
      if (!r.filters.empty()) {
        auto filter = std::make_shared<BgpFilter>();
        filter->export_rules[0].push_back(d.rule(Family::V4));
        r.filters.begin()->second = filter;
      }
      break;
    default: r.bind_node_ip = !r.bind_node_ip;
  }
  d.sort(r);
}

}  // namespace margay::bgp::test
