#include "dataplane/plane.hpp"

namespace margay::dataplane {
namespace {

TableReconciler table(Family family, kernel::Table which, const Config& config, const Ports& ports) {
  return {family, which, ports.tables, ports.clock, {.refresh = config.iptables_refresh, .drift = config.drift_interval}};
}

RouteReconciler::Options route_options(Family family, const Config& config) {
  const bool v4 = family == Family::V4;
  return {.interface_prefixes = config.rules.interface_prefixes,
          .protocol = config.route_protocol,
          .priority = v4 ? config.route_priority_v4 : config.route_priority_v6,
          .source = v4 ? config.route_source_v4 : config.route_source_v6,
          .remove_external = config.remove_external_routes,
          .disabled = config.route_sync_disabled,
          .refresh = config.route_refresh};
}

}  // namespace

Plane::Plane(Family f, const Config& config, const Ports& ports)
    : family{f},
      tables{table(f, kernel::Table::Raw, config, ports), table(f, kernel::Table::Mangle, config, ports),
             table(f, kernel::Table::Nat, config, ports), table(f, kernel::Table::Filter, config, ports)},
      sets{f, ports.sets, {.refresh = config.ipsets_refresh}},
      routes{f, ports.routes, route_options(f, config)} {}

Planes make_planes(const Config& config, const Ports& ports) {
  Planes planes;
  for (const Family family : kFamilies) {
    if (family == Family::V4 || config.rules.ipv6) planes.push_back(std::make_unique<Plane>(family, config, ports));
  }
  return planes;
}

}  // namespace margay::dataplane
