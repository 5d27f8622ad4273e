#include "daemon/render.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "calc/graph.hpp"
#include "daemon/config_map.hpp"
#include "daemon/config_watch.hpp"
#include "daemon/kernel_ports.hpp"
#include "margay/base/log.hpp"
#include "margay/datastore/connect.hpp"

namespace margay::daemon {
namespace {

// Collects a whole datastore, then ends the loop.
class Snapshot final : public datastore::WatchSink {
 public:
  Snapshot(boost::asio::io_context& io, ConfigWatch& watch) : io_{io}, watch_{watch} {}
  void on_state(SyncState state) override {
    last = state;
    if (state != SyncState::Resync) io_.stop();
  }
  void on_updates(std::vector<Update> more) override {
    for (const Update& update : more) watch_.on_update(update);
    updates.insert(updates.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  std::vector<Update> updates;
  SyncState last = SyncState::Resync;

 private:
  boost::asio::io_context& io_;
  ConfigWatch& watch_;
};

// `--staged`: passes staged policies on as if they were enforced.
class AsEnforced final : public calc::MessageSink {
 public:
  explicit AsEnforced(calc::MessageSink& next) : next_{next} {}
  void on_message(calc::Message message) override {
    if (auto* update = std::get_if<calc::PolicyUpdate>(&message); update && update->policy->staged) {
      auto policy = std::make_shared<calc::ActivePolicy>(*update->policy);
      policy->staged = false;
      update->policy = std::move(policy);
    }
    next_.on_message(std::move(message));
  }

 private:
  calc::MessageSink& next_;
};

// Reads everything, pods' interface names made with the prefix given.
Status read_snapshot(const settings::Settings& settings, const std::string& prefix, ConfigWatch& watch,
                     std::vector<Update>& out) {
  boost::asio::io_context io{1};
  Snapshot snapshot{io, watch};
  datastore::Settings wanted;
  wanted.at = settings.datastore;
  wanted.state_dir = settings.state_dir + "/felix";  // the daemon's, which may be running
  wanted.read_only_state = true;
  wanted.decode.interface_prefix = prefix;
  wanted.kinds = felix_kinds();
  auto watcher = datastore::connect_watcher(wanted, io, snapshot);
  if (!watcher) return std::move(watcher).error();
  (*watcher)->start();
  io.run();
  if (snapshot.last != SyncState::InSync) return Error{ErrorCode::Unavailable, settings.datastore.url + " is not there or empty"};
  out = std::move(snapshot.updates);
  return {};
}

nlohmann::ordered_json json_of(const dataplane::Plane& plane) {
  nlohmann::ordered_json out;
  for (const auto& table : plane.tables) {
    auto& chains = out["tables"][std::string{kernel::name(table.table())}];
    for (const auto& hook : table.hooks()) {
      auto& lines = chains["hooks"][hook.chain];
      for (const auto* rules : {&hook.first, &hook.last})
        for (const auto& rule : *rules) lines.push_back(kernel::to_text(plane.family, hook.chain, rule));
    }
    chains["chains"] = nlohmann::ordered_json::object();
    for (const auto& chain : table.programmed()) {
      auto lines = nlohmann::ordered_json::array();
      for (const auto& rule : chain.rules) lines.push_back(kernel::to_text(plane.family, chain.name, rule));
      chains["chains"][chain.name] = std::move(lines);
    }
  }
  out["sets"] = nlohmann::ordered_json::object();
  for (const auto& spec : plane.sets.wanted()) {
    auto members = nlohmann::ordered_json::array();
    for (const auto& member : plane.sets.wanted_members(spec.name)) members.push_back(member.to_string(spec.type));
    out["sets"][spec.name] = {
        {"type", kernel::name(spec.type)}, {"maxElements", spec.max_elements}, {"members", std::move(members)}};
  }
  out["routes"] = nlohmann::ordered_json::array();
  for (const auto& [interface, destination] : plane.routes.claims())
    out["routes"].push_back({{"destination", destination.to_string()}, {"interface", interface}});
  for (const Cidr& block : plane.routes.blackholes())
    out["routes"].push_back({{"destination", block.to_string()}, {"type", "blackhole"}});
  return out;
}

void text_of(const dataplane::Plane& plane, std::string& out) {
  const bool v4 = plane.family == Family::V4;
  out += fmt::format("# IPv{} sets, as `ipset restore` takes them\n", digit(plane.family));
  for (const auto& spec : plane.sets.wanted()) {
    out += fmt::format("create {} {} family {} maxelem {}\n", spec.name, kernel::name(spec.type), v4 ? "inet" : "inet6",
                       spec.max_elements);
    for (const auto& member : plane.sets.wanted_members(spec.name))
      out += fmt::format("add {} {}\n", spec.name, member.to_string(spec.type));
  }
  out += fmt::format("\n# IPv{} tables, as `{}-legacy-restore --noflush` takes them\n", digit(plane.family),
                     v4 ? "iptables" : "ip6tables");
  for (const auto& table : plane.tables) {
    out += fmt::format("*{}\n", kernel::name(table.table()));
    const auto chains = table.programmed();
    for (const auto& chain : chains) out += fmt::format(":{} - [0:0]\n", chain.name);
    for (const auto& hook : table.hooks())
      for (const auto* rules : {&hook.first, &hook.last})
        for (const auto& rule : *rules) out += kernel::to_text(plane.family, hook.chain, rule) + "\n";
    for (const auto& chain : chains) out += kernel::to_text(plane.family, chain);
    out += "COMMIT\n";
  }
  out += fmt::format("\n# IPv{} routes\n", digit(plane.family));
  for (const auto& [interface, destination] : plane.routes.claims())
    out += fmt::format("{} dev {} scope link\n", destination.to_string(), interface);
  for (const Cidr& block : plane.routes.blackholes()) out += fmt::format("blackhole {}\n", block.to_string());
}

}  // namespace

std::string rendered_text(const dataplane::Dataplane& dataplane) {
  std::string out;
  for (const auto& plane : dataplane.planes()) {
    if (!out.empty()) out += "\n";
    text_of(*plane, out);
  }
  return out;
}

std::string rendered_json(const dataplane::Dataplane& dataplane) {
  nlohmann::ordered_json out;
  for (const auto& plane : dataplane.planes()) out[fmt::format("ipv{}", digit(plane->family))] = json_of(*plane);
  return out.dump(2) + "\n";
}

int run_render(const Options& options, const settings::Settings& settings) {
  log::set_level(settings.log_level.value_or(log::Level::Warning));
  std::string prefix = "cali";
  for (bool again = true; again;) {
    ConfigWatch watch{settings.node, settings.felix_environment, settings.felix_file, settings.file_path};
    std::vector<Update> updates;
    if (auto status = read_snapshot(settings, prefix, watch, updates); !status) {
      std::fprintf(stderr, "margay-felix render: %s\n", status.error().text.c_str());
      const auto code = status.error().code;
      return code == ErrorCode::Invalid || code == ErrorCode::Unsupported ? 2 : 3;
    }
    const config::Resolved resolved = watch.resolve();
    for (const auto& problem : resolved.problems) log::warning(log::Domain{"felix"}, problem.text);
    again = resolved.config.rules.interface_prefixes.front() != prefix;
    prefix = resolved.config.rules.interface_prefixes.front();
    if (again) continue;

    const SteadyClock clock;
    KernelPorts ports{clock};
    dataplane::Dataplane dataplane{dataplane_config(resolved.config), ports.all()};
    AsEnforced staged{dataplane};
    calc::MessageSink& sink = options.staged ? static_cast<calc::MessageSink&>(staged) : dataplane;
    calc::Graph graph{{settings.node, options.staged}, sink};
    graph.on_state(SyncState::Resync);
    graph.on_updates(updates);
    graph.on_state(SyncState::InSync);
    graph.flush();
    dataplane.render();
    const std::string text = options.json ? rendered_json(dataplane) : rendered_text(dataplane);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 1;
  }
  return 1;
}

}  // namespace margay::daemon
