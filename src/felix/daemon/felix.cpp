#include "daemon/felix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "calc/graph.hpp"
#include "daemon/config_map.hpp"
#include "daemon/config_watch.hpp"
#include "daemon/exposition.hpp"
#include "daemon/kernel_events.hpp"
#include "daemon/kernel_ports.hpp"
#include "daemon/metrics.hpp"
#include "daemon/status_files.hpp"
#include "dataplane/apply_loop.hpp"
#include "dataplane/dataplane.hpp"
#include "kernel/address_family.hpp"
#include "kernel/nft_probe.hpp"
#include "margay/base/heap.hpp"
#include "margay/base/log.hpp"
#include "margay/control/attendant.hpp"
#include "margay/control/claim.hpp"
#include "margay/control/endpoints.hpp"
#include "margay/control/health.hpp"
#include "margay/control/http_server.hpp"
#include "margay/control/notify.hpp"
#include "margay/datastore/connect.hpp"

namespace margay::daemon {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;

constexpr log::Domain kDomain{"felix"};
constexpr int kExitRestart = 129;
constexpr auto kRestartDelay = 1s;  // several edits of the configuration become one restart
void told(std::string_view what, const Error& error) { log::error(kDomain, what, {{"reason", error.text}}); }

// For the dataplane on this kernel: a family it does not have is nobody's to enforce, and no reason to fail.
dataplane::Config kernel_config(const config::Config& config) {
  dataplane::Config out = dataplane_config(config);
  out.rules.ipv6 = out.rules.ipv6 && kernel::has_ipv6();
  return out;
}

constexpr auto kStartup = "FelixStartup", kGraph = "CalculationGraph", kLoop = "InternalDataplaneMainLoop";

class Felix final : public datastore::WatchSink, public calc::MessageSink {
 public:
  Felix(Options options, settings::Settings settings)
      : options_{std::move(options)},
        settings_{std::move(settings)},
        config_watch_{settings_.node, settings_.felix_environment, settings_.felix_file, settings_.file_path},
        config_{config_watch_.resolve().config} {}

  int run() {
    lock_ = control::claim_node(settings_, "felix");
    if (!lock_) return told("cannot start", lock_.error()), 1;
    health_.add(kStartup, 0ms);
    health_.add(kGraph, 0ms);
    health_.add(kLoop, 0ms);  // nothing to be late with until there is a dataplane
    set_log_level();
    log::info(kDomain, "starting", {{"node", settings_.node}, {"datastore", settings_.datastore.url}});
    if (config_.rules.ipv6 && !kernel::has_ipv6()) log::warning(kDomain, "this kernel has no IPv6; only IPv4 is enforced");
    serve_control();
    serve_tcp();
    attendant_ = std::make_unique<control::Attendant>(
        io_, health_, kDomain, [this] { reload(); }, [this] { finish(0); });
    tell_other_filters();
    close_base();
    if (auto status = watch(); !status) {
      told("cannot start", status.error());
      return status.error().code == ErrorCode::Invalid || status.error().code == ErrorCode::Unsupported ? 2 : 3;
    }
    health_.report(kStartup, true, true);
    io_.run();
    watcher_.reset();
    control::notify_stopping();
    log::info(kDomain, "ending; the kernel keeps what it has", {{"code", exit_code_}});
    return exit_code_;
  }

 private:
  // ---- start

  void set_log_level() {
    log::set_level(settings_.log_level ? *settings_.log_level : config_.log_severity.value_or(log::Level::Info));
  }

  // A packet must get through nf_tables as well, where `iptables` of Debian keeps its rules; none of ours can overrule a drop
  // there.
  void tell_other_filters() {
    const auto chains = kernel::read_nft_filters();
    if (!chains || chains->empty()) return;
    std::string names;
    for (const kernel::NftChain& chain : *chains) names += (names.empty() ? "" : ", ") + kernel::to_text(chain);
    log::warning(kDomain, "nf_tables filters packets too; what it drops stays dropped whatever policy allows",
                 {{"chains", names},
                  {"see", "nft list ruleset, iptables-nft -S"},
                  {"next", "let workload traffic pass there, or move its rules to iptables-legacy"}});
  }

  // Where no chain of ours was ever made, workload interfaces are closed before anything is known (law 1).
  void close_base() {
    dataplane::Dataplane closed{kernel_config(config_), ports_.all()};
    if (auto status = closed.apply_closed_base(); !status)
      log::warning(kDomain, "cannot close workload interfaces before the datastore is read", {{"reason", status.error().text}});
  }

