// BGPConfiguration (datastore-model §3.8, bgp §1.2, §1.9).
#include <algorithm>
#include <map>

#include "as_number.hpp"
#include "bgp_fields.hpp"
#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

constexpr std::string_view kPerNode = "node.";
constexpr std::size_t kMaxCommunities = 500, kMaxAdvertisements = 500, kMaxOfPrefix = 50;

// What only "default" may say.
constexpr std::string_view kClusterOnly[] = {"nodeToNodeMeshEnabled", "asNumber",         "serviceClusterIPs",
                                             "serviceExternalIPs",    "nodeMeshPassword", "serviceLoadBalancerIPs",
                                             "nodeMeshMaxRestartTime"};

std::vector<Cidr> read_cidr_blocks(Field list) {
  std::vector<Cidr> out;
  for (const Field item : list.items())  // entries without cidr mean nothing
    if (const auto cidr = item["cidr"].cidr()) append_once(out, *cidr);
  return out;
}

using Names = std::map<std::string_view, std::optional<Community>>;  // without value: wrong, and said so

Names read_communities(Field list) {
  Names out;
  for (const Field item : list.items(kMaxCommunities)) {
    const Field name_field = item["name"], value_field = item["value"];
    const auto name = name_field.require().text();
    const auto value = value_field.require().present() ? read_community(value_field) : std::nullopt;
    if (!name) continue;
    if (!is_dns_subdomain(*name)) name_field.error(shown(*name) + " is not a name: lower-case letters, digits, '-' and '.'");
    if (!out.emplace(*name, value).second) name_field.error(shown(*name) + " is defined twice");
  }
  return out;
}

void append_community(Field item, const Names& names, std::vector<Community>& out) {
  const auto text = item.require().text();
  if (!text) return;
  if (const auto named = names.find(*text); named != names.end()) {
    if (named->second) append_once(out, *named->second);
  } else if (const auto literal = Community::parse(*text)) {
    append_once(out, *literal);
  } else {
    item.error(shown(*text) + " is neither a community nor the name of one in spec.communities");
  }
}

std::vector<PrefixAdvertisement> read_advertisements(Field list, const Names& names) {
  std::vector<PrefixAdvertisement> out;
  for (const Field item : list.items(kMaxAdvertisements)) {
    PrefixAdvertisement advertisement;
    const auto cidr = item["cidr"].cidr();
    for (const Field community : item["communities"].items(kMaxOfPrefix))
      append_community(community, names, advertisement.communities);
    if (!cidr) continue;  // means nothing
    advertisement.cidr = *cidr;
    std::sort(advertisement.communities.begin(), advertisement.communities.end(),
              [](const Community& a, const Community& b) { return a.to_string() < b.to_string(); });
    out.push_back(std::move(advertisement));
  }
  return out;
}

// "?" is not in Calico's form of this field.
void read_ignored_interfaces(Field list, std::vector<std::string>& out) {
  for (const Field item : list.items()) {
    const auto text = item.require().text();
    if (!text) continue;
    if (*text == "*") item.error("would ignore every interface");
    else if (text->empty()) item.error("must not be empty");
    else if (text->find('?') != std::string_view::npos) item.error(shown(*text) + ": '?' cannot be used here, but '*'");
    else if (std::string pattern = read_interface_pattern(item); !pattern.empty()) append_once(out, pattern);
  }
}

void read_mesh(Field spec, BgpConfiguration& bgp) {
  bgp.mesh = spec["nodeToNodeMeshEnabled"].boolean().value_or(true);
  const Field password = spec["nodeMeshPassword"], restart = spec["nodeMeshMaxRestartTime"];
  bgp.mesh_password = read_password(password);
  bgp.mesh_restart_time = read_seconds(restart, 0, kMaxRestartTime);
  if (bgp.mesh) return;
  for (const Field& field : {password, restart})
    if (field.present()) field.error("cannot be set while nodeToNodeMeshEnabled is false");
}

}  // namespace

void decode_bgp_configuration(const ObjectId& id, Field root, Decoded& out) {
  auto bgp = std::make_shared<BgpConfiguration>();
  const Field spec = root["spec"];
  const bool global = id.name == "default";
  if (!global && !(id.name.starts_with(kPerNode) && is_dns_subdomain(std::string_view{id.name}.substr(kPerNode.size()))))
    root["metadata"]["name"].error("must be \"default\" or \"node.<node>\"");
  if (!global)
    for (const std::string_view name : kClusterOnly)
      if (const Field field = spec[name]; field.present()) field.error("can be set in \"default\" only");
  bgp->service_cluster_ips = read_cidr_blocks(spec["serviceClusterIPs"]);
  bgp->service_external_ips = read_cidr_blocks(spec["serviceExternalIPs"]);
  bgp->service_load_balancer_ips = read_cidr_blocks(spec["serviceLoadBalancerIPs"]);
  static constexpr Choice<bool> kSwitch[] = {{"Enabled", true}, {"Disabled", false}};
  bgp->load_balancer_aggregation = spec["serviceLoadBalancerAggregation"].choice(kSwitch).value_or(true);

  read_mesh(spec, *bgp);
  bgp->as_number = read_as_number_or_unset(spec["asNumber"]);
  if (const auto port = spec["listenPort"].integer(1, 65535)) bgp->listen_port = static_cast<std::uint16_t>(*port);
  static constexpr Choice<bool> kBindModes[] = {{"None", false}, {"NodeIP", true}};
  bgp->bind_node_ip = spec["bindMode"].choice(kBindModes).value_or(false);
  static constexpr Choice<bool> kSeverities[] = {{"Trace", true},   {"Debug", true}, {"Info", true},
                                                 {"Warning", true}, {"Error", true}, {"Fatal", true}};
  const Field severity = spec["logSeverityScreen"];
  if (severity.choice(kSeverities, Case::Any)) bgp->log_severity = severity.text().value_or("");

  const Field communities = spec["communities"], advertisements = spec["prefixAdvertisements"];
  const Names names = read_communities(communities);
  bgp->prefix_advertisements = read_advertisements(advertisements, names);
  if (communities.size() > 0 && advertisements.size() == 0) communities.error("are of no use without prefixAdvertisements");

  read_ignored_interfaces(spec["ignoredInterfaces"], bgp->ignored_interfaces);
  bgp->local_workload_peering_v4 = spec["localWorkloadPeeringIPV4"].addr(Family::V4);
  bgp->local_workload_peering_v6 = spec["localWorkloadPeeringIPV6"].addr(Family::V6);
  static constexpr Choice<ClusterRoutes> kRoutes[] = {{"Enabled", ClusterRoutes::Enabled},
                                                      {"Disabled", ClusterRoutes::Disabled},
                                                      {"EnabledIPIPOnly", ClusterRoutes::EnabledIpipOnly},
                                                      {"EnabledNoEncapOnly", ClusterRoutes::EnabledNoEncapOnly}};
  bgp->cluster_routes = spec["programClusterRoutes"].choice(kRoutes).value_or(ClusterRoutes::EnabledNoEncapOnly);
  bgp->normal_priority[index(Family::V4)] = read_priority(spec["ipv4NormalRoutePriority"]);
  bgp->normal_priority[index(Family::V6)] = read_priority(spec["ipv6NormalRoutePriority"]);
  out.key = Key{Kind::BGPConfiguration, {}, id.name};
  out.value = Ref<BgpConfiguration>{std::move(bgp)};
}

}  // namespace margay::model
