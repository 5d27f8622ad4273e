#include "daemon/daemon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "bird/bird_client.hpp"
#include "daemon/bird_look.hpp"
#include "daemon/node_status.hpp"
#include "daemon/report.hpp"
#include "daemon/sources.hpp"
#include "daemon/workload_files.hpp"
#include "margay/base/log.hpp"
#include "margay/control/attendant.hpp"
#include "margay/control/claim.hpp"
#include "margay/control/endpoints.hpp"
#include "margay/control/health.hpp"
#include "margay/control/http_server.hpp"
#include "margay/control/notify.hpp"
#include "publish/bird_watch.hpp"
#include "publish/config_files.hpp"
#include "publish/publish.hpp"
#include "render/render.hpp"

namespace margay::bgp {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;
using control::Door;

constexpr log::Domain kDomain{"bgp"};
constexpr int kExitRestart = 129;
constexpr auto kSpacing = 100ms;  // between publications of a busy daemon
constexpr auto kLookInterval = 5s;
constexpr auto kDatastore = "Datastore", kConfiguration = "Configuration", kSessions = "Sessions";

// TCPMD5Failure of /proc/net/netstat: a header line of names, a line of numbers.
std::optional<std::uint64_t> md5_failures() {
  std::ifstream file{"/proc/thread-self/net/netstat"};
  for (std::string names, numbers; std::getline(file, names) && std::getline(file, numbers);) {
    std::istringstream name_stream{names}, number_stream{numbers};
    for (std::string name, number; name_stream >> name && number_stream >> number;)
      if (name == "TCPMD5Failure") return std::strtoull(number.c_str(), nullptr, 10);
  }
  return std::nullopt;
}

class Daemon final : public datastore::WatchSink {
 public:
  Daemon(Options options, settings::Settings settings)
      : options_{std::move(options)},
        settings_{std::move(settings)},
        environment_{settings::read_environment()},
        view_{view_options(settings_, environment_)},
        renderer_{settings_.bgp.bird_config_dir},
        files_{settings_.bgp.bird_config_dir},
        bird_{io_, {.path = settings_.bgp.bird_socket}},
        status_bird_{io_, {.path = settings_.bgp.bird_socket, .restricted = true}},
        publisher_{bird_, files_, clock_, [this](Clock::duration delay, std::function<void()> f) { after(delay, std::move(f)); },
                   [this](const Publisher::Outcome& outcome) { on_outcome(outcome); }} {}

  int run() {
    lock_ = control::claim_node(settings_, "bgp-config");
    if (!lock_) return told("cannot start", lock_.error()), 1;
    health_.add(kDatastore, 0ms);
    health_.add(kConfiguration, 0ms);
    health_.add(kSessions, 60s);  // every look at BIRD reports, also one that fails
    health_.report(kSessions, true, false, "BIRD was not asked yet");
    log::set_level(settings_.log_level.value_or(log::Level::Info));
    log::info(kDomain, "starting",
              {{"node", settings_.node}, {"datastore", settings_.datastore.url}, {"bird", settings_.bgp.bird_socket}});
    serve();
    attendant_ = std::make_unique<control::Attendant>(
        io_, health_, kDomain, [this] { reload(); }, [this] { finish(0); });
    workloads_ = std::make_unique<WorkloadFiles>(io_, workload_directory(settings_, environment_),
                                                 [this](std::vector<WorkloadStatus> all) {
                                                   view_.set_workloads(std::move(all));
                                                   workloads_known_ = true;
                                                   ask();
                                                 });
    if (auto status = watch_datastore(); !status) {
      told("cannot start", status.error());
      return status.error().code == ErrorCode::Invalid || status.error().code == ErrorCode::Unsupported ? 2 : 3;
    }
    if (options_.mode == Mode::Run) {
      node_status_ = std::make_unique<NodeStatus>(io_, status_bird_, settings_.run_dir + "/node-status", settings_.node,
                                                  [this] { return knowledge(); });
      look_ = std::make_unique<BirdLook>(io_, status_bird_, kLookInterval,
                                         [this](const auto& sight, const Error& error) { on_look(sight, error); });
      status_bird_.on_lost([this] { look_->soon(500ms); });
    }
    io_.run();
    watcher_.reset();
    control::notify_stopping();
    log::info(kDomain, "ending; BIRD keeps what it has", {{"code", exit_code_}});
    return exit_code_;
  }

