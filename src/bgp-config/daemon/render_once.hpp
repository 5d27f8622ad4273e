// `margay-bgp-config render`: the BIRD configuration that the datastore means for this node, written to a directory.
#pragma once

#include "daemon/options.hpp"
#include "margay/settings/settings.hpp"

namespace margay::bgp {

// Touches no BIRD. The files include one another by DIR's absolute path, so that `bird -p -c DIR/bird.conf` checks them.
[[nodiscard]] int run_render(const Options& options, const settings::Settings& settings);

}  // namespace margay::bgp
