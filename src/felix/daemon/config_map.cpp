#include "daemon/config_map.hpp"

namespace margay::daemon {

dataplane::Config dataplane_config(const config::Config& config) {
  dataplane::Config out;
  out.rules = config.rules;
  out.iptables_refresh = config.iptables_refresh;
  out.ipsets_refresh = config.ipsets_refresh;
  out.route_refresh = config.route_refresh;
  out.route_protocol = config.route_protocol;
  out.route_priority_v4 = config.route_priority_v4;
  out.route_priority_v6 = config.route_priority_v6;
  out.route_source_v4 = config.route_source_v4;
  out.route_source_v6 = config.route_source_v6;
  out.remove_external_routes = config.remove_external_routes;
  out.route_sync_disabled = config.route_sync_disabled;
  out.ip_forwarding = config.ip_forwarding;
  return out;
}

// What only routing reads is not watched: passwords least of all.
std::set<Kind> felix_kinds() {
  std::set<Kind> out;
  for (const KindInfo& kind : all_kinds())
    if (kind.decoded) out.insert(kind.kind);
  for (const Kind kind : {Kind::BGPFilter, Kind::Secret, Kind::CalicoNodeStatus}) out.erase(kind);
  return out;
}

std::string file_problem(const settings::Settings& settings) {
  if (settings.felix_file.empty()) return {};
  const auto resolved = config::resolve({{config::SourceKind::File, settings.file_path + ": [felix]", settings.felix_file}});
  return resolved.problems.empty() ? std::string{} : resolved.problems.front().text;
}

}  // namespace margay::daemon