  Status watch() {
    watched_prefix_ = config_.rules.interface_prefixes.front();
    datastore::Settings wanted;
    wanted.at = settings_.datastore;
    wanted.state_dir = settings_.state_dir + "/felix";
    wanted.decode.interface_prefix = watched_prefix_;
    wanted.kinds = felix_kinds();
    graph_ = std::make_unique<calc::Graph>(calc::Options{settings_.node, false}, *this);
    auto watcher = datastore::connect_watcher(wanted, io_, *this);
    if (!watcher) return std::move(watcher).error();
    watcher_ = std::move(*watcher);
    watcher_->start();
    return {};
  }

  // ---- what the datastore says

  void on_state(SyncState state) override {
    if (state != state_ || state == SyncState::WaitForDatastore) tell_state(state);
    state_ = state;
    graph_->on_state(state);
    if (state == SyncState::WaitForDatastore && options_.mode == Mode::Once) return finish(3);
    if (state == SyncState::InSync) {
      configure();
      tell_frozen();
      if (frozen_ && options_.mode == Mode::Once) return finish(3);
    }
    ask_turn();
  }

  void tell_state(SyncState state) {
    switch (state) {
      case SyncState::WaitForDatastore:
        log::warning(kDomain, "the datastore is not there or empty; waiting, what is enforced stays",
                     {{"datastore", settings_.datastore.url}});
        health_.report(kGraph, true, false, "waiting for the datastore");
        // Whoever waits for us to have started need not wait for the datastore.
        control::notify_ready("waiting for the datastore");
        break;
      case SyncState::Resync: health_.report(kGraph, true, false, "reading the datastore"); break;
      case SyncState::InSync:
        log::info(kDomain, "in sync with the datastore", {{"objects", watcher_->stats().objects}});
        health_.report(kGraph, true, true, "in sync");
        break;
    }
  }

  void on_updates(std::vector<Update> updates) override {
    const auto start = clock_.now();
    bool configuration = false;
    for (const Update& update : updates) configuration |= config_watch_.on_update(update);
    graph_->on_updates(updates);
    observations_.graph_updated_in(clock_.now() - start);
    if (configuration && state_ == SyncState::InSync) configure();
    if (state_ == SyncState::InSync) tell_frozen();
    ask_turn();
  }

  // ---- configuration

  // The configuration as all sources now say. The first time it makes the dataplane; later a change that cannot be made in place
  // ends the process for a restart.
  void configure() {
    config::Resolved resolved = config_watch_.resolve();
    tell_problems(resolved);
    if (!dataplane_) {
      if (resolved.config.rules.interface_prefixes.front() != watched_prefix_) {
        // Interface names of pods were made with another prefix: read again.
        config_ = std::move(resolved.config);
        asio::post(io_, [this] {
          watcher_.reset();
          if (auto status = watch(); !status) {
            told("cannot watch the datastore", status.error());
            finish(1);
          }
        });
        return;
      }
      config_ = std::move(resolved.config);
      set_log_level();
      serve_tcp();
      make_dataplane();
      return;
    }
    if (resolved.config == config_) {
      restart_timer_.cancel();
      return;
    }
    if (config::changes_in_place(config_, resolved.config)) {
      config_ = std::move(resolved.config);
      set_log_level();
      return;
    }
    log::warning(kDomain, "the configuration changed; ending for a restart, the kernel keeps what it has");
    restart_timer_.expires_after(kRestartDelay);
    restart_timer_.async_wait([this](error_code aborted) {
      if (!aborted) finish(kExitRestart);
    });
  }

  void tell_problems(const config::Resolved& resolved) {
    std::vector<std::string> problems = config::contradictions(resolved.config);
    for (const config::Problem& problem : resolved.problems) problems.push_back(problem.text);
    for (const std::string& problem : problems)
      if (std::find(told_problems_.begin(), told_problems_.end(), problem) == told_problems_.end())
        log::warning(kDomain, problem);
    told_problems_ = std::move(problems);
  }

  void make_dataplane() {
    const auto override_of = config_.health_timeouts.find(kLoop);
    health_.add(kLoop, override_of == config_.health_timeouts.end() ? config_.watchdog_timeout : override_of->second);
    dataplane_ = std::make_unique<dataplane::Dataplane>(kernel_config(config_), ports_.all());
    const std::string prefix = config_.status_path_prefix.empty() ? settings_.run_dir : config_.status_path_prefix;
    status_files_ = std::make_unique<StatusFiles>(prefix + "/endpoint-status");
    // Listening starts before the first dump, so that nothing falls between them.
    auto monitor = kernel::NetlinkMonitor::open();
    if (monitor) {
      monitor_ = std::move(*monitor);
      events_ = std::make_unique<KernelEvents>(io_, *monitor_, [this](auto events) { on_kernel_events(std::move(events)); });
    } else {
      told("cannot hear the kernel's notices; changes of interfaces are seen at refreshes only", monitor.error());
    }
    refresh_links();
  }

