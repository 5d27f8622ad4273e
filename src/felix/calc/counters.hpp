// What the graph counts, for metrics. A copy; gauges unless said otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace margay::calc {

struct Counters {
  // felix_active_local_*
  std::size_t active_local_endpoints = 0, active_local_policies = 0, active_local_selectors = 0;  // selectors: sets in use
  // felix_cluster_num_*
  std::size_t hosts = 0, workload_endpoints = 0, host_endpoints = 0, policies = 0, profiles = 0, tiers = 0;
  // felix_label_index_*; over the index of all items
  std::size_t label_index_endpoints = 0, label_index_classes = 0;
  std::size_t label_index_selectors_optimized = 0, label_index_selectors_unoptimized = 0;
  std::uint64_t label_index_evals_matched = 0, label_index_evals_unmatched = 0;  // counters
  // felix_calc_graph_updates_processed{type}, by Kind; felix_calc_graph_output_events. Counters.
  std::array<std::uint64_t, 64> updates_processed{};
  std::uint64_t output_events = 0;
};

}  // namespace margay::calc
