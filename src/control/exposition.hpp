// Exposition: samples collected for one answer, rendered as Prometheus text; and what every process says of itself.
#pragma once

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace margay::control {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class Exposition {
 public:
  void counter(const std::string& name, const std::string& help, double value, const MetricLabels& labels = {});
  void gauge(const std::string& name, const std::string& help, double value, const MetricLabels& labels = {});
  void sample(const std::string& name, const std::string& help, prometheus::MetricType type, prometheus::ClientMetric sample);
  [[nodiscard]] std::string text() const;

 private:
  prometheus::MetricFamily& family(const std::string& name, const std::string& help, prometheus::MetricType type);
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, std::size_t> index_;
};

// process_* as Prometheus' client libraries name them.
void expose_process(Exposition& out);

}  // namespace margay::control
