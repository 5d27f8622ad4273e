#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "control/flags.hpp"
#include "version.hpp"

namespace margay::bgp {

std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app{
      "Margay's BGP daemon of one node: turns BGP resources, pools, blocks and services into a BIRD 2 configuration, and keeps\n"
      "BIRD running it.",
      "margay-bgp-config"};
  app.set_version_flag("--version", std::string{"margay-bgp-config "} + kVersion);
  control::add_node_flags(app, options.flags);
  bool once = false;
  app.add_flag("--once", once, "Bring BIRD to what the datastore says once, then exit");
  auto* render = app.add_subcommand("render", "Write the BIRD configuration to a directory, touching no BIRD");
  control::add_node_flags(*render, options.flags);
  render->add_option("--output", options.output, "Where bird.conf and its parts are written")->type_name("DIR")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (render->parsed() && once) {
    std::cerr << "margay-bgp-config: render does not go with --once\n";
    return 2;
  }
  options.mode = render->parsed() ? Mode::Render : once ? Mode::Once : Mode::Run;
  return std::nullopt;
}

}  // namespace margay::bgp
