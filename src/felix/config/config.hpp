// Felix's parameters: ranked sources of text → one typed Config.
//
// A parameter is one row of the table in params.cpp: name, form, default, prose, and how its text becomes a member. The parser,
// the documentation (docs/config-felix.md) and the check for unknown names all read that table.
//
// Sources, highest first (contracts §1, policy-rendering §6.1): environment, node configuration file, FelixConfiguration
// "node.<name>", FelixConfigurations that select the node (oldest first), FelixConfiguration "default", built-in default.
// Empty text means not set: the next source decides. "none" in any case is the type's zero. A text that does not parse falls to
// the built-in default, not to the next source, and is a problem that names source, key, value and what is used instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/ip.hpp"
#include "margay/base/log.hpp"
#include "rules/config.hpp"

namespace margay::config {

using Milliseconds = std::chrono::milliseconds;

struct Config {
  rules::Config rules;

  // Dataplane. A zero interval means never.
  Milliseconds iptables_refresh{180'000};
  Milliseconds ipsets_refresh{90'000}, route_refresh{90'000}, interface_refresh{90'000};
  Milliseconds watchdog_timeout{90'000};
  bool ip_forwarding = true;
  bool route_sync_disabled = false;
  bool remove_external_routes = true;
  std::uint8_t route_protocol = 80;
  std::uint32_t route_priority_v4 = 1024, route_priority_v6 = 1024;
  std::optional<Addr> route_source_v4, route_source_v6;

  // What the daemon tells.
  bool health_enabled = true;
  std::string health_host = "localhost";
  std::uint16_t health_port = 9099;
  bool metrics_enabled = false;
  std::string metrics_host = "localhost";
  std::uint16_t metrics_port = 9091;
  bool process_metrics = true;
  std::map<std::string, Milliseconds> health_timeouts;
  std::string status_path_prefix;  // EndpointStatusPathPrefix; empty: the runtime directory
  std::optional<log::Level> log_severity;

  friend bool operator==(const Config&, const Config&) = default;
};

enum class SourceKind { Environment, File, PerNode, PerSelector, Global };

struct Source {
  SourceKind kind = SourceKind::Global;
  std::string name;  // for people: "environment", "/etc/margay/margay.conf", "FelixConfiguration default"
  std::map<std::string, std::string> parameters;
};

struct Problem {
  SourceKind kind = SourceKind::Global;
  std::string text;  // "FelixConfiguration default: IptablesMarkMask = \"x\": …; the default 0xffff0000 is used instead"
};

struct Resolved {
  Config config;
  std::map<std::string, std::string> values;   // what was given and is in force, by canonical name
  std::map<std::string, std::string> origins;  // canonical name → source name
  std::vector<Problem> problems;
};

// Sources in rank order, highest first. Pure.
[[nodiscard]] Resolved resolve(const std::vector<Source>& sources);

// What must hold of a whole Config beyond single values: mark bits enough, NATPortRange ordered, … Empty: fine.
[[nodiscard]] std::vector<std::string> contradictions(const Config& config);

// True if the daemon can go from one to the other without a restart (exit 129).
[[nodiscard]] bool changes_in_place(const Config& before, const Config& after);

// The reference for people, one table a group: docs/config-felix.md.
[[nodiscard]] std::string render_reference();

}  // namespace margay::config
