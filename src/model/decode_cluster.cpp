// ClusterInformation, and of BGPConfiguration what policy needs: the addresses of services.
#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

constexpr std::string_view kPerNode = "node.";

std::vector<Cidr> read_cidr_blocks(Field list) {
  std::vector<Cidr> out;
  for (const Field item : list.items())  // entries without cidr mean nothing
    if (const auto cidr = item["cidr"].cidr()) append_once(out, *cidr);
  return out;
}

}  // namespace

void decode_bgp_configuration(const ObjectId& id, Field root, Decoded& out) {
  auto bgp = std::make_shared<BgpConfiguration>();
  const Field spec = root["spec"];
  const bool global = id.name == "default";
  if (!global && !(id.name.starts_with(kPerNode) && is_dns_subdomain(std::string_view{id.name}.substr(kPerNode.size()))))
    root["metadata"]["name"].error("must be \"default\" or \"node.<node>\"");
  if (!global)
    for (const std::string_view name : {"serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs"})
      if (const Field field = spec[name]; field.present()) field.error("can be set in \"default\" only");
  bgp->service_cluster_ips = read_cidr_blocks(spec["serviceClusterIPs"]);
  bgp->service_external_ips = read_cidr_blocks(spec["serviceExternalIPs"]);
  bgp->service_load_balancer_ips = read_cidr_blocks(spec["serviceLoadBalancerIPs"]);
  // Not read in this build; known, so that strict reading finds what is misspelt.
  spec.known({"logSeverityScreen", "nodeToNodeMeshEnabled", "asNumber", "serviceLoadBalancerAggregation", "communities",
              "prefixAdvertisements", "listenPort", "nodeMeshPassword", "nodeMeshMaxRestartTime", "bindMode", "ignoredInterfaces",
              "localWorkloadPeeringIPV4", "localWorkloadPeeringIPV6", "programClusterRoutes", "ipv4NormalRoutePriority",
              "ipv6NormalRoutePriority"});
  out.key = Key{Kind::BGPConfiguration, {}, id.name};
  out.value = Ref<BgpConfiguration>{std::move(bgp)};
}

void decode_cluster_information(const ObjectId& id, Field root, Decoded& out) {
  auto info = std::make_shared<ClusterInformation>();
  const Field spec = root["spec"];
  if (id.name != "default") root["metadata"]["name"].error("must be \"default\"");
  info->cluster_guid = spec["clusterGUID"].text().value_or("");
  info->cluster_type = spec["clusterType"].text().value_or("");
  info->calico_version = spec["calicoVersion"].text().value_or("");
  info->datastore_ready = spec["datastoreReady"].boolean();
  spec.known({"variant"});
  out.key = Key{Kind::ClusterInformation, {}, id.name};
  out.value = Ref<ClusterInformation>{std::move(info)};
}

}  // namespace margay::model