  // InterfaceRefreshInterval: links and routes are read again although the kernel announces what changes.
  void refresh_links() {
    if (config_.interface_refresh.count() == 0) return;
    links_timer_.expires_after(config_.interface_refresh);
    links_timer_.async_wait([this](error_code aborted) {
      if (aborted) return;
      dataplane_->on_events_lost();
      ask_turn();
      refresh_links();
    });
  }

  void on_message(calc::Message message) override {
    ++batch_;
    dataplane_->on_message(std::move(message));
  }

  void on_kernel_events(std::vector<kernel::KernelEvent> events) {
    for (const auto& event : events) dataplane_->on_event(event);
    ask_turn();
  }

  // ---- turns

  // Something happened that may be worth a turn: at once if idle, else when the throttle allows; else sleep until something is
  // due by itself (refreshes, drift checks, retries).
  void ask_turn() {
    if (!dataplane_ || turn_posted_) return;
    if ((graph_->has_pending() && !graph_->held()) || dataplane_->pending()) loop_.on_change();
    loop_.on_wakeup(dataplane_->next_wakeup());
    const auto now = clock_.now();
    const auto at = loop_.ready_at(now);
    if (!at) return;
    if (*at <= now) {
      turn_posted_ = true;
      asio::post(io_, [this] { turn(); });
      return;
    }
    turn_timer_.expires_at(*at);
    turn_timer_.async_wait([this](error_code aborted) {
      if (!aborted && !turn_posted_) turn();
    });
  }

  void turn() {
    turn_posted_ = false;
    const auto start = clock_.now();
    batch_ = 0;
    const auto earliest = graph_->flush();
    if (earliest && (!pending_since_ || *earliest < *pending_since_)) pending_since_ = earliest;
    if (batch_) observations_.message_batch(batch_);

    loop_.on_apply(start);
    dataplane::Outcome outcome = dataplane_->apply();
    const auto end = clock_.now();
    if (!outcome.applied) return ask_turn();
    observations_.applied_in(end - start);
    log::debug(kDomain, "applied",
               {{"messages", batch_},
                {"microseconds", std::chrono::duration_cast<std::chrono::microseconds>(end - start).count()},
                {"ok", outcome.ok}});
    for (const dataplane::Failure& failure : outcome.failures)
      log::warning(kDomain, "not applied, trying again", {{"what", failure.what}, {"reason", failure.error.text}});
    if (outcome.ok && pending_since_) {
      observations_.enforced_after(end - *pending_since_);
      pending_since_.reset();
    }
    publish(outcome);
    report(outcome, end - start);
    if (outcome.fatal) {
      log::error(kDomain, "tables cannot be programmed; ending for a restart, what is programmed stays");
      return finish(1);
    }
    if (options_.mode == Mode::Once) return finish(outcome.ok ? 0 : 1);
    ask_turn();
  }

  void publish(const dataplane::Outcome& outcome) {
    for (const dataplane::EndpointChange& change : outcome.endpoints) {
      if (change.endpoint && change.enforced) status_files_->in_force(change.id, *change.endpoint, change.bgp_peer.view());
      else status_files_->not_in_force(change.id);
    }
    if (outcome.ok) status_files_->complete();
    publish_status();
  }

  void publish_status() {
    if (status_files_->publish()) return;
    status_timer_.expires_after(5s);
    status_timer_.async_wait([this](error_code aborted) {
      if (!aborted) publish_status();
    });
  }

