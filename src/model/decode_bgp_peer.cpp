// BGPPeer (datastore-model §3.8, bgp §1.3, §1.16).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "as_number.hpp"
#include "bgp_fields.hpp"
#include "bgp_peer_annotations.hpp"
#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

struct PeerAddress {
  Addr addr;
  std::optional<std::uint16_t> port;
  std::string_view interface;
};

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// A, A:port, [A6]:port; an IPv6 address may have an interface behind a '%', which Calico does not know.
std::optional<PeerAddress> parse_peer_address(std::string_view text) {
  std::string_view host = text, port;
  const bool brackets = text.starts_with('[');
  bool has_port = brackets;
  if (brackets) {
    const auto close = text.find("]:");
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    has_port = true;
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  PeerAddress out;
  if (const auto percent = host.find('%'); percent != std::string_view::npos) {
    out.interface = host.substr(percent + 1);
    host = host.substr(0, percent);
    if (!is_interface_name(out.interface)) return std::nullopt;
  }
  const auto addr = Addr::parse(host);
  if (!addr || (addr->family == Family::V4 && (brackets || !out.interface.empty()))) return std::nullopt;
  out.addr = *addr;
  if (has_port && !(out.port = parse_port(port))) return std::nullopt;
  return out;
}

void read_peer_ip(Field field, const BgpPeerAnnotations& annotations, BgpPeer& peer) {
  const auto text = field.text();
  if (!text) return;
  const auto parsed = parse_peer_address(*text);
  if (!parsed)
    return field.error(shown(*text) +
                       " is not the address of a peer: an IP address, \"IPv4:port\", \"[IPv6]:port\", or \"fe80::1%eth0\"");
  if (const char* wrong = wrong_neighbour(parsed->addr)) return field.error(shown(*text) + " " + wrong);
  peer.peer_ip = parsed->addr;
  peer.peer_port = parsed->port;
  std::string& interface = peer.extensions.interface;
  if (!is_link_local(parsed->addr)) {
    if (!parsed->interface.empty()) field.error("only a link-local address (fe80::/10) has an interface");
    if (annotations.unnumbered)
      annotations.unnumbered->error("cannot be together with a peerIP that is not link-local (fe80::/10)");
    return;
  }
  if (!parsed->interface.empty() && !interface.empty() && interface != parsed->interface)
    annotations.unnumbered->error(
        fmt::format("names another interface than spec.peerIP, which has {}", shown(parsed->interface)));
  if (!parsed->interface.empty()) interface = parsed->interface;
  else if (!annotations.unnumbered) field.error("a link-local address needs its interface: write \"fe80::1%eth0\"");
}

void read_reachable_by(Field field, Field peer_ip, BgpPeer& peer) {
  const auto addr = field.addr();
  if (!field.present()) return;
  if (!peer_ip.present()) return field.error("needs peerIP");
  if (!addr) return;
  if (const char* wrong = wrong_neighbour(*addr)) return field.error(shown(*field.text()) + " " + wrong);
  if (is_link_local(*addr)) return field.error("a link-local address says nothing about the interface it is on");
  if (peer.peer_ip && peer.peer_ip->family != addr->family) return field.error("must be of the same family as peerIP");
  peer.reachable_by = addr;
}

// Who the peer is: exactly one of peerIP, peerSelector, localWorkloadSelector and an interface.
void read_who(Field spec, const BgpPeerAnnotations& annotations, BgpPeer& peer) {
  const Field ip = spec["peerIP"], selector = spec["peerSelector"], workloads = spec["localWorkloadSelector"],
              as_number = spec["asNumber"];
  peer.peer_selector = selector.plain_selector();
  peer.local_workload_selector = workloads.plain_selector();
  const auto number = read_as_number(as_number);
  if (number != 0u) peer.as_number = number;
  read_peer_ip(ip, annotations, peer);
  if (ip.present() && selector.present()) selector.error("cannot be together with peerIP");
  if (workloads.present() && ip.present()) workloads.error("cannot be together with peerIP");
  if (workloads.present() && selector.present()) workloads.error("cannot be together with peerSelector");
  if (selector.present() && peer.as_number) as_number.error("cannot be together with peerSelector: nodes say their own");
  if (workloads.present() && (!as_number.present() || number == 0u))
    as_number.error("is required with localWorkloadSelector, and not 0");
  if (annotations.unnumbered && (selector.present() || workloads.present()))
    annotations.unnumbered->error("cannot be together with peerSelector or localWorkloadSelector");
  if (!ip.present() && !selector.present() && !workloads.present() && !annotations.unnumbered)
    ip.error("is required, or peerSelector, localWorkloadSelector, or the annotation bgp.margay.io/unnumbered");
}

void read_next_hop(Field spec, BgpPeer& peer) {
  using NextHop = BgpPeer::NextHop;
  static constexpr Choice<NextHop> kModes[] = {{"Auto", NextHop::Auto}, {"Self", NextHop::Self}, {"Keep", NextHop::Keep}};
  const Field mode = spec["nextHopMode"], keep = spec["keepOriginalNextHop"];
  const bool keep_external = keep.boolean().value_or(false);
  if (keep_external && mode.present()) keep.error("cannot be together with nextHopMode");
  peer.next_hop = mode.choice(kModes).value_or(keep_external ? NextHop::KeepExternal : NextHop::Auto);
}

}  // namespace

