#include "daemon/metrics.hpp"

namespace margay::daemon {
namespace {

using prometheus::MetricType;

// Five milliseconds, the aim for one change, lies in the middle.
const prometheus::Histogram::BucketBoundaries kEnforcementBuckets{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                                  0.2,   0.5,   1,     2,    5,    10,   30};
const prometheus::Summary::Quantiles kQuantiles{{0.5, 0.05}, {0.9, 0.01}, {0.99, 0.001}};

}  // namespace

Observations::Observations()
    : enforcement_{kEnforcementBuckets},
      apply_{kQuantiles, std::chrono::seconds{60}, 5},
      graph_{kQuantiles, std::chrono::seconds{60}, 5},
      batch_{kQuantiles, std::chrono::seconds{60}, 5} {}

void Observations::expose(control::Exposition& out) const {
  out.sample("margay_enforcement_seconds", "Time from a datastore event to its enforcement in the kernel.", MetricType::Histogram,
             enforcement_.Collect());
  out.sample("felix_int_dataplane_apply_time_seconds", "Time in seconds that it took to apply a dataplane update.",
             MetricType::Summary, apply_.Collect());
  out.sample("felix_calc_graph_update_time_seconds", "Seconds to update calculation graph for each datastore OnUpdate call.",
             MetricType::Summary, graph_.Collect());
  out.sample("felix_int_dataplane_msg_batch_size", "Number of messages processed in each batch.", MetricType::Summary,
             batch_.Collect());
  out.gauge("felix_int_dataplane_initial_resync_time_seconds", "Time in seconds that it took to do the initial resync.",
            initial_resync_);
}

}  // namespace margay::daemon
