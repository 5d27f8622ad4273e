// margay-bgp-config's status as Calico's table of sessions, and more. Pure.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace margay::ctl {

// Of GET /v1/status. What is missing, or of another type than it should be, is shown as "-".
[[nodiscard]] std::string node_report(const nlohmann::json& status);
// The session table of one family.
[[nodiscard]] std::string session_table(const nlohmann::json& status, int family);
[[nodiscard]] std::string shown_duration(double seconds);  // "12s", "3m12s", "2h5m", "3d4h"

}  // namespace margay::ctl
