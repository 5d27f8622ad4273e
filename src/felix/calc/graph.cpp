#include "calc/graph.hpp"

#include <unordered_map>

#include "calc/active_rules.hpp"
#include "calc/cluster_counts.hpp"
#include "calc/dispatcher.hpp"
#include "calc/local_endpoints.hpp"
#include "calc/local_peers.hpp"
#include "calc/pass_through.hpp"
#include "calc/policy_resolver.hpp"
#include "calc/sequencer.hpp"
#include "calc/set_index.hpp"

namespace margay::calc {
namespace {

class CountingSink final : public MessageSink {
 public:
  explicit CountingSink(MessageSink& to) : to_{to} {}
  void on_message(Message message) override {
    ++count;
    to_.on_message(std::move(message));
  }
  std::uint64_t count = 0;

 private:
  MessageSink& to_;
};

constexpr Kind kPolicyKinds[] = {Kind::NetworkPolicy,
                                 Kind::GlobalNetworkPolicy,
                                 Kind::StagedNetworkPolicy,
                                 Kind::StagedGlobalNetworkPolicy,
                                 Kind::StagedKubernetesNetworkPolicy,
                                 Kind::KubernetesNetworkPolicy,
                                 Kind::ClusterNetworkPolicy};

}  // namespace

struct Graph::Nodes {
  Nodes(Options options, MessageSink& to)
      : sink{to},
        local{options.node, out},
        rules{local, sets, out, options.staged_rules},
        peers{options.node, local},
        resolver{local, rules, peers, out},
        pass_through{options.node, out} {
    wire();
  }

  void wire();
  [[nodiscard]] bool held() const noexcept { return mixed || frozen; }
  [[nodiscard]] bool dirty() const noexcept {
    return local.dirty() || rules.dirty() || sets.dirty() || out.dirty() || !in_sync_sent;
  }

  CountingSink sink;
  Dispatcher dispatcher;
  Sequencer out;
  SetIndex sets;
  LocalEndpoints local;
  ActiveRules rules;
  LocalPeers peers;
  PolicyResolver resolver;
  PassThrough pass_through;
  ClusterCounts cluster;

