// The daemon's metrics: Calico's names where Calico has one, margay_… else; rendered as Prometheus text on request.
//
// What others count already (graph, reconcilers, watcher) is read when somebody asks; what must be observed as it happens (times)
// is kept here.
#pragma once

#include <prometheus/histogram.h>
#include <prometheus/summary.h>

#include <chrono>

#include "control/exposition.hpp"
namespace margay::daemon {

// Times observed as they happen.
class Observations {
 public:
  Observations();
  void enforced_after(std::chrono::duration<double> time) { enforcement_.Observe(time.count()); }
  void applied_in(std::chrono::duration<double> time) { apply_.Observe(time.count()); }
  void graph_updated_in(std::chrono::duration<double> time) { graph_.Observe(time.count()); }
  void message_batch(std::size_t messages) { batch_.Observe(static_cast<double>(messages)); }
  void initial_resync(std::chrono::duration<double> time) { initial_resync_ = time.count(); }
  void expose(control::Exposition& out) const;

 private:
  prometheus::Histogram enforcement_;
  prometheus::Summary apply_, graph_, batch_;
  double initial_resync_ = 0;
};

}  // namespace margay::daemon
