// A decoder for tests of the datastore alone: `spec.nets` of a NetworkSet and the like, `spec.bad` makes it invalid.
#pragma once

#include <nlohmann/json.hpp>

#include "manifests.hpp"

namespace margay::test {

// Kinds understood: NetworkSet, GlobalNetworkSet, Profile, Namespace (a Profile kns.<name>), GlobalNetworkPolicy (closed when
// invalid and it has spec.selector), Pod (WorkloadEndpoint <spec.node>-<name>; nothing without spec.node), WorkloadEndpoint,
// Node of Calico and of Kubernetes. `spec.v` is the value.
[[nodiscard]] datastore::Decoder fake_decoder();
// The `spec.v` a resource was made of; "closed" for a closed policy; "-" for none.
[[nodiscard]] std::string value_of(const std::optional<Resource>& value);
// `kind` "v1/Node" is the Kubernetes one.
[[nodiscard]] std::string manifest(const std::string& kind, const std::string& name, const std::string& v,
                                   const std::string& more = {});

}  // namespace margay::test