 private:
  static void told(std::string_view what, const Error& error) { log::error(kDomain, what, {{"reason", error.text}}); }

  void after(Clock::duration delay, std::function<void()> f) {
    const auto timer = std::make_shared<asio::steady_timer>(io_, delay);
    timer->async_wait([timer, f = std::move(f)](error_code aborted) {
      if (!aborted) f();
    });
  }

  // ---- what the datastore says

  Status watch_datastore() {
    auto watcher = watch(settings_, io_, *this, /*read_only=*/false);
    if (!watcher) return std::move(watcher).error();
    watcher_ = std::move(*watcher);
    watcher_->start();
    return {};
  }

  void on_state(SyncState state) override {
    if (state == SyncState::WaitForDatastore) {
      log::warning(kDomain, "the datastore is not there or empty; waiting, BIRD keeps what it has",
                   {{"datastore", settings_.datastore.url}});
      health_.report(kDatastore, true, false, "waiting for the datastore");
      control::notify_ready("waiting for the datastore");
      if (options_.mode == Mode::Once) return finish(3);
    } else if (state == SyncState::InSync) {
      log::info(kDomain, "in sync with the datastore", {{"objects", watcher_->stats().objects}});
      health_.report(kDatastore, true, true, "in sync");
    }
    state_ = state;
    told_frozen_ = false;
    tell_frozen();
    ask();
  }

  void on_updates(std::vector<Update> updates) override {
    for (const Update& update : updates) {
      if (update.key.kind == Kind::CalicoNodeStatus) {
        if (node_status_) node_status_->on_update(update);
      } else if (update.key.kind == Kind::ClusterInformation) {
        const auto* info = update.value ? std::get_if<Ref<ClusterInformation>>(&*update.value) : nullptr;
        frozen_ = info && (*info)->datastore_ready == false;
      } else {
        view_.on_update(update);
      }
    }
    tell_frozen();
    ask();
  }

  // A datastore that says of itself that it is not ready is an outage: BIRD keeps what it has.
  void tell_frozen() {
    if (state_ != SyncState::InSync || frozen_ == told_frozen_) return;
    told_frozen_ = frozen_;
    if (frozen_) log::warning(kDomain, "ClusterInformation says the datastore is not ready; BIRD keeps what it has");
    else log::info(kDomain, "the datastore is ready again");
    health_.report(kDatastore, true, !frozen_, frozen_ ? "ClusterInformation: datastoreReady is false" : "in sync");
    if (frozen_ && options_.mode == Mode::Once) finish(3);
  }

  // ---- publishing

  // A publication soon: at once if the last one is long ago, else when the spacing allows.
  void ask() {
    if (state_ != SyncState::InSync || !workloads_known_ || frozen_ || asked_) return;
    asked_ = true;
    const auto due = last_publication_ + kSpacing - clock_.now();
    const auto go = [this] {
      asked_ = false;
      publish();
    };
    if (due <= Clock::duration::zero()) asio::post(io_, go);
    else after(due, go);
  }

  void publish() {
    if (state_ != SyncState::InSync || frozen_) return;
    last_publication_ = clock_.now();
    const auto router = view_.router();
    tell_problems();
    if (!router) {
      if (router.error().text != no_router_) {
        no_router_ = router.error().text;
        log::error(kDomain, "no configuration for this node; BIRD keeps what it has",
                   {{"reason", no_router_}, {"next", "margayctl node init"}});
      }
      router_ = nullptr;
      health_.report(kConfiguration, true, false, no_router_);
      control::notify_ready("this node has no configuration");
      if (options_.mode == Mode::Once) finish(1);
      return;
    }
    no_router_.clear();
    router_ = *router;
    publisher_.publish(renderer_.render(*router_));
  }

  void tell_problems() {
    for (const Problem& problem : view_.problems())
      if (!std::binary_search(told_problems_.begin(), told_problems_.end(), problem))
        log::warning(kDomain, problem.text, {{"resource", problem.owner.to_string()}});
    told_problems_ = view_.problems();
  }

