#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "kinds.hpp"
#include "node.hpp"
#include "verbs.hpp"
#include "version.hpp"

namespace margay::ctl {
namespace {

void add_settings(CLI::App& app, Command& command) {
  constexpr const char* kGroup = "Settings";
  app.add_option("--config", command.flags.config, "Node configuration file (MARGAY_CONFIG; default /etc/margay/margay.conf)")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_option("--datastore", command.flags.datastore, "file:///DIR, etcd://HOST:PORT or kubernetes: (MARGAY_DATASTORE)")
      ->type_name("URL")
      ->group(kGroup);
  app.add_option("--node", command.flags.node, "This node's name (MARGAY_NODE; default: the hostname)")
      ->type_name("NAME")
      ->group(kGroup);
  app.add_option("--log-level", command.flags.log_level, "debug, info, warning or error (MARGAY_LOG_LEVEL)")
      ->type_name("LEVEL")
      ->group(kGroup);
}

void add_namespace(CLI::App& verb, std::string& ns) {
  verb.add_option("-n,--namespace", ns, "Namespace (default: default)")->type_name("NS");
}

void add_selector(CLI::App& verb, std::optional<std::string>& selector) {
  verb.add_option("-l,--selector", selector,
                  "Only objects with such labels: app=web,env in (a,b),!old or app == 'web' && has(new)")
      ->type_name("SELECTOR");
}

void add_select(CLI::App& verb, SelectOptions& select) {
  add_selector(verb, select.selector);
  verb.add_flag("-A,--all-namespaces", select.all_namespaces, "With -l: of every namespace");
}

void add_dry_run(CLI::App& verb, std::string& mode) {
  verb.add_flag("--dry-run{client}", mode, "Check and say everything, write nothing: none, client (the default) or server")
      ->check(CLI::IsMember({"none", "client", "server"}));
}

CLI::Option* add_files(CLI::App& verb, FileOptions& options) {
  auto* files = verb.add_option("-f,--filename", options.files, "File or directory of manifests, or - for standard input")
                    ->type_name("FILE")
                    ->allow_extra_args(false);
  verb.add_flag("-R,--recursive", options.recursive, "Directories below a directory too");
  verb.add_flag("--skip-empty", options.skip_empty, "Files without an object are no error");
  add_namespace(verb, options.ns);
  return files;
}

void add_get(CLI::App& app, Command& command) {
  auto options = std::make_shared<GetOptions>();
  auto* verb = app.add_subcommand("get", "Show objects");
  verb->add_option("KIND", options->arguments, "KIND[,KIND] [NAME...], or KIND/NAME...")->type_name("[NAME]");
  add_namespace(*verb, options->ns);
  verb->add_flag("-A,-a,--all-namespaces", options->all_namespaces, "Every namespace");
  add_selector(*verb, options->selector);
  verb->add_option("-o,--output", options->output, "ps (a table), wide, yaml, json or name")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"ps", "wide", "yaml", "yml", "json", "name"}));
  verb->add_flag("--export", options->strip, "Without namespace, uid, resourceVersion and creationTimestamp");
  verb->footer(
      "\nExamples:\n"
      "  margayctl get np,gnp -A               policies of every namespace\n"
      "  margayctl get pods -n shop -o wide\n"
      "  margayctl get pods -A -l 'app=web,env in (prod,test)'\n"
      "  margayctl get np allow-web -o yaml    one object, as a manifest\n\n" +
      kinds_help());
  verb->callback([&command, options] { command.run = [options](Session& session) { run_get(session, *options); }; });
}

void add_write(CLI::App& app, Command& command, WriteVerb what, const char* name, const char* help, const char* examples) {
  auto options = std::make_shared<FileOptions>();
  auto* verb = app.add_subcommand(name, help);
  add_files(*verb, *options);
  add_dry_run(*verb, options->dry_run);
  if (what == WriteVerb::Create) verb->add_flag("--skip-exists", options->tolerate, "What exists already is no error");
  verb->footer(examples);
  verb->callback(
      [&command, options, what] { command.run = [options, what](Session& session) { run_write(session, what, *options); }; });
}

void add_delete(CLI::App& app, Command& command) {
  auto options = std::make_shared<FileOptions>();
  auto arguments = std::make_shared<std::vector<std::string>>();
  auto select = std::make_shared<SelectOptions>();
  auto* verb = app.add_subcommand("delete", "Delete objects");
  verb->add_option("KIND", *arguments, "KIND NAME..., or KIND/NAME...")->type_name("NAME");
  add_files(*verb, *options);
  add_select(*verb, *select);
  add_dry_run(*verb, options->dry_run);
  verb->add_flag("--skip-not-exists,--ignore-not-found", options->tolerate, "What is not there is no error");
  verb->footer(
      "\nExamples:\n  margayctl delete np allow-web -n shop\n  margayctl delete -f old.yaml\n  margayctl delete pods -A -l "
      "app=old --dry-run\n");
  verb->callback([&command, options, arguments, select] {
    command.run = [options, arguments, select](Session& session) { run_delete(session, *arguments, *select, *options); };
  });
}

