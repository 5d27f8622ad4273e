#include "sessions.hpp"

#include <algorithm>

#include "text.hpp"

namespace margay::bgp {
namespace {

constexpr std::uint32_t kDefaultHold = 240;     // BIRD's
constexpr std::uint32_t kDefaultRestart = 120;  // BIRD's

template <class... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

bool unspecified(const Addr& a) noexcept { return a == Addr{a.family, {}}; }

// Of the TCP connection.
Family transport(const Session& s) noexcept { return s.on_interface() ? Family::V6 : s.peer->family; }

bool on_link(const Session& s) noexcept { return s.on_interface() || s.extensions.direct; }

// None for a session over link-local addresses: which one it has, BIRD knows.
std::optional<Addr> local_address(const Session& s, const SessionContext& context, bool needed) {
  const auto usable = [&](const std::optional<Addr>& a) {
    return a && !unspecified(*a) && a->family == transport(s) && is_link_local(*a) == s.on_interface();
  };
  if (usable(s.source)) return s.source;
  const auto& node = context.node_ip[index(transport(s))];
  return needed && usable(node) ? node : std::nullopt;
}

const char* action(BgpPeerExtensions::MaxPrefixAction a) noexcept {
  switch (a) {
    case BgpPeerExtensions::MaxPrefixAction::Warn: return "warn";
    case BgpPeerExtensions::MaxPrefixAction::Block: return "block";
    case BgpPeerExtensions::MaxPrefixAction::Restart: return "restart";
    case BgpPeerExtensions::MaxPrefixAction::Disable: return "disable";
  }
  return "restart";
}

void add_addresses(std::string& out, const Session& s, const SessionContext& context) {
  const bool bfd = s.extensions.bfd;
  const bool multihop = !on_link(s);
  // All protocols of one family and port must agree on strict bind, so each needs an address; multihop BFD needs one too.
  const auto local = local_address(s, context, context.bind_node_ip || (bfd && multihop));
  add(out, "  local {}port {} as {};\n", local ? local->to_string() + " " : std::string{}, context.port, s.local_as);
  if (s.on_interface()) add(out, "  interface \"{}\";\n", quotable(s.interface, 15));
  if (context.bind_node_ip && local) out += "  strict bind on;\n  free bind on;\n";
  if (!multihop) out += "  direct;\n";
  else if (s.ttl_hops) add(out, "  multihop {};\n", std::max<unsigned>(*s.ttl_hops, 1));
  else out += "  multihop;\n";
  add(out, "  ttl security {};\n", s.ttl_hops ? "on" : "off");
  if (!bfd || (multihop && !local)) return;
  const auto& x = s.extensions;
  // BIRD counts microseconds in 32 bits.
  const auto ms = [](std::uint32_t value) { return std::clamp<std::uint32_t>(value, 1, 60'000); };
  out += "  bfd {";
  if (x.bfd_min_rx) add(out, " min rx interval {} ms;", ms(*x.bfd_min_rx));
  if (x.bfd_min_tx) add(out, " min tx interval {} ms;", ms(*x.bfd_min_tx));
  if (x.bfd_multiplier) add(out, " multiplier {};", std::clamp<std::uint32_t>(*x.bfd_multiplier, 1, 255));
  out += " };\n";
}

void add_timers(std::string& out, const Session& s) {
  // Calico waits 5 to 30 s after an error: too long where BFD ends a session early in its life, as FRR's first one does
  // (measured: a top-of-rack router's reboot then costs half a minute).
  out += "  connect delay time 2;\n  connect retry time 5;\n  error wait time 1, 10;\n";
  std::uint32_t hold = s.extensions.hold_time.value_or(kDefaultHold);
  hold = hold == 0 ? 0 : std::clamp<std::uint32_t>(hold, 3, 65535);
  add(out, "  hold time {};\n", hold);
  // BIRD refuses a keepalive time above the hold time and warns above half of it; without one it takes a third.
  if (s.keepalive_time && hold > 0) add(out, "  keepalive time {};\n", std::clamp<std::uint32_t>(*s.keepalive_time, 1, hold / 2));
  out += "  graceful restart on;\n";
  add(out, "  graceful restart time {};\n", std::min<std::uint32_t>(s.restart_time.value_or(kDefaultRestart), 4095));  // RFC 4724
  if (const auto& stale = s.extensions.long_lived_restart_time)
    add(out, "  long lived graceful restart on;\n  long lived stale time {};\n",
        std::min<std::uint32_t>(*stale, 0xffffff));  // RFC 9494
}

void add_channel(std::string& out, const Session& s, Family family) {
  const char f = digit(family);
  const bool same_as = s.internal();
  add(out, "  ipv{} {{\n    add paths on;\n", f);
  if (family == Family::V4 && transport(s) == Family::V6) out += "    extended next hop on;\n";
  add(out, "    gateway {};\n", on_link(s) ? "direct" : "recursive");
  if (s.next_hop == Session::NextHop::Self) out += "    next hop self;\n";
  if (s.next_hop == Session::NextHop::Keep) out += "    next hop keep;\n";
  if (s.extensions.max_prefixes)
    add(out, "    import limit {} action {};\n", *s.extensions.max_prefixes, action(s.extensions.max_prefix_action));
  add(out, "    import filter {{\n      margay_received{}();\n", f);
  // A workload's routes lead to its own interface, whatever pool they are from.
  if (s.origin != Session::Origin::LocalWorkload) add(out, "      margay_tunnel{}();\n", f);
  for (const Symbol& filter : s.filters) add(out, "      {}({});\n", filter_function(filter, true, family), same_as);
  add(out, "      accept;\n    }};\n    export filter {{\n      margay_send{}();\n", f);
  for (const Symbol& filter : s.filters) add(out, "      {}({});\n", filter_function(filter, false, family), same_as);
  add(out, "      margay_export{}({});\n    }};\n  }};\n", f, same_as);
}

}  // namespace

bool renderable(const Session& s) noexcept {
  if (s.local_as == 0 || s.name.empty() || (s.peer && unspecified(*s.peer))) return false;
  if (s.on_interface() ? s.interface.empty() : s.remote_as == 0) return false;
  return s.password.size() <= kMaxPassword && std::all_of(s.password.begin(), s.password.end(), password_byte);
}

std::string answering_prefix(std::string_view protocol) { return std::string{protocol.substr(0, 40)} + '_'; }

std::string template_body(const Session& s, const SessionContext& context) {
  std::string out;
  out.reserve(900);
  add_addresses(out, s, context);
  add_timers(out, s);
  if (s.cluster_id && s.cluster_id->family == Family::V4 && s.internal())  // BIRD refuses an external client
    add(out, "  rr client;\n  rr cluster id {};\n", s.cluster_id->to_string());
  if (s.allowed_local_as > 0) add(out, "  allow local as {};\n", s.allowed_local_as);
  for (const Family family : kFamilies)
    if (s.carries(family)) add_channel(out, s, family);
  return out;
}

std::string render_session(const Session& s, const std::string& name, std::string_view template_name) {
  std::string out;
  out.reserve(220);
  add(out, "protocol bgp {} from {} {{\n", name, template_name);
  if (!s.description.empty()) add(out, "  description \"{}\";\n", quotable(s.description));
  if (s.peer) add(out, "  neighbor {}", s.peer->to_string());
  else add(out, "  dynamic name \"{}\";\n  neighbor range fe80::/10", answering_prefix(name));
  add(out, " port {}", s.port.value_or(0) == 0 ? 179 : *s.port);
  if (s.remote_as == 0) out += " external;\n";
  else add(out, " as {};\n", s.remote_as);
  add(out, "  passive {};\n", s.passive ? "on" : "off");
  if (!s.password.empty()) add(out, "  password \"{}\";\n", s.password);
  out += "}\n";
  return out;
}

}  // namespace margay::bgp
