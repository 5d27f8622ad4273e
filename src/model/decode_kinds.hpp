// The decoders, one function a kind: what decode() dispatches to.
//
// Each reads the whole manifest from `root`, records what is wrong in its reader, and fills key and value. decode() drops
// the value of a manifest with errors, but for a closed form (Policy::closed, BgpFilter::closed).
#pragma once

#include "fields.hpp"
#include "margay/model/decode.hpp"

namespace margay::model {

void decode_namespace(const ObjectId& id, Field root, Decoded& out);
void decode_service_account(const ObjectId& id, Field root, Decoded& out);
void decode_pod(const ObjectId& id, Field root, const DecodeOptions& options, Decoded& out);
void decode_service(const ObjectId& id, Field root, Decoded& out);
void decode_endpoint_slice(const ObjectId& id, Field root, Decoded& out);
void decode_kubernetes_node(const ObjectId& id, Field root, Decoded& out);

void decode_network_set(const ObjectId& id, Field root, Decoded& out);  // NetworkSet and GlobalNetworkSet
void decode_profile(const ObjectId& id, Field root, Decoded& out);
void decode_workload_endpoint(const ObjectId& id, Field root, Decoded& out);
void decode_host_endpoint(const ObjectId& id, Field root, Decoded& out);
void decode_node(const ObjectId& id, Field root, Decoded& out);
void decode_ip_pool(const ObjectId& id, Field root, Decoded& out);
void decode_felix_configuration(const ObjectId& id, Field root, Decoded& out);
void decode_bgp_configuration(const ObjectId& id, Field root, Decoded& out);
void decode_bgp_peer(const ObjectId& id, Field root, Decoded& out);
void decode_bgp_filter(const ObjectId& id, Field root, Decoded& out);
void decode_block_affinity(const ObjectId& id, Field root, Decoded& out);
void decode_secret(const ObjectId& id, Field root, Decoded& out);
void decode_node_status(const ObjectId& id, Field root, Decoded& out);
void decode_cluster_information(const ObjectId& id, Field root, Decoded& out);

}  // namespace margay::model
