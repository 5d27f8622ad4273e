// Where Felix says in etcd how it is and what of its endpoints is in force, and what it says there (datastore-model §1.2, §6.4).
//
// Pure. `region`: FelixConfiguration's openstackRegion, or empty. Nothing is put under /calico/v1/.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace margay::datastore {

// "%" and "/" of a name within a key.
[[nodiscard]] std::string escape_segment(std::string_view text);
[[nodiscard]] std::string unescape_segment(std::string_view text);  // any case of hexadecimal digits; others stay as they are

[[nodiscard]] std::string liveness_key(std::string_view region, std::string_view host);     // put under a lease
[[nodiscard]] std::string last_report_key(std::string_view region, std::string_view host);  // stays

struct WorkloadStatusId {
  std::string orchestrator, workload, endpoint;  // "k8s", "default/web-0", "eth0"
  friend bool operator==(const WorkloadStatusId&, const WorkloadStatusId&) = default;
};
[[nodiscard]] std::string workload_status_prefix(std::string_view region, std::string_view host);
[[nodiscard]] std::string workload_status_key(std::string_view region, std::string_view host, const WorkloadStatusId& id);
[[nodiscard]] std::optional<WorkloadStatusId> parse_workload_status_key(std::string_view region, std::string_view host,
                                                                        std::string_view key);
[[nodiscard]] std::string host_status_prefix(std::string_view host);
[[nodiscard]] std::string host_status_key(std::string_view host, std::string_view endpoint);
[[nodiscard]] std::optional<std::string> parse_host_status_key(std::string_view host, std::string_view key);

[[nodiscard]] std::string report_value(std::chrono::system_clock::time_point now, std::chrono::duration<double> uptime,
                                       bool first);
enum class EndpointStatus { Up, Down, Error };
[[nodiscard]] std::string endpoint_status_value(EndpointStatus status);

}  // namespace margay::datastore
