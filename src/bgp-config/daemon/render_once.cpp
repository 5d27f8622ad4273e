#include "daemon/render_once.hpp"

#include <cstdio>
#include <filesystem>

#include <boost/asio/io_context.hpp>

#include "daemon/sources.hpp"
#include "daemon/workload_files.hpp"
#include "margay/base/log.hpp"
#include "publish/config_files.hpp"
#include "render/render.hpp"

namespace margay::bgp {
namespace {

class Snapshot final : public datastore::WatchSink {
 public:
  Snapshot(boost::asio::io_context& io, View& view) : io_{io}, view_{view} {}
  void on_state(SyncState state) override {
    last = state;
    if (state != SyncState::Resync) io_.stop();
  }
  void on_updates(std::vector<Update> updates) override {
    for (const Update& update : updates) view_.on_update(update);
  }
  SyncState last = SyncState::Resync;

 private:
  boost::asio::io_context& io_;
  View& view_;
};

int refuse(const std::string& why, int code) {
  std::fprintf(stderr, "margay-bgp-config render: %s\n", why.c_str());
  return code;
}

}  // namespace

int run_render(const Options& options, const settings::Settings& settings) {
  log::set_level(settings.log_level.value_or(log::Level::Warning));
  const settings::Environment environment = settings::read_environment();
  View view{view_options(settings, environment)};
  view.set_workloads(read_workload_files(workload_directory(settings, environment), {}));
  boost::asio::io_context io{1};
  Snapshot snapshot{io, view};
  auto watcher = watch(settings, io, snapshot, /*read_only=*/true);
  if (!watcher) {
    const auto code = watcher.error().code;
    return refuse(watcher.error().text, code == ErrorCode::Invalid || code == ErrorCode::Unsupported ? 2 : 3);
  }
  (*watcher)->start();
  io.run();
  if (snapshot.last != SyncState::InSync) return refuse(settings.datastore.url + " is not there or empty", 3);
  const auto router = view.router();
  for (const Problem& problem : view.problems())
    std::fprintf(stderr, "%s: %s\n", problem.owner.to_string().c_str(), problem.text.c_str());
  if (!router) return refuse(router.error().text, 1);
  const std::string directory = std::filesystem::absolute(options.output).lexically_normal().string();
  BirdConfigDir files{directory};
  const Rendered rendered = Renderer{directory}.render(**router);
  auto done = files.stage(rendered);
  if (done) done = files.commit();
  if (!done) return refuse(done.error().text, 1);
  files.discard_unused(rendered);
  return 0;
}

}  // namespace margay::bgp
