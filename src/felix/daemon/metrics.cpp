#include "daemon/metrics.hpp"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace margay::daemon {
namespace {

using prometheus::MetricType;

prometheus::ClientMetric with_labels(const Labels& labels) {
  prometheus::ClientMetric sample;
  for (const auto& [name, value] : labels) {
    prometheus::ClientMetric::Label label;
    label.name = name;
    label.value = value;
    sample.label.push_back(std::move(label));
  }
  return sample;
}

// Five milliseconds, the aim for one change, lies in the middle.
const prometheus::Histogram::BucketBoundaries kEnforcementBuckets{0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                                  0.2,   0.5,   1,     2,    5,    10,   30};
const prometheus::Summary::Quantiles kQuantiles{{0.5, 0.05}, {0.9, 0.01}, {0.99, 0.001}};

}  // namespace

prometheus::MetricFamily& Exposition::family(const std::string& name, const std::string& help, MetricType type) {
  const auto [it, fresh] = index_.try_emplace(name, families_.size());
  if (fresh) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
  }
  return families_[it->second];
}

void Exposition::counter(const std::string& name, const std::string& help, double value, const Labels& labels) {
  auto sample = with_labels(labels);
  sample.counter.value = value;
  family(name, help, MetricType::Counter).metric.push_back(std::move(sample));
}

void Exposition::gauge(const std::string& name, const std::string& help, double value, const Labels& labels) {
  auto sample = with_labels(labels);
  sample.gauge.value = value;
  family(name, help, MetricType::Gauge).metric.push_back(std::move(sample));
}

void Exposition::sample(const std::string& name, const std::string& help, MetricType type, prometheus::ClientMetric sample) {
  family(name, help, type).metric.push_back(std::move(sample));
}

std::string Exposition::text() const {
  std::ostringstream out;
  prometheus::TextSerializer{}.Serialize(out, families_);
  return out.str();
}

Observations::Observations()
    : enforcement_{kEnforcementBuckets},
      apply_{kQuantiles, std::chrono::seconds{60}, 5},
      graph_{kQuantiles, std::chrono::seconds{60}, 5},
      batch_{kQuantiles, std::chrono::seconds{60}, 5} {}

void Observations::expose(Exposition& out) const {
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

void expose_process(Exposition& out) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  out.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
  long size = 0, resident = 0;
  std::ifstream{"/proc/self/statm"} >> size >> resident;
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", static_cast<double>(resident) * page);
  out.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", static_cast<double>(size) * page);
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator it{"/proc/self/fd", error}, end; !error && it != end; it.increment(error)) ++open;
  out.gauge("process_open_fds", "Number of open file descriptors.", open);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  out.gauge("process_max_fds", "Maximum number of open file descriptors.", static_cast<double>(limit.rlim_cur));
}

}  // namespace margay::daemon
