// Kubernetes' NetworkPolicy (networking.k8s.io/v1), and Calico's staged variant of it, as policies of tier default.
#pragma once

#include "fields.hpp"
#include "margay/model/decode.hpp"

namespace margay::model {

// KubernetesNetworkPolicy and StagedKubernetesNetworkPolicy.
void decode_k8s_policy(const ObjectId& id, Field root, Decoded& out);

}  // namespace margay::model