  bool mixed = true;  // a snapshot has not been read to its end: what we hold is old and new together
  bool frozen = false;
  bool in_sync_sent = false;
  std::optional<Clock::time_point> earliest;
  std::array<std::uint64_t, 64> updates_processed{};
};

void Graph::Nodes::wire() {
  //  Profile ─┬─ labels ─▶ LocalEndpoints, SetIndex     inherited labels first: what comes after may depend on them
  //           └─ rules ──▶ ActiveRules
  dispatcher.on<Profile>(Kind::Profile, [this](const Key& key, const Ref<Profile>& profile) {
    const Labels labels = profile ? profile->labels_to_apply : Labels{};
    sets.on_profile_labels(key.name, labels);
    local.on_profile_labels(key.name, labels);
    rules.on_profile(key, profile);
    cluster.profiles.count(key, profile != nullptr);
  });

  //  WorkloadEndpoint ─┬─ on this node ─▶ LocalEndpoints ─▶ ActiveRules, PolicyResolver
  //  HostEndpoint     ─┴─ on any node ──▶ SetIndex
  dispatcher.on<WorkloadEndpoint>(Kind::WorkloadEndpoint, [this](const Key& key, const Ref<WorkloadEndpoint>& endpoint) {
    const Symbol before = sets.node_of(key);
    sets.on_workload(key, endpoint);
    local.on_workload(key, endpoint);
    cluster.on_workload(before, sets.node_of(key));
  });
  dispatcher.on<HostEndpoint>(Kind::HostEndpoint, [this](const Key& key, const Ref<HostEndpoint>& endpoint) {
    const Symbol before = sets.node_of(key);
    sets.on_host_endpoint(key, endpoint);
    local.on_host_endpoint(key, endpoint);
    cluster.on_host_endpoint(before, sets.node_of(key));
  });

  //  NetworkSet, GlobalNetworkSet, EndpointSlice ─▶ SetIndex
  for (const Kind kind : {Kind::NetworkSet, Kind::GlobalNetworkSet}) {
    dispatcher.on<NetworkSet>(kind, [this](const Key& key, const Ref<NetworkSet>& set) { sets.on_network_set(key, set); });
  }
  dispatcher.on<EndpointSlice>(Kind::EndpointSlice,
                               [this](const Key& key, const Ref<EndpointSlice>& slice) { sets.on_slice(key, slice); });

  //  policies ─▶ ActiveRules ─┬─ sets in use ──▶ SetIndex ───────┬─▶ Sequencer ─▶ messages
  //                           └─ active rules ───────────────────┤
  //  Tier ─────▶ PolicyResolver ─ policies of each endpoint ─────┘
  for (const Kind kind : kPolicyKinds) {
    dispatcher.on<Policy>(kind, [this](const Key& key, const Ref<Policy>& policy) {
      rules.on_policy(key, policy);
      cluster.policies.count(key, policy != nullptr);
    });
  }
  dispatcher.on<Tier>(Kind::Tier, [this](const Key& key, const Ref<Tier>& tier) {
    resolver.on_tier(key, tier);
    cluster.tiers.count(key, tier != nullptr);
  });

  //  BGPPeer, labels of this Node ─▶ LocalPeers ─ peer of each endpoint ─▶ PolicyResolver
  dispatcher.on<BgpPeer>(Kind::BGPPeer, [this](const Key& key, const Ref<BgpPeer>& peer) { peers.on_peer(key, peer); });

  //  Node, IPPool, BGPConfiguration, BlockAffinity ─▶ PassThrough ─▶ Sequencer
  dispatcher.on<Node>(Kind::Node, [this](const Key& key, const Ref<Node>& node) {
    pass_through.on_node(key, node);
    peers.on_node(key, node);
    cluster.on_node(key, node != nullptr);
  });
  dispatcher.on<IpPool>(Kind::IPPool, [this](const Key& key, const Ref<IpPool>& pool) { pass_through.on_pool(key, pool); });
  dispatcher.on<BgpConfiguration>(Kind::BGPConfiguration, [this](const Key& key, const Ref<BgpConfiguration>& configuration) {
    pass_through.on_bgp_configuration(key, configuration);
  });

  dispatcher.on<BlockAffinity>(Kind::BlockAffinity, [this](const Key& key, const Ref<BlockAffinity>& affinity) {
    pass_through.on_block_affinity(key, affinity);
  });

  //  ClusterInformation ─▶ the brake
  dispatcher.on<ClusterInformation>(Kind::ClusterInformation, [this](const Key& key, const Ref<ClusterInformation>& information) {
    if (!(key.name == "default")) return;
    const bool was = frozen;
    frozen = information && information->datastore_ready == false;
    if (was && !frozen) earliest.reset();  // the wait was asked for: not latency
  });
}

Graph::Graph(Options options, MessageSink& sink) : nodes_{std::make_unique<Nodes>(std::move(options), sink)} {}
Graph::~Graph() = default;

void Graph::on_state(SyncState state) {
  // An outage by itself mixes nothing: what was announced before it may go out.
  if (state == SyncState::Resync) nodes_->mixed = true;
  if (state == SyncState::InSync) nodes_->mixed = false;
}

void Graph::on_updates(std::span<const Update> updates) {
  for (const Update& update : updates) {
    ++nodes_->updates_processed[static_cast<std::size_t>(update.key.kind)];
    nodes_->dispatcher.dispatch(update);
    if (update.seen == Clock::time_point{} || !nodes_->dirty()) continue;
    if (!nodes_->earliest || update.seen < *nodes_->earliest) nodes_->earliest = update.seen;
  }
}

std::optional<Clock::time_point> Graph::flush() {
  if (held()) return std::nullopt;
  const std::uint64_t before = nodes_->sink.count;
  nodes_->rules.complete();
  nodes_->resolver.complete();
  nodes_->out.flush(nodes_->sets, nodes_->sink);
  if (!std::exchange(nodes_->in_sync_sent, true)) nodes_->sink.on_message(InSync{});
  auto earliest = std::exchange(nodes_->earliest, std::nullopt);
  if (nodes_->sink.count == before) return std::nullopt;
  return earliest;
}

bool Graph::has_pending() const noexcept { return !held() && nodes_->dirty(); }
bool Graph::held() const noexcept { return nodes_->held(); }
bool Graph::frozen() const noexcept { return nodes_->frozen; }

Counters Graph::counters() const {
  const Nodes& n = *nodes_;
  const auto labels = n.sets.label_stats();
  return {.active_local_endpoints = n.local.size(),
          .active_local_policies = n.rules.active_policies(),
          .active_local_selectors = n.sets.active_sets(),
          .hosts = n.cluster.hosts(),
          .workload_endpoints = n.cluster.workload_endpoints(),
          .host_endpoints = n.cluster.host_endpoints(),
          .policies = n.cluster.policies.size(),
          .profiles = n.cluster.profiles.size(),
          .tiers = n.cluster.tiers.size(),
          .label_index_endpoints = labels.items,
          .label_index_classes = labels.classes,
          .label_index_selectors_optimized = labels.selectors_indexed,
          .label_index_selectors_unoptimized = labels.selectors_unindexed,
          .label_index_evals_matched = labels.evals_matched,
          .label_index_evals_unmatched = labels.evals_unmatched,
          .updates_processed = n.updates_processed,
          .output_events = n.sink.count};
}

}  // namespace margay::calc
