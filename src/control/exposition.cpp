#include "control/exposition.hpp"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace margay::control {
namespace {

using prometheus::MetricType;

prometheus::ClientMetric with_labels(const MetricLabels& labels) {
  prometheus::ClientMetric sample;
  for (const auto& [name, value] : labels) {
    prometheus::ClientMetric::Label label;
    label.name = name;
    label.value = value;
    sample.label.push_back(std::move(label));
  }
  return sample;
}

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

void Exposition::counter(const std::string& name, const std::string& help, double value, const MetricLabels& labels) {
  auto sample = with_labels(labels);
  sample.counter.value = value;
  family(name, help, MetricType::Counter).metric.push_back(std::move(sample));
}

void Exposition::gauge(const std::string& name, const std::string& help, double value, const MetricLabels& labels) {
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

}  // namespace margay::control