void add_patch(CLI::App& app, Command& command) {
  auto options = std::make_shared<PatchOptions>();
  auto* verb = app.add_subcommand("patch", "Change some fields of objects");
  verb->add_option("KIND", options->arguments, "KIND NAME..., or KIND/NAME...")->type_name("NAME");
  auto* text = verb->add_option("-p,--patch", options->patch, "The patch, JSON or YAML")->type_name("PATCH");
  verb->add_option("--patch-file", options->patch_file, "A file that holds it")->type_name("FILE")->excludes(text);
  auto type = std::make_shared<std::string>("strategic");
  verb->add_option("-t,--type", *type, "strategic, merge or json")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"strategic", "merge", "json"}))
      ->capture_default_str();
  add_namespace(*verb, options->ns);
  add_dry_run(*verb, options->dry_run);
  verb->footer(
      "\nExamples:\n"
      "  margayctl patch gnp deny-all -p '{\"spec\": {\"order\": 500}}'\n"
      "  margayctl patch np web --type json -p '[{\"op\": \"remove\", \"path\": \"/spec/order\"}]'\n");
  verb->callback([&command, options, type] {
    options->type = *type == "json" ? PatchType::Json : *type == "merge" ? PatchType::Merge : PatchType::Strategic;
    if (options->patch.empty() && options->patch_file.empty()) throw CLI::RequiredError("-p PATCH or --patch-file FILE");
    command.run = [options](Session& session) { run_patch(session, *options); };
  });
}

void add_label(CLI::App& app, Command& command) {
  auto options = std::make_shared<LabelOptions>();
  auto* verb = app.add_subcommand("label", "Set labels of objects, or take them off");
  verb->add_option("KIND", options->arguments, "The objects, then the labels: KEY=VALUE sets one, KEY- takes one off")
      ->type_name("NAME LABEL");
  verb->add_flag("--overwrite", options->overwrite, "Change labels that have another value");
  verb->add_flag("--remove", options->remove, "The labels are keys to take off");
  add_namespace(*verb, options->ns);
  add_select(*verb, options->select);
  add_dry_run(*verb, options->dry_run);
  verb->footer(
      "\nExamples:\n"
      "  margayctl label hep rack1-eth0 role=edge\n"
      "  margayctl label pod web-0 web-1 -n shop tier=front old-\n"
      "  margayctl label pods -n shop -l app=web tier=front\n");
  verb->callback([&command, options] { command.run = [options](Session& session) { run_label(session, *options); }; });
}

void add_validate(CLI::App& app, Command& command) {
  auto options = std::make_shared<FileOptions>();
  auto* verb = app.add_subcommand("validate", "Check manifests, touching no datastore");
  auto more = std::make_shared<std::vector<std::string>>();
  verb->add_option("FILE", *more, "Files or directories (with what is below them)")->type_name("");
  add_files(*verb, *options);
  verb->footer("\nExamples:\n  margayctl validate /etc/margay/resources\n  margayctl validate -f new.yaml\n");
  verb->callback([&command, options, more] {
    options->files.insert(options->files.end(), more->begin(), more->end());
    command.run = [options](Session& session) { run_validate(session, *options); };
  });
}

void add_version(CLI::App& app, Command& command) {
  auto client = std::make_shared<bool>(false);
  auto* verb = app.add_subcommand("version", "Show the versions of margayctl and of the cluster");
  verb->add_flag("--client", *client, "Of margayctl only; touches no datastore");
  verb->callback([&command, client] { command.run = [client](Session& session) { run_version(session, *client); }; });
}

}  // namespace

std::optional<int> parse_command_line(int argc, char** argv, Command& command) {
  CLI::App app{
      "margayctl reads and changes Margay's resources: Calico's and Kubernetes' policies, endpoints, pools and settings.",
      "margayctl"};
  app.set_version_flag("--version", std::string{"margayctl "} + kVersion);
  app.require_subcommand(1);
  app.footer(
      "\n`margayctl VERB --help` shows a verb's options and examples.\n"
      "Exit codes: 0 done, 1 something failed, 2 wrong usage or configuration, 3 datastore not reachable.");

  add_settings(app, command);

  add_get(app, command);
  add_write(app, command, WriteVerb::Apply, "apply", "Create objects, or change them to what the manifests say",
            "\nExamples:\n  margayctl apply -f policies/ -R\n  margayctl get np -A -o yaml | margayctl apply -f -\n");
  add_write(app, command, WriteVerb::Create, "create", "Create objects that do not exist yet",
            "\nExample:\n  margayctl create -f pool.yaml\n");
  add_write(app, command, WriteVerb::Replace, "replace",
            "Replace objects that exist; metadata.resourceVersion, if given, must be the present one",
            "\nExample:\n  margayctl get np web -o yaml >web.yaml; $EDITOR web.yaml; margayctl replace -f web.yaml\n");
  add_delete(app, command);
  add_patch(app, command);
  add_label(app, command);
  add_validate(app, command);
  add_node(app, command);
  add_version(app, command);
  // After the verb too; not by CLI11's fallthrough, which would take an object named "version" for the verb.
  for (CLI::App* verb : app.get_subcommands({})) {
    add_settings(*verb, command);
    for (CLI::App* part : verb->get_subcommands({})) add_settings(*part, command);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    std::string words;
    for (const CLI::App* verb = &app; !verb->get_subcommands().empty();)
      words += (verb = verb->get_subcommands().front())->get_name() + " ";
    std::cerr << "error: " << error.what() << "\nRun `margayctl " << words << "--help` for usage.\n";
    return 2;
  }
  return std::nullopt;
}

}  // namespace margay::ctl
