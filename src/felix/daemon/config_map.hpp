// From the resolved parameters to what each part wants to know.
#pragma once

#include <set>
#include <string>

#include "config/config.hpp"
#include "dataplane/config.hpp"
#include "margay/model/key.hpp"
#include "margay/settings/settings.hpp"

namespace margay::daemon {

[[nodiscard]] dataplane::Config dataplane_config(const config::Config& config);

// The kinds of manifests felix reads.
[[nodiscard]] std::set<Kind> felix_kinds();

// Why the configuration file's [felix] section cannot be taken; empty: it can.
[[nodiscard]] std::string file_problem(const settings::Settings& settings);

}  // namespace margay::daemon
