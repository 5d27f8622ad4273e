// What the daemons of this node say of themselves, and what to tell the operator where they say nothing.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "margay/base/result.hpp"
#include "margay/settings/settings.hpp"

namespace margay::ctl {

// margay-bgp-config's GET /v1/status: an object. Errors read as a sentence with what to do.
[[nodiscard]] Result<nlohmann::json> ask_bgp_config(const settings::Settings& settings);

struct Readiness {
  bool ready = false;
  std::string table;  // of its components
};
[[nodiscard]] Result<Readiness> ask_felix(const settings::Settings& settings);

}  // namespace margay::ctl
