#include "globals.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cluster_routes.hpp"
#include "margay/base/hash.hpp"

namespace margay::bgp::view {

namespace {

constexpr std::uint32_t kDefaultPriority = 1024;
constexpr const char* kExcluded = "node.kubernetes.io/exclude-from-external-load-balancers";

Addr hashed_id(const std::string& node) {
  const auto digest = sha256(node);
  Addr out;
  std::copy_n(digest.begin(), 4, out.bytes.begin());
  auto& first = out.bytes[0];  // no multicast or reserved one, as Calico does it; nor 0/8 and 127/8, which some peers refuse
  if (first > 223) first = static_cast<std::uint8_t>(first - 32);
  if (first == 0) first = 1;
  if (first == 127) first = 126;
  return out;
}

Router::LogLevel log_level(std::string_view text) {
  const auto is = [&](std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return (a | 0x20) == b; });
  };
  if (is("debug") || is("trace")) return Router::LogLevel::Debug;
  return text.empty() || is("info") ? Router::LogLevel::Info : Router::LogLevel::Quiet;
}

// Strictly between felix's metrics of a migrated workload and of others, so that a route of BIRD's never equals one of them.
std::uint32_t kernel_metric(std::uint32_t elevated, std::uint32_t normal) {
  if (normal > elevated && normal - elevated >= 2) return elevated + (normal - elevated) / 2;
  return normal > 1 ? normal - 1 : normal + 1;
}

}  // namespace

SessionContext session_context(const Inputs& inputs, const ViewOptions& options, const Node& self) {
  const BgpConfiguration& cluster = inputs.configuration("default");
  SessionContext out;
  out.node = options.node;
  for (const Family family : kFamilies) out.node_ip[index(family)] = address(self, family);
  out.labels = self.labels;
  out.cluster_as = cluster.as_number.value_or(kDefaultAs);
  out.as_number = self.as_number.value_or(out.cluster_as);
  out.cluster_id = Addr::parse(self.route_reflector_cluster_id);
  out.cluster_port = unless_default(cluster.listen_port);
  const auto own = inputs.configuration_of_node(out.node).listen_port;
  out.listen_port = own ? unless_default(own) : out.cluster_port;
  out.mesh = cluster.mesh && inputs.refusals(kDefaultConfiguration) < 2;
  out.mesh_password = cluster.mesh_password;
  out.mesh_restart_time = cluster.mesh_restart_time;
  if (cluster.bind_node_ip) out.workloads_dial = {cluster.local_workload_peering_v4, cluster.local_workload_peering_v6};
  return out;
}

ServiceContext service_context(const Inputs& inputs, const ViewOptions& options, const Node& self,
                               std::vector<Problem>& problems) {
  const BgpConfiguration& cluster = inputs.configuration("default");
  ServiceContext out;
  out.node = options.node;
  out.cluster_ips = cluster.service_cluster_ips;
  if (!options.cluster_ips.empty()) {
    const auto cidr = Cidr::parse(options.cluster_ips);
    if (cidr) out.cluster_ips = {*cidr};
    else
      problems.push_back({kDefaultConfiguration, fmt::format("CALICO_ADVERTISE_CLUSTER_IPS is \"{}\", which is not a CIDR; "
                                                             "serviceClusterIPs are used instead",
                                                             options.cluster_ips)});
  }
  out.external_ips = cluster.service_external_ips;
  out.load_balancer_ips = cluster.service_load_balancer_ips;
  out.aggregate = cluster.load_balancer_aggregation;
  const Symbol* excluded = self.labels.get(kExcluded);
  out.withheld = self.draining || (excluded != nullptr && *excluded == "true");
  return out;
}

std::optional<Addr> router_id(const ViewOptions& options, const Node& self) {
  if (options.router_id == "hash") return hashed_id(options.node);
  if (options.router_id.empty()) return self.ipv4 ? *self.ipv4 : hashed_id(options.node);
  const auto given = Addr::parse(options.router_id);
  return given && given->family == Family::V4 && *given != Addr{} ? given : std::nullopt;
}

void set_globals(const Inputs& inputs, const ViewOptions& options, const Node& self, Router& router,
                 std::vector<Problem>& problems) {
  const BgpConfiguration& cluster = inputs.configuration("default");
  const Symbol own_name = "node." + options.node;
  const BgpConfiguration& own = inputs.configuration(own_name);
  const SessionContext session = session_context(inputs, options, self);
  router.node = options.node;
  router.cluster_id = session.cluster_id;
  router.listen_port = session.listen_port;
  router.bind_node_ip = cluster.bind_node_ip;
  router.log_level = log_level(own.log_severity.empty() ? cluster.log_severity : own.log_severity);
  const bool refused = inputs.refusals(kDefaultConfiguration) != 0;
  router.ignored_interfaces = refused ? std::vector<std::string>{} : cluster.ignored_interfaces;
  router.tunnel_routes =
      cluster.cluster_routes == ClusterRoutes::Enabled || cluster.cluster_routes == ClusterRoutes::EnabledIpipOnly;
  router.draining = self.draining;
  if (auto wrong = contradiction(cluster.cluster_routes, inputs.felix_cluster_routes))
    problems.push_back({kDefaultConfiguration, *std::move(wrong)});

  // The node's own list replaces the cluster's, of both families at once.
  const bool of_node = !own.prefix_advertisements.empty();
  const bool left_out = of_node ? inputs.refusals({Kind::BGPConfiguration, {}, own_name}) != 0 : refused;
  const auto& advertisements = of_node ? own.prefix_advertisements : cluster.prefix_advertisements;
  for (const Family family : kFamilies) {
    FamilyView& view = router.families[index(family)];
    view.node_ip = address(self, family);
    view.subnet = network(self, family);
    view.normal_priority = cluster.normal_priority[index(family)].value_or(kDefaultPriority);
    view.kernel_metric = kernel_metric(options.elevated_priority, view.normal_priority);
    if (view.kernel_metric <= options.elevated_priority || view.kernel_metric >= view.normal_priority)
      problems.push_back(
          {kDefaultConfiguration,
           fmt::format("ipv{}NormalRoutePriority {} leaves no metric between it and the elevated priority {} of migrated "
                       "workloads; routes of BIRD get {}, and live migration will lose packets: set it to at least {}",
                       digit(family), view.normal_priority, options.elevated_priority, view.kernel_metric,
                       options.elevated_priority + 2)});
    view.communities.clear();
    for (const PrefixAdvertisement& advertisement : advertisements)
      if (!left_out && advertisement.cidr.family() == family && !advertisement.communities.empty())
        view.communities.push_back(advertisement);
    std::stable_sort(view.communities.begin(), view.communities.end(),
                     [](const PrefixAdvertisement& a, const PrefixAdvertisement& b) { return a.cidr < b.cidr; });
  }
}

}  // namespace margay::bgp::view
