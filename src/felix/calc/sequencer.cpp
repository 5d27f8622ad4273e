#include "calc/sequencer.hpp"

#include "calc/set_index.hpp"

namespace margay::calc {

bool Sequencer::dirty() const noexcept {
  return !policies.empty() || !profiles.empty() || !workloads.empty() || !host_endpoints.empty() || !nodes.empty() ||
         !pools.empty() || !service_cidrs.empty() || !blocks.empty() || !peering.empty();
}

// References before their users, and after them on the way out.
void Sequencer::flush(SetIndex& sets, MessageSink& sink) {
  sets.flush_updates(sink);
  policies.flush_updates([&](const auto& id, const auto& policy) { sink.on_message(PolicyUpdate{id, policy}); });
  profiles.flush_updates([&](const auto& id, const auto& profile) { sink.on_message(ProfileUpdate{id, profile}); });
  workloads.flush_updates([&](const auto& id, const auto& state) {
    sink.on_message(WorkloadUpdate{id, state.endpoint, state.policies, state.bgp_peer});
  });
  host_endpoints.flush_updates([&](const auto& id, const auto& state) {
    sink.on_message(HostEndpointUpdate{id, state.endpoint, state.policies});
  });

  host_endpoints.flush_removes([&](const auto& id) { sink.on_message(HostEndpointRemove{id}); });
  workloads.flush_removes([&](const auto& id) { sink.on_message(WorkloadRemove{id}); });
  profiles.flush_removes([&](const auto& id) { sink.on_message(ProfileRemove{id}); });
  policies.flush_removes([&](const auto& id) { sink.on_message(PolicyRemove{id}); });
  sets.flush_removes(sink);

  nodes.flush_updates([&](const auto& name, const auto& node) { sink.on_message(NodeUpdate{name, node.ipv4, node.ipv6}); });
  nodes.flush_removes([&](const auto& name) { sink.on_message(NodeRemove{name}); });
  pools.flush_removes([&](const auto& name) { sink.on_message(PoolRemove{name}); });
  pools.flush_updates([&](const auto& name, const auto& pool) { sink.on_message(PoolUpdate{name, pool}); });
  service_cidrs.flush_updates([&](const auto&, const auto& cidrs) { sink.on_message(ServiceCidrsUpdate{cidrs}); });
  service_cidrs.flush_removes([&](const auto&) { sink.on_message(ServiceCidrsUpdate{}); });
  blocks.flush_updates([&](const auto&, const auto& cidrs) { sink.on_message(BlocksUpdate{cidrs}); });
  blocks.flush_removes([&](const auto&) { sink.on_message(BlocksUpdate{}); });
  peering.flush_updates([&](const auto&, const auto& own) { sink.on_message(WorkloadPeeringUpdate{own.ipv4, own.ipv6}); });
  peering.flush_removes([&](const auto&) { sink.on_message(WorkloadPeeringUpdate{}); });
}

}  // namespace margay::calc
