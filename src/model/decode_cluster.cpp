// ClusterInformation.
#include "decode_kinds.hpp"

namespace margay::model {

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
