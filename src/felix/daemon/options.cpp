#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "control/flags.hpp"
#include "version.hpp"

namespace margay::daemon {

std::optional<int> parse_options(int argc, char** argv, Options& options) {
  CLI::App app{
      "Margay's policy and route daemon of one node: reads Calico and Kubernetes resources, enforces them in iptables and\n"
      "IP sets, and programs workload routes.",
      "margay-felix"};
  app.set_version_flag("--version", std::string{"margay-felix "} + kVersion);
  control::add_node_flags(app, options.flags);
  bool once = false, cleanup = false;
  auto* once_flag = app.add_flag("--once", once, "Apply everything once when in sync with the datastore, then exit");
  app.add_flag("--cleanup", cleanup, "Take all that is ours out of the kernel, then exit")->excludes(once_flag);

  auto* render = app.add_subcommand("render", "Write what would be programmed, touching no kernel");
  control::add_node_flags(*render, options.flags);
  std::string format = "text";
  render->add_flag("--staged", options.staged, "As if staged policies were enforced");
  render->add_option("--format", format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (render->parsed() && (once || cleanup)) {
    std::cerr << "margay-felix: render goes with neither --once nor --cleanup\n";
    return 2;
  }
  options.json = format == "json";
  options.mode = render->parsed() ? Mode::Render : once ? Mode::Once : cleanup ? Mode::Cleanup : Mode::Run;
  return std::nullopt;
}

}  // namespace margay::daemon
