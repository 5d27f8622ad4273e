// The flags that every daemon has (contracts §1), for CLI11.
#pragma once

#include "margay/settings/settings.hpp"

namespace CLI {
class App;
}

namespace margay::control {

// --config, --datastore, --node and --log-level. `flags` must outlive the parsing.
void add_node_flags(CLI::App& command, settings::Flags& flags);

}  // namespace margay::control
