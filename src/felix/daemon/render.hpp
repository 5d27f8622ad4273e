// `margay-felix render`: what would be programmed, as iptables-save text per table and family, ipset restore text and routes, or
// the same as JSON. Reads the datastore until in sync; touches no kernel.
#pragma once

#include <string>

#include "daemon/options.hpp"
#include "dataplane/dataplane.hpp"
#include "margay/settings/settings.hpp"

namespace margay::daemon {

[[nodiscard]] int run_render(const Options& options, const settings::Settings& settings);

// Of a dataplane whose render() was called; pure.
[[nodiscard]] std::string rendered_text(const dataplane::Dataplane& dataplane);
[[nodiscard]] std::string rendered_json(const dataplane::Dataplane& dataplane);

}  // namespace margay::daemon