void decode_bgp_peer(const ObjectId& id, Field root, Decoded& out) {
  auto peer = std::make_shared<BgpPeer>();
  const Field spec = root["spec"];
  const BgpPeerAnnotations annotations = read_bgp_peer_annotations(root["metadata"]["annotations"]);
  peer->extensions = annotations.values;

  const Field node = spec["node"], node_selector = spec["nodeSelector"];
  if (const auto name = node.text()) {
    if (!is_dns_subdomain(*name)) node.error(shown(*name) + " is not the name of a node");
    peer->node = *name;
  }
  peer->node_selector = node_selector.plain_selector();
  if (node.present() && node_selector.present()) node_selector.error("cannot be together with node");
  read_who(spec, annotations, *peer);
  peer->local_as_number = read_as_number_or_unset(spec["localASNumber"]);
  read_next_hop(spec, *peer);
  static constexpr Choice<bool> kSources[] = {{"UseNodeIP", true}, {"None", false}};
  peer->source_node_ip = spec["sourceAddress"].choice(kSources).value_or(true);
  peer->password = read_password(spec["password"]);
  peer->restart_time = read_seconds(spec["maxRestartTime"], 0, kMaxRestartTime);
  peer->keepalive_time = read_seconds(spec["keepaliveTime"], 1, kMaxKeepaliveTime);
  peer->allowed_local_as = static_cast<std::uint8_t>(spec["numAllowedLocalASNumbers"].integer(0, 255).value_or(0));
  const auto hops = static_cast<std::uint8_t>(spec["ttlSecurity"].integer(0, 255).value_or(0));
  if (hops != 0) peer->ttl_hops = hops;
  read_reachable_by(spec["reachableBy"], spec["peerIP"], *peer);
  for (const Field filter : spec["filters"].items()) {
    const auto name = filter.text();
    if (!name) continue;
    if (is_dns_subdomain(*name)) append_once(peer->filters, Symbol{*name});
    else filter.error(shown(*name) + " is not the name of a BGPFilter");
  }
  static constexpr Choice<bool> kReverse[] = {{"Auto", true}, {"Manual", false}};
  peer->reverse_peering = spec["reversePeering"].choice(kReverse).value_or(true);

  // What would make a session that can never come up, or never stay.
  const BgpPeerExtensions& more = peer->extensions;
  if (more.direct && hops > 1) annotations.direct->error("cannot be together with a ttlSecurity of more than one hop");
  if (more.direct && spec["reachableBy"].present()) annotations.direct->error("cannot be together with reachableBy");
  if (more.hold_time.value_or(0) != 0 && peer->keepalive_time.value_or(0) >= *more.hold_time)
    annotations.hold_time->error("must be more than keepaliveTime");
  out.key = Key{Kind::BGPPeer, {}, id.name};
  out.value = Ref<BgpPeer>{std::move(peer)};
}

}  // namespace margay::model
