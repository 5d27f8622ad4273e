// margayctl version.
#include <ostream>

#include "session.hpp"
#include "verbs.hpp"
#include "version.hpp"

namespace margay::ctl {

void run_version(Session& session, bool client_only) {
  session.out << "Client Version:    " << kVersion << "\n";
  if (client_only || !session.connect()) return;
  auto cluster = session.fetch({Kind::ClusterInformation, "", "default"});
  if (!cluster && cluster.error().code != ErrorCode::NotFound) return session.error({}, cluster.error());
  const auto field = [&](const char* name) -> std::string {
    if (!cluster) return "unknown (the datastore has no ClusterInformation default)";
    const auto spec = cluster->object.find("spec");
    if (spec == cluster->object.end() || !spec->is_object()) return "unknown";
    const auto value = spec->find(name);
    return value != spec->end() && value->is_string() ? value->get<std::string>() : "unknown";
  };
  session.out << "Cluster Version:   " << field("calicoVersion") << "\nCluster Type:      " << field("clusterType") << "\n";
}

}  // namespace margay::ctl
