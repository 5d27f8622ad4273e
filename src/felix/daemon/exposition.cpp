#include "daemon/exposition.hpp"

#include <fmt/format.h>

#include "margay/base/log.hpp"

namespace margay::daemon {
namespace {

double number(std::uint64_t n) { return static_cast<double>(n); }

void expose_watch(const Counted& counted, control::Exposition& out) {
  out.gauge("felix_host", "Configured Felix hostname (as a label), typically used in grouping/aggregating stats.", 1,
            {{"host", counted.node}});
  const double state = counted.state == SyncState::InSync ? 3 : counted.state == SyncState::Resync ? 2 : 1;
  out.gauge("felix_resync_state", "Current datastore state: 1 waiting, 2 resyncing, 3 in sync.", state);
  out.counter("felix_resyncs_started", "Number of times Felix has started resyncing with the datastore.",
              number(counted.watch.resyncs_started));
  out.gauge("margay_datastore_objects", "Manifests in force.", number(counted.watch.objects));
  out.gauge("margay_datastore_invalid_objects", "Manifests that do not parse or validate now; what they last said validly holds.",
            number(counted.watch.invalid_objects));
  out.counter("felix_log_errors", "Number of errors encountered while logging or logged.", number(log::error_count()));
}

void expose_graph(const calc::Counters& c, control::Exposition& out) {
  const auto gauge = [&](const char* name, const char* help, std::size_t value) { out.gauge(name, help, number(value)); };
  gauge("felix_active_local_endpoints", "Number of active endpoints on this host.", c.active_local_endpoints);
  gauge("felix_active_local_policies", "Number of active policies on this host.", c.active_local_policies);
  gauge("felix_active_local_selectors", "Number of active selectors on this host.", c.active_local_selectors);
  gauge("felix_cluster_num_hosts", "Total number of hosts in the cluster.", c.hosts);
  gauge("felix_cluster_num_workload_endpoints", "Total number of workload endpoints cluster-wide.", c.workload_endpoints);
  gauge("felix_cluster_num_host_endpoints", "Total number of host endpoints cluster-wide.", c.host_endpoints);
  gauge("felix_cluster_num_policies", "Total number of policies in the cluster.", c.policies);
  gauge("felix_cluster_num_profiles", "Total number of profiles in the cluster.", c.profiles);
  gauge("felix_cluster_num_tiers", "Total number of tiers in the cluster.", c.tiers);
  gauge("felix_label_index_num_endpoints", "Total number of endpoints and similar objects in the index.",
        c.label_index_endpoints);
  constexpr auto kSelectors = "felix_label_index_num_active_selectors";
  constexpr auto kSelectorsHelp = "Total number of active selectors in the policy engine.";
  out.gauge(kSelectors, kSelectorsHelp, number(c.label_index_selectors_optimized), {{"optimized", "true"}});
  out.gauge(kSelectors, kSelectorsHelp, number(c.label_index_selectors_unoptimized), {{"optimized", "false"}});
  constexpr auto kEvals = "felix_label_index_selector_evals";
  constexpr auto kEvalsHelp = "Total number of selector evaluations in the policy engine.";
  out.counter(kEvals, kEvalsHelp, number(c.label_index_evals_matched), {{"result", "true"}});
  out.counter(kEvals, kEvalsHelp, number(c.label_index_evals_unmatched), {{"result", "false"}});
  for (const KindInfo& kind : all_kinds()) {
    const auto processed = c.updates_processed[static_cast<std::size_t>(kind.kind)];
    if (processed)
      out.counter("felix_calc_graph_updates_processed", "Number of datastore updates processed by the calculation graph.",
                  number(processed), {{"type", std::string{kind.name}}});
  }
  out.counter("felix_calc_graph_output_events", "Number of events emitted by the calculation graph.", number(c.output_events));
}

void expose_tables(const dataplane::Plane& plane, const std::string& version, control::Exposition& out) {
  for (const auto& table : plane.tables) {
    const control::MetricLabels labels{{"ip_version", version}, {"table", std::string{kernel::name(table.table())}}};
    std::size_t rules = 0, chains = 0;
    for (const auto& chain : table.programmed()) {
      ++chains;
      rules += chain.rules.size();
    }
    for (const auto& hook : table.hooks()) rules += hook.first.size() + hook.last.size();
    out.gauge("felix_iptables_chains", "Number of active iptables chains.", number(chains), labels);
    out.gauge("felix_iptables_rules", "Number of active iptables rules.", number(rules), labels);
    const auto& c = table.counters();
    out.counter("felix_iptables_lines_executed", "Number of iptables rule updates executed.", number(c.lines_executed), labels);
    out.counter("margay_iptables_drifts", "Times that a table was found changed by somebody else.", number(c.drifts), labels);
  }
}

void expose_dataplane(const dataplane::Dataplane& dataplane, control::Exposition& out) {
  std::uint64_t saves = 0, save_errors = 0, restores = 0, restore_errors = 0, set_calls = 0, set_errors = 0, set_lines = 0;
  std::size_t sets = 0;
  for (const auto& plane : dataplane.planes()) {
    const std::string version{digit(plane->family)};
    expose_tables(*plane, version, out);
    for (const auto& table : plane->tables) {
      saves += table.counters().save_calls;
      save_errors += table.counters().save_errors;
      restores += table.counters().restore_calls;
      restore_errors += table.counters().restore_errors;
    }
    out.gauge("felix_ipsets_calico", "Number of active Calico IP sets.", number(plane->sets.size()), {{"ip_version", version}});
    sets += plane->sets.size();
    set_calls += plane->sets.counters().calls;
    set_errors += plane->sets.counters().errors;
    set_lines += plane->sets.counters().lines_executed;
    out.gauge("felix_route_table_num_routes", "Number of routes that each table should have.", number(plane->routes.size()),
              {{"table", fmt::format("IPv{}-main", version)}});
  }
  out.gauge("felix_ipsets_total", "Total number of active IP sets.", number(sets));
  out.counter("felix_ipset_calls", "Number of ipset commands executed.", number(set_calls));
  out.counter("felix_ipset_errors", "Number of ipset command failures.", number(set_errors));
  out.counter("felix_ipset_lines_executed", "Number of ipset operations executed.", number(set_lines));
  out.counter("felix_iptables_save_calls", "Number of iptables table reads.", number(saves));
  out.counter("felix_iptables_save_errors", "Number of iptables table reads that failed.", number(save_errors));
  out.counter("felix_iptables_restore_calls", "Number of iptables table commits.", number(restores));
  out.counter("felix_iptables_restore_errors", "Number of iptables table commits that failed.", number(restore_errors));
  out.counter("felix_int_dataplane_failures", "Number of times dataplane updates failed and will be retried.",
              number(dataplane.failures()));
  for (const auto& [type, count] : dataplane.message_counts())
    out.counter("felix_int_dataplane_messages", "Number of dataplane messages by type.", number(count), {{"type", type}});
}

}  // namespace

void expose_daemon(const Counted& counted, control::Exposition& out) {
  expose_watch(counted, out);
  if (counted.graph) expose_graph(counted.graph->counters(), out);
  if (counted.dataplane) expose_dataplane(*counted.dataplane, out);
}

}  // namespace margay::daemon
