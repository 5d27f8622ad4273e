#include "control/flags.hpp"

#include <CLI/CLI.hpp>

namespace margay::control {

void add_node_flags(CLI::App& command, settings::Flags& flags) {
  command
      .add_option("--config", flags.config,
                  "Node configuration file (MARGAY_CONFIG; default /etc/margay/margay.conf if it exists)")
      ->type_name("FILE");
  command.add_option("--datastore", flags.datastore, "file:///DIR, etcd://HOST:PORT or kubernetes: (MARGAY_DATASTORE)")
      ->type_name("URL");
  command.add_option("--node", flags.node, "This node's name (MARGAY_NODE; default: the hostname)")->type_name("NAME");
  command.add_option("--log-level", flags.log_level, "debug, info, warning or error (MARGAY_LOG_LEVEL)")->type_name("LEVEL");
}

}  // namespace margay::control
