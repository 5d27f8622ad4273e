#include <CLI/CLI.hpp>
#include <memory>

#include "command_line.hpp"
#include "node.hpp"

namespace margay::ctl {
namespace {

void add_init(CLI::App& node, Command& command) {
  auto options = std::make_shared<NodeInitOptions>();
  auto* verb = node.add_subcommand("init", "Make what a new cluster and this node need: ClusterInformation, and the Node");
  verb->add_option("--ip", options->ip, "The node's IPv4 address, or how to find it (default: autodetect if it has no address)")
      ->type_name("WHAT");
  verb->add_option("--ip6", options->ip6, "The same for IPv6 (default: none)")->type_name("WHAT");
  verb->add_option("--as", options->as_number, "The node's AS number (default: the cluster's)")->type_name("NUMBER");
  verb->add_flag("--overwrite", options->overwrite, "Change what the Node says differently");
  verb->add_flag("--allow-duplicate-ip", options->allow_duplicate, "Though another Node has the address");
  verb->footer(
      "\nWHAT is one of\n"
      "  ADDRESS[/LENGTH]          this one\n"
      "  none                      leave the family alone\n"
      "  autodetect                the only one, or the one where the default route leaves; several are an error\n"
      "  interface=NAME[,NAME]     as autodetect, on the first interface whose name matches (regular expressions)\n"
      "  skip-interface=NAME[,…]   as autodetect, but on none of these\n"
      "  cidr=PREFIX[,PREFIX]      as autodetect, of the addresses in these\n"
      "  can-reach=HOST            the one that reaches this host\n"
      "  first-found               Calico's default: on the interface made last\n"
      "  kubernetes-internal-ip    the InternalIP of the v1 Node\n"
      "\nExamples:\n"
      "  margayctl node init --ip 10.0.1.7/24 --ip6 fd00:1::7/64 --as 64512\n"
      "  margayctl node init --ip interface=lo --ip6 none\n");
  verb->callback([&command, options] { command.run = [options](Session& session) { run_node_init(session, *options); }; });
}

void add_drain(CLI::App& node, Command& command, bool drain) {
  auto options = std::make_shared<DrainOptions>();
  options->drain = drain;
  auto name = std::make_shared<std::string>();
  auto seconds = std::make_shared<unsigned>(60);
  auto* verb = node.add_subcommand(
      drain ? "drain" : "undrain",
      drain ? "Ask the node's peers to prefer other paths, and withdraw its services" : "Take a node back into service");
  verb->add_option("NODE", *name, "The node (default: this one)")->type_name("");
  verb->add_flag("--wait", options->wait, "Until it is in force in BIRD; only on the node's own host");
  verb->add_option("--timeout", *seconds, "How long to wait at the most, in seconds")
      ->type_name("SECONDS")
      ->capture_default_str();
  verb->callback([&command, options, name, seconds] {
    if (!name->empty() && command.flags.node.value_or(*name) != *name) throw CLI::ExcludesError("NODE", "--node");
    if (!name->empty()) command.flags.node = *name;
    options->patience = std::chrono::seconds{*seconds};
    command.run = [options](Session& session) { run_node_drain(session, *options); };
  });
}

void add_status(CLI::App& node, Command& command) {
  auto options = std::make_shared<NodeStatusOptions>();
  auto* verb = node.add_subcommand("status", "Show BGP sessions and health, as the daemons of this node see them");
  verb->add_option("-o,--output", options->output, "json")->type_name("FORMAT")->check(CLI::IsMember({"json"}));
  verb->callback([&command, options] { command.run = [options](Session& session) { run_node_status(session, *options); }; });
}

}  // namespace

void add_node(CLI::App& app, Command& command) {
  auto* node = app.add_subcommand("node", "Set up, look at, and take out of service one node");
  node->require_subcommand(1);
  add_init(*node, command);
  add_status(*node, command);
  add_drain(*node, command, true);
  add_drain(*node, command, false);
}

}  // namespace margay::ctl