  void on_outcome(const Publisher::Outcome& outcome) {
    switch (outcome.kind) {
      case Publisher::Outcome::Kind::InForce: {
        const std::chrono::duration<double> took = outcome.took;
        ++(outcome.reconfigured ? counters_.configured : counters_.unchanged);
        counters_.last_seconds = took.count();
        counters_.seconds_sum += took.count();
        last_published_ = to_rfc3339(std::chrono::system_clock::now());
        if (outcome.reconfigured)
          log::info(kDomain, "BIRD runs the configuration",
                    {{"milliseconds", std::chrono::duration_cast<std::chrono::milliseconds>(outcome.took).count()},
                     {"cause", outcome.cause.empty() ? std::string_view{"a change"} : std::string_view{outcome.cause}}});
        health_.report(kConfiguration, true, true, "in force");
        control::notify_ready("BIRD runs the configuration");
        if (options_.mode == Mode::Once) return finish(0);
        if (look_) look_->soon(200ms);
        return;
      }
      case Publisher::Outcome::Kind::Refused:
        ++counters_.refused;
        log::error(kDomain, "BIRD refused the configuration; what was in force stays",
                   {{"reason", outcome.error.text},
                    {"resource", outcome.owner ? outcome.owner->to_string() : std::string{"none that could be told"}}});
        health_.report(kConfiguration, true, false, "BIRD refused it: " + outcome.error.text);
        if (outcome.owner) {
          view_.quarantine(*outcome.owner, outcome.error.text);
          return ask();
        }
        if (options_.mode == Mode::Once) finish(1);
        return;
      case Publisher::Outcome::Kind::Failed:
        ++counters_.failed;
        if (outcome.error.text != std::exchange(last_failure_, outcome.error.text))
          log::warning(kDomain, "not published, trying again", {{"reason", outcome.error.text}});
        health_.report(kConfiguration, true, false, outcome.error.text);
        control::notify_ready("waiting for BIRD");
        if (options_.mode == Mode::Once) finish(1);
        return;
    }
  }

  // ---- what BIRD says

  void on_look(const std::optional<BirdSight>& sight, const Error& error) {
    sight_ = sight;
    if (sight) {
      const auto judgement = watch_.look(sight->status, sight->protocols, publisher_.baseline(), clock_.now());
      tell_facts(judgement.facts);
      if (!judgement.again.empty()) publisher_.again(judgement.again);
      if (std::exchange(silent_, false)) log::info(kDomain, "BIRD answers", {{"version", sight->status.version}});
    } else {
      tell_facts(watch_.on_silence());
      if (!std::exchange(silent_, true))
        log::warning(kDomain, "BIRD does not answer; routes in the kernel stay", {{"reason", error.text}});
    }
    const Readiness ready = readiness(sessions_of(knowledge()), sight_ ? &*sight_ : nullptr, clock_.now() - started_);
    health_.report(kSessions, true, ready.ready, ready.detail);
  }

  static void tell_facts(const std::vector<BirdWatch::Fact>& facts) {
    for (const BirdWatch::Fact& fact : facts) {
      switch (fact.kind) {
        case BirdWatch::Fact::Kind::SessionUp: log::info(kDomain, "session established", {{"session", fact.session}}); break;
        case BirdWatch::Fact::Kind::SessionDown:
          log::warning(kDomain, "session lost", {{"session", fact.session}, {"reason", fact.text}});
          break;
        case BirdWatch::Fact::Kind::Stuck:
          log::warning(kDomain, "a session is down for a reason that BIRD does not try again by itself",
                       {{"session", fact.session}, {"reason", fact.text}});
          break;
        case BirdWatch::Fact::Kind::Restarted: log::warning(kDomain, "BIRD was restarted", {{"at", fact.text}}); break;
        case BirdWatch::Fact::Kind::Foreign:
          log::warning(kDomain, "somebody else reconfigured BIRD; configuring it again", {{"at", fact.text}});
          break;
      }
    }
  }

  // ---- what the world asks

