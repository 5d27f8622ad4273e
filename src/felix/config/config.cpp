#include "config/config.hpp"

#include <fmt/format.h>

#include <cctype>
#include <set>

#include "config/params.hpp"

namespace margay::config {
namespace {

std::string field_of(const Parameter& row) {
  if (!row.field.empty()) return std::string{row.field};
  // The leading capitals become small, but for the one that begins the next word: VXLANPort → vxlanPort.
  std::string out{row.name};
  const auto upper = [&](std::size_t i) { return i < out.size() && std::isupper(static_cast<unsigned char>(row.name[i])); };
  for (std::size_t i = 0; upper(i) && (i == 0 || upper(i + 1)); ++i)
    out[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[i])));
  return out;
}

// Calico's defaults for what is a list: parsed from the table, so that the reference and the value cannot differ.
Config built_in() {
  Config config;
  for (const Parameter& row : parameters())
    if (row.take && !row.preset.empty() && row.name != "EndpointStatusPathPrefix")
      MARGAY_ASSERT(row.take(config, row.preset).empty());
  config.log_severity.reset();
  return config;
}

}  // namespace

Resolved resolve(const std::vector<Source>& sources) {
  Resolved out;
  out.config = built_in();
  std::set<const Parameter*> decided;
  for (const Source& source : sources) {
    for (const auto& [name, raw] : source.parameters) {
      const std::string_view text = trim(raw);
      const Parameter* row = find_parameter(name);
      if (!row) {
        if (!belongs_elsewhere(name))
          out.problems.push_back(
              {source.kind, fmt::format("{}: unknown parameter {} = \"{}\"; it is ignored", source.name, name, text)});
        continue;
      }
      if (!row->take || text.empty()) continue;
      // Every source is parsed, so that a mistake is told also where a better source hides it.
      Config trial;
      const Complaint why = row->take(trial, text);
      const bool first = decided.insert(row).second;
      if (!why.empty()) {
        const std::string used = first
                                     ? fmt::format("the default {} is used instead", row->preset.empty() ? "(none)" : row->preset)
                                     : std::string{"a source that ranks higher decides"};
        out.problems.push_back({source.kind, fmt::format("{}: {} = \"{}\": {}; {}", source.name, row->name, text, why, used)});
        continue;
      }
      if (!first) continue;
      const Complaint again = row->take(out.config, text);
      MARGAY_ASSERT(again.empty());
      out.values[std::string{row->name}] = text;
      out.origins[std::string{row->name}] = source.name;
    }
  }
  return out;
}

std::vector<std::string> contradictions(const Config& config) {
  std::vector<std::string> out;
  if (config.health_enabled && config.metrics_enabled && config.health_port != 0 && config.health_port == config.metrics_port)
    out.push_back(fmt::format("HealthPort and PrometheusMetricsPort are both {}", config.health_port));
  return out;
}

bool changes_in_place(const Config& before, const Config& after) {
  Config moved = before;
  moved.log_severity = after.log_severity;
  return moved == after;
}

std::string render_reference() {
  std::string out =
      "# Felix parameters\n\n"
      "Made from the table in `src/felix/config/params.cpp`; a test compares. Each can be set as `FELIX_<NAME>` in the "
      "environment (any\n"
      "case), as `Name = value` under `[felix]` in the node configuration file, or as a field of a FelixConfiguration, in that\n"
      "order of precedence; of FelixConfigurations `node.<name>` comes first, then those whose `nodeSelector` selects the node "
      "(oldest\n"
      "first), then `default`. Durations are seconds, or carry units (`90`, `0.5`, `1m30s`). `none` empties a list or switches "
      "off.\n"
      "A change of any but LogSeverityScreen restarts the daemon (exit 129); traffic does not notice.\n";
  std::string_view group;
  for (const Parameter& row : parameters()) {
    if (row.group != group) {
      group = row.group;
      out += fmt::format("\n## {}\n\n| parameter | field | form | default | |\n|---|---|---|---|---|\n", group);
    }
    out += fmt::format("| {} | {} | {} | {} | {} |\n", row.name, field_of(row), row.form,
                       row.preset.empty() ? std::string{"–"} : fmt::format("`{}`", row.preset), row.prose);
  }
  out +=
      "\nParameters of Calico's eBPF and nftables dataplanes, of WireGuard, XDP, Windows, Typha and of Go's runtime are accepted "
      "and\n"
      "have no effect.\n";
  return out;
}

}  // namespace margay::config
