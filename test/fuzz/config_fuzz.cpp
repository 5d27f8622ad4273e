// A node configuration file, and an environment after the first NUL (NAME=value lines), of any bytes: parse → resolve → Felix's
// parameters. It ends; what is accepted keeps the promises of settings.hpp and config.hpp.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "margay/base/assert.hpp"
#include "margay/settings/settings.hpp"

namespace {

using namespace margay;

settings::Environment environment_of(std::string_view text) {
  settings::Environment out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (const auto equals = line.find('='); equals != std::string_view::npos)
      out.emplace(line.substr(0, equals), line.substr(equals + 1));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

void check_parameters(const settings::Settings& settings) {
  const config::Resolved resolved = config::resolve({{config::SourceKind::Environment, "environment", settings.felix_environment},
                                                     {config::SourceKind::File, settings.file_path, settings.felix_file}});
  for (const auto& problem : resolved.problems) MARGAY_ASSERT(!problem.text.empty());
  MARGAY_ASSERT(resolved.values.size() == resolved.origins.size());
  MARGAY_ASSERT(config::changes_in_place(resolved.config, resolved.config));
  for (const auto& text : config::contradictions(resolved.config)) MARGAY_ASSERT(!text.empty());
  // What is in force, given alone by canonical names, means the same and is beyond reproach.
  const config::Resolved again = config::resolve({{config::SourceKind::Global, "again", resolved.values}});
  MARGAY_ASSERT(again.problems.empty());
  MARGAY_ASSERT(again.values == resolved.values);
  MARGAY_ASSERT(again.config == resolved.config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto nul = text.find('\0');
  const auto environment = environment_of(nul == std::string_view::npos ? std::string_view{} : text.substr(nul + 1));
  const auto file = settings::parse_node_file("margay.conf", text.substr(0, nul));
  if (!file) {
    MARGAY_ASSERT(file.error().code == ErrorCode::Invalid && file.error().text.starts_with("margay.conf:"));
  } else {
    for (const auto& [name, section] : file->sections)
      MARGAY_ASSERT(name == "node" || name == "datastore" || name == "felix" || name == "bgp");
  }
  for (const settings::NodeFile* given : {file ? &*file : nullptr, static_cast<const settings::NodeFile*>(nullptr)}) {
    const auto settings = settings::resolve({}, environment, given, "host");
    if (!settings) {
      MARGAY_ASSERT(settings.error().code == ErrorCode::Invalid && !settings.error().text.empty());
      continue;
    }
    MARGAY_ASSERT(!settings->node.empty() && settings->node.find('/') == std::string::npos);
    MARGAY_ASSERT(!settings->state_dir.empty() && !settings->run_dir.empty() && !settings->datastore.url.empty());
    check_parameters(*settings);
  }
  return 0;
}