  [[nodiscard]] Knowledge knowledge() const {
    return {settings_.node,
            state_ == SyncState::InSync,
            router_ && publisher_.in_force(),
            last_published_,
            router_,
            sight_ ? &*sight_ : nullptr,
            &view_.problems(),
            &watch_.sessions(),
            counters_,
            watcher_ ? watcher_->stats() : datastore::WatchStats{}};
  }

  std::string metrics() const {
    control::Exposition out;
    expose(knowledge(), std::chrono::system_clock::now(), md5_failures(), out);
    control::expose_process(out);
    return out.text();
  }

  std::optional<control::Response> local(std::string_view path) const {
    if (path != "/v1/status") return std::nullopt;
    return control::Response{200, "application/json", status_json(knowledge(), std::chrono::system_clock::now())};
  }

  void serve() {
    const auto keep = [&](Result<std::unique_ptr<control::HttpServer>> server, const char* purpose) {
      if (server) servers_.push_back(std::move(*server));
      else log::error(kDomain, "not serving", {{"purpose", purpose}, {"reason", server.error().text}});
    };
    if (options_.mode != Mode::Run) return;
    keep(control::serve_unix(io_, settings_.run_dir + "/bgp-config.sock", "local control", endpoints_.handler(Door::Local)),
         "local control");
    if (settings_.bgp.health_port != 0)
      keep(control::serve_tcp(io_, "localhost", settings_.bgp.health_port, "health", endpoints_.handler(Door::Health)), "health");
    if (settings_.bgp.metrics_port != 0)
      keep(control::serve_tcp(io_, "localhost", settings_.bgp.metrics_port, "metrics", endpoints_.handler(Door::Metrics)),
           "metrics");
  }

  // SIGHUP: the configuration file again. A wrong one is refused, the old one stays; of a right one nothing but the log level can
  // change in place.
  void reload() {
    control::notify_reloading();
    auto again = settings::read_settings(options_.flags);
    if (!again) {
      log::error(kDomain, "the configuration file is refused, the old one stays", {{"reason", again.error().text}});
    } else {
      settings::Settings same = *again;
      same.felix_file = settings_.felix_file;
      same.felix_environment = settings_.felix_environment;
      same.log_level = settings_.log_level;
      if (!(same == settings_)) {
        log::warning(kDomain, "settings changed that need a restart; ending for it, BIRD keeps what it has");
        return finish(kExitRestart);
      }
      settings_ = std::move(*again);
      log::set_level(settings_.log_level.value_or(log::Level::Info));
      log::info(kDomain, "the configuration file was read again");
    }
    control::notify_ready("running");
  }

  void finish(int code) {
    exit_code_ = code;
    io_.stop();
  }

  Options options_;
  settings::Settings settings_;
  settings::Environment environment_;
  Result<control::Claim> lock_ = Error{ErrorCode::Unavailable, "not claimed yet"};

  asio::io_context io_{1};
  SteadyClock clock_;
  control::Health health_{clock_};
  View view_;
  Renderer renderer_;
  BirdConfigDir files_;
  BirdClient bird_, status_bird_;
  Publisher publisher_;
  BirdWatch watch_;
  std::unique_ptr<WorkloadFiles> workloads_;
  std::unique_ptr<datastore::Watcher> watcher_;
  std::unique_ptr<NodeStatus> node_status_;
  std::unique_ptr<BirdLook> look_;
  control::Endpoints endpoints_{health_, [this] { return metrics(); }, [this](std::string_view path) { return local(path); },
                                " /v1/status"};
  std::vector<std::unique_ptr<control::HttpServer>> servers_;
  std::unique_ptr<control::Attendant> attendant_;

  SyncState state_ = SyncState::Resync;
  const Router* router_ = nullptr;  // the view's
  std::optional<BirdSight> sight_;
  std::vector<Problem> told_problems_;
  PublishCounters counters_;
  std::string no_router_, last_failure_, last_published_;
  Clock::time_point started_ = clock_.now(), last_publication_{};
  bool workloads_known_ = false, frozen_ = false, told_frozen_ = false, asked_ = false, silent_ = false;
  int exit_code_ = 0;
};

}  // namespace

int run_daemon(const Options& options, const settings::Settings& settings) { return Daemon{options, settings}.run(); }

}  // namespace margay::bgp