  void report(const dataplane::Outcome& outcome, Clock::duration took) {
    health_.report(kLoop, true, outcome.ok,
                   outcome.ok ? std::string{} : fmt::format("{} items not applied", outcome.failures.size()));
    if (ever_applied_ || !outcome.ok) return;
    ever_applied_ = true;
    observations_.initial_resync(took);
    // Reading the whole datastore leaves a heap with far more free than later changes need.
    release_freed_memory();
    log::info(kDomain, "policy is in force",
              {{"endpoints", dataplane_->endpoint_count()},
               {"milliseconds", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
    control::notify_ready("enforcing policy");
  }

  // Not part of a turn: while frozen there may be nothing to do.
  void tell_frozen() {
    const bool changed = graph_->frozen() != frozen_;
    frozen_ = graph_->frozen();
    if (changed && frozen_) log::warning(kDomain, "ClusterInformation says the datastore is not ready; what is enforced stays");
    else if (changed) log::info(kDomain, "the datastore is ready again");
    health_.report(kGraph, true, !frozen_, frozen_ ? "ClusterInformation: datastoreReady is false" : "in sync");
  }

  // ---- what the world asks

  std::string metrics() {
    control::Exposition out;
    expose_daemon(
        {settings_.node, state_, watcher_ ? watcher_->stats() : datastore::WatchStats{}, graph_.get(), dataplane_.get()}, out);
    observations_.expose(out);
    if (config_.process_metrics) control::expose_process(out);
    return out.text();
  }

  void serve_control() {
    auto server =
        control::serve_unix(io_, settings_.run_dir + "/felix.sock", "local control", endpoints_.handler(control::Door::Local));
    if (server) control_ = std::move(*server);
    else log::error(kDomain, "no local control socket", {{"reason", server.error().text}});
  }

  void serve_tcp() {
    const auto serve = [&](bool enabled, const std::string& host, std::uint16_t port, const char* purpose, control::Door door,
                           Served& served) {
      const std::string where = enabled ? fmt::format("{} {}", host, port) : std::string{};
      if (served.where == where) return;
      served = {where, nullptr};
      if (!enabled) return;
      auto server = control::serve_tcp(io_, host, port, purpose, endpoints_.handler(door));
      if (server) served.server = std::move(*server);
      else log::error(kDomain, "not serving", {{"purpose", purpose}, {"reason", server.error().text}});
    };
    if (options_.mode != Mode::Run) return;
    serve(config_.health_enabled, config_.health_host, config_.health_port, "health", control::Door::Health, health_server_);
    serve(config_.metrics_enabled, config_.metrics_host, config_.metrics_port, "metrics", control::Door::Metrics,
          metrics_server_);
  }

  // SIGHUP: the configuration file again. A wrong one is refused, the old one stays.
  void reload() {
    control::notify_reloading();
    auto again = settings::read_settings(options_.flags);
    std::string refused = again ? file_problem(*again) : again.error().text;
    if (!refused.empty()) {
      log::error(kDomain, "the configuration file is refused, the old one stays", {{"reason", refused}});
    } else {
      settings::Settings same = *again;
      same.felix_file = settings_.felix_file;
      same.log_level = settings_.log_level;
      same.bgp = settings_.bgp;
      if (!(same == settings_)) {
        log::warning(kDomain, "settings changed that need a restart; ending for it, the kernel keeps what it has");
        return finish(kExitRestart);
      }
      settings_ = std::move(*again);
      config_watch_.set_file(settings_.felix_file, settings_.file_path);
      log::info(kDomain, "the configuration file was read again");
      set_log_level();
      if (dataplane_) configure();
    }
    control::notify_ready(ever_applied_ ? "enforcing policy" : "starting");
  }

  void finish(int code) {
    exit_code_ = code;
    io_.stop();
  }

  struct Served {
    std::string where;
    std::unique_ptr<control::HttpServer> server;
  };

  Options options_;
  settings::Settings settings_;
  ConfigWatch config_watch_;
  config::Config config_;
  std::vector<std::string> told_problems_;
  Result<control::Claim> lock_ = Error{ErrorCode::Unavailable, "not claimed yet"};

  asio::io_context io_{1};
  SteadyClock clock_;
  control::Health health_{clock_};
  Observations observations_;
  KernelPorts ports_{clock_};
  std::unique_ptr<kernel::NetlinkMonitor> monitor_;

  std::unique_ptr<dataplane::Dataplane> dataplane_;
  dataplane::ApplyLoop loop_;
  std::unique_ptr<StatusFiles> status_files_;
  std::unique_ptr<calc::Graph> graph_;
  std::unique_ptr<datastore::Watcher> watcher_;
  std::unique_ptr<KernelEvents> events_;
  control::Endpoints endpoints_{health_, [this] { return metrics(); }};
  std::unique_ptr<control::HttpServer> control_;
  Served health_server_, metrics_server_;

  std::unique_ptr<control::Attendant> attendant_;
  asio::steady_timer turn_timer_{io_}, links_timer_{io_}, restart_timer_{io_}, status_timer_{io_};

  SyncState state_ = SyncState::Resync;
  std::string watched_prefix_;
  std::optional<Clock::time_point> pending_since_;
  std::size_t batch_ = 0;
  bool turn_posted_ = false, ever_applied_ = false, frozen_ = false;
  int exit_code_ = 0;
};

}  // namespace

int run_felix(const Options& options, const settings::Settings& settings) { return Felix{options, settings}.run(); }

int run_cleanup(const settings::Settings& settings) {
  const auto claim = control::claim_node(settings, "felix");
  if (!claim) return told("nothing was taken away", claim.error()), 1;
  const SteadyClock clock;
  KernelPorts ports{clock};
  const config::Config config =
      ConfigWatch{settings.node, settings.felix_environment, settings.felix_file, settings.file_path}.resolve().config;
  dataplane::Dataplane dataplane{kernel_config(config), ports.all()};
  if (auto status = dataplane.cleanup(); !status) {
    log::error(kDomain, "not everything could be taken away; run again", {{"reason", status.error().text}});
    return 1;
  }
  log::info(kDomain, "all that was ours is out of the kernel");
  return 0;
}

}  // namespace margay::daemon
