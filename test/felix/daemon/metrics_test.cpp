#include "daemon/metrics.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::daemon;

TEST_CASE("samples of one name stand under one HELP and TYPE line") {
  control::Exposition out;
  out.gauge("felix_iptables_rules", "Number of active iptables rules.", 3, {{"ip_version", "4"}, {"table", "filter"}});
  out.counter("felix_resyncs_started", "Resyncs.", 1);
  out.gauge("felix_iptables_rules", "Number of active iptables rules.", 5, {{"ip_version", "6"}, {"table", "filter"}});
  CHECK(out.text() ==
        "# HELP felix_iptables_rules Number of active iptables rules.\n"
        "# TYPE felix_iptables_rules gauge\n"
        "felix_iptables_rules{ip_version=\"4\",table=\"filter\"} 3\n"
        "felix_iptables_rules{ip_version=\"6\",table=\"filter\"} 5\n"
        "# HELP felix_resyncs_started Resyncs.\n"
        "# TYPE felix_resyncs_started counter\n"
        "felix_resyncs_started 1\n");
}

TEST_CASE("the time from event to enforcement is a histogram") {
  Observations observations;
  observations.enforced_after(std::chrono::milliseconds{7});
  observations.enforced_after(std::chrono::milliseconds{300});
  control::Exposition out;
  observations.expose(out);
  const std::string text = out.text();
  CHECK(text.find("margay_enforcement_seconds_bucket{le=\"0.005\"} 0\n") != std::string::npos);
  CHECK(text.find("margay_enforcement_seconds_bucket{le=\"0.01\"} 1\n") != std::string::npos);
  CHECK(text.find("margay_enforcement_seconds_bucket{le=\"+Inf\"} 2\n") != std::string::npos);
  CHECK(text.find("felix_int_dataplane_apply_time_seconds{quantile=\"0.5\"}") != std::string::npos);
}

TEST_CASE("process metrics have Prometheus' names and plausible values") {
  control::Exposition out;
  control::expose_process(out);
  CHECK(out.text().find("process_resident_memory_bytes ") != std::string::npos);
  CHECK(out.text().find("process_open_fds 0\n") == std::string::npos);
}
