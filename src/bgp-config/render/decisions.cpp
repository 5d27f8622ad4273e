#include "decisions.hpp"

#include <algorithm>

namespace margay::bgp {
namespace {

constexpr std::string_view kTunnels = R"(ifname ~ "*.cali" || ifname ~ "*.calico")";  // WireGuard, VXLAN

// Services that are not known by a mark.
std::vector<Cidr> listed_services(const FamilyView& view) {
  std::vector<Cidr> out;
  auto route = view.statics.begin();
  for (const Cidr& net : view.services) {
    while (route != view.statics.end() && route->net < net) ++route;
    bool known = false;
    for (auto r = route; r != view.statics.end() && r->net == net && !known; ++r) known = marked(*r);
    if (!known) out.push_back(net);
  }
  return out;
}

void render_received(Lines& out, const FamilyView& view, char f, std::uint32_t normal) {
  out.add("function margay_received{}() {{\n", f);
  out.add("  if bgp_local_pref > {} then preference = {};\n", kMaxPriority - normal, kElevatedBgp);
  out.add("}}\n");

  out.add("function margay_tunnel{}() {{\n", f);
  if (f == '4')
    for (const PoolRule& pool : view.pools) {
      if (pool.kernel != PoolRule::Kernel::Tunnel && pool.kernel != PoolRule::Kernel::TunnelOffLink) continue;
      out.own(pool.owner);
      const bool by_link = pool.kernel == PoolRule::Kernel::TunnelOffLink && view.subnet && view.subnet->family() == Family::V4;
      const std::string off_link = by_link ? fmt::format(" && !(bgp_next_hop ~ {})", view.subnet->to_string()) : "";
      // In this order; the BGP next hop stays what it was for those whom the route is passed on to. IPIP has no way to an IPv6
      // next hop, which is that of a session over link-local addresses: such a route stays as it came.
      out.add("  if net ~ [{}+] && bgp_next_hop.is_v4{} then {{ onlink = true; ifname = \"tunl0\"; gw = bgp_next_hop; }}\n",
              pool.cidr.to_string(), off_link);
    }
  out.disown();
  out.add("}}\n");
}

void render_send(Lines& out, const Router& router, char f, std::uint32_t normal) {
  out.add("function margay_send{}() {{\n", f);
  out.add("  if defined(margay_held) then reject;\n");
  out.add("  if source != RTS_BGP then {{\n");
  out.add("    bgp_local_pref = {};\n", kMaxPriority - normal);
  // A route learned from the kernel without a metric has 0 there.
  out.add("    if defined(krt_metric) then if krt_metric > 0 then {{\n");
  out.add("      if krt_metric > {} then bgp_local_pref = 0; else bgp_local_pref = {} - krt_metric;\n", kMaxPriority,
          kMaxPriority);
  out.add("    }}\n  }}\n");
  if (router.draining) out.add("  bgp_community.add((65535, 0));\n");
  out.add("}}\n");
}

void render_export(Lines& out, const Router& router, const FamilyView& view, char f, std::uint32_t normal) {
  out.add("function margay_export{}(bool same_as) {{\n", f);
  for (const PoolRule& pool : view.pools)
    if (!pool.exported) {
      out.own(pool.owner);
      out.add("  if net ~ [{}+] then reject;\n", pool.cidr.to_string());
    }
  out.disown();
  out.add("  if same_as && ({}{}) then reject;\n", kTunnels, router.tunnel_routes ? "" : R"( || ifname = "tunl0")");
  out.add("  if ifname ~ \"bpf*.cali\" then reject;\n");
  for (const auto& [cidr, communities] : view.communities) {
    std::string add;
    for (const Community& c : communities)
      if (const auto text = community_text(c)) add += fmt::format(" {}.add({});", community_list(c), *text);
    if (!add.empty()) out.add("  if net ~ [{}+] then {{{} }}\n", cidr.to_string(), add);
  }
  if (!view.blocks.empty()) {
    out.add("  if net ~ {} then accept;\n", set_of(view.blocks, ""));
    out.add("  if net ~ {} then {{\n    if bgp_local_pref > {} then accept;\n    reject;\n  }}\n", set_of(view.blocks, "+"),
            kMaxPriority - normal);
  }
  out.add("  if defined(margay_service) then accept;\n");
  if (const auto services = listed_services(view); !services.empty())
    out.add("  if net ~ {} then accept;\n", set_of(services, "+"));
  if (router.cluster_id && !view.reflected.empty()) out.add("  if net ~ {} then accept;\n", set_of(view.reflected, "+"));
  for (const PoolRule& pool : view.pools)
    if (pool.exported) {
      out.own(pool.owner);
      out.add("  if net ~ [{}+] then accept;\n", pool.cidr.to_string());
    }
  out.disown();
  out.add("  reject;\n}}\n");
}

void render_kernel(Lines& out, const FamilyView& view, Family family, std::uint32_t normal) {
  const char f = digit(family);
  out.add("filter margay_from_kernel{} {{\n", f);
  out.add("  if {} || ifname = \"tunl0\" then preference = {};\n", kTunnels, kAgentTunnel);
  // Routes to remote workloads that felix writes (protocol 80): they are not ours to tell others about.
  out.add("  else if krt_source = 80 && gw != :: then reject;\n");
  out.add("  else if defined(krt_metric) then if krt_metric > 0 && krt_metric < {} then preference = {};\n", normal,
          kElevatedKernel);
  if (view.ready_workloads) {
    const std::string others =
        view.ready_workloads->empty() ? "" : fmt::format(" && !(net ~ {})", set_of(*view.ready_workloads, ""));
    out.add("  if net.len = {} && ifname ~ \"cali*\"{} then margay_held = 1;\n", bits(family), others);
  }
  out.add("  accept;\n}}\n");

  out.add("filter margay_to_kernel{} {{\n", f);
  if (!view.kernel_reject.empty()) out.add("  if net ~ {} then reject;\n", set_of(view.kernel_reject, "+"));
  // Blocks and services: a net of ours that nobody answers for is felix's to refuse.
  out.add("  if source = RTS_STATIC && dest = RTD_BLACKHOLE then reject;\n");
  if (!view.wireguard_nodes.empty())
    out.add("  if source = RTS_BGP then if bgp_next_hop ~ {} then reject;\n", set_of(view.wireguard_nodes, ""));
  for (const PoolRule& pool : view.pools) {
    out.own(pool.owner);
    out.add("  if net ~ [{}+] then {};\n", pool.cidr.to_string(), pool.kernel == PoolRule::Kernel::Reject ? "reject" : "accept");
  }
  out.disown();
  out.add("  accept;\n}}\n");
}

}  // namespace

bool marked(const StaticRoute& route) noexcept {
  return route.reason == StaticRoute::Reason::Service && route.net.is_host() && !route.via;
}

void render_decisions(Lines& out, const Router& router, Family family) {
  const FamilyView& view = router.families[index(family)];
  const std::uint32_t normal = std::min(view.normal_priority, kMaxPriority);
  out.add("\n# IPv{}\n", digit(family));
  render_received(out, view, digit(family), normal);
  render_send(out, router, digit(family), normal);
  render_export(out, router, view, digit(family), normal);
  render_kernel(out, view, family, normal);
}

}  // namespace margay::bgp
