#include "etcd_status_keys.hpp"

#include <ctime>

#include <fmt/format.h>

namespace margay::datastore {
namespace {

// "/calico/felix/v2/no-region/host/node1"
std::string host_path(std::string_view region, std::string_view host) {
  return fmt::format("/calico/felix/v2/{}{}/host/{}", region.empty() ? "no-region" : "region-", region, host);
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string utc(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

std::string escape_segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%') out += "%25";
    else if (c == '/') out += "%2f";
    else out += c;
  }
  return out;
}

std::string unescape_segment(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' && i + 2 < text.size() && digit_of(text[i + 1]) >= 0 && digit_of(text[i + 2]) >= 0
                         ? digit_of(text[i + 1]) * 16 + digit_of(text[i + 2])
                         : -1;
    if (byte == '/' || byte == '%') {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string liveness_key(std::string_view region, std::string_view host) { return host_path(region, host) + "/status"; }
std::string last_report_key(std::string_view region, std::string_view host) {
  return host_path(region, host) + "/last_reported_status";
}

std::string workload_status_prefix(std::string_view region, std::string_view host) {
  return host_path(region, host) + "/workload/";
}

std::string workload_status_key(std::string_view region, std::string_view host, const WorkloadStatusId& id) {
  return fmt::format("{}{}/{}/endpoint/{}", workload_status_prefix(region, host), escape_segment(id.orchestrator),
                     escape_segment(id.workload), escape_segment(id.endpoint));
}

std::optional<WorkloadStatusId> parse_workload_status_key(std::string_view region, std::string_view host, std::string_view key) {
  const std::string prefix = workload_status_prefix(region, host);
  if (!key.starts_with(prefix)) return std::nullopt;
  std::string_view rest = key.substr(prefix.size());
  std::string_view parts[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto slash = rest.find('/');
    if ((slash == std::string_view::npos) != (i == 3)) return std::nullopt;
    parts[i] = rest.substr(0, slash);
    if (parts[i].empty()) return std::nullopt;
    if (i < 3) rest.remove_prefix(slash + 1);
  }
  if (parts[2] != "endpoint") return std::nullopt;
  return WorkloadStatusId{unescape_segment(parts[0]), unescape_segment(parts[1]), unescape_segment(parts[3])};
}

std::string host_status_prefix(std::string_view host) { return fmt::format("/calico/felix/v1/host/{}/endpoint/", host); }

std::string host_status_key(std::string_view host, std::string_view endpoint) {
  return host_status_prefix(host) + escape_segment(endpoint);
}

std::optional<std::string> parse_host_status_key(std::string_view host, std::string_view key) {
  const std::string prefix = host_status_prefix(host);
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  if (key.empty() || key.find('/') != std::string_view::npos) return std::nullopt;
  return unescape_segment(key);
}

std::string report_value(std::chrono::system_clock::time_point now, std::chrono::duration<double> uptime, bool first) {
  return fmt::format(R"({{"time":"{}","uptime":{},"first_update":{}}})", utc(now), uptime.count(), first);
}

std::string endpoint_status_value(EndpointStatus status) {
  const char* const word = status == EndpointStatus::Up ? "up" : status == EndpointStatus::Down ? "down" : "error";
  return fmt::format(R"({{"status":"{}"}})", word);
}

}  // namespace margay::datastore
