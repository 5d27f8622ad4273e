// What `margay-felix render` says of whole inputs, compared with texts that people have read: golden/<case>/input.yaml and
// expected.txt. MARGAY_UPDATE=1 writes the texts anew; read the difference before committing it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "calc/graph.hpp"
#include "daemon/config_map.hpp"
#include "daemon/config_watch.hpp"
#include "daemon/render.hpp"
#include "fakes/fake_conntrack.hpp"
#include "fakes/fake_links.hpp"
#include "fakes/fake_routes.hpp"
#include "fakes/fake_sets.hpp"
#include "fakes/fake_sysctls.hpp"
#include "fakes/fake_tables.hpp"
#include "fakes/manual_clock.hpp"
#include "margay/model/decode.hpp"
#include "support/catch.hpp"
#include "yaml.hpp"

using namespace margay;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

// As render.cpp does it, with fakes for the kernel and the node called "here".
std::string rendered(const std::string& manifests) {
  const auto parsed = datastore::parse_manifests(manifests);
  if (parsed.error) return parsed.error->text();
  std::string problems;
  std::vector<Update> updates;
  for (auto& [key, value] : built_in_resources()) updates.push_back({.key = key, .value = value});
  for (const auto& document : parsed.documents) {
    const auto id = identify(document.value);
    if (!id) return id.error().text;
    auto decoded = decode(*id, document.value, {}, /*strict=*/true);
    for (const auto& error : decoded.errors) problems += "# " + id->name + ": " + error.field + " " + error.reason + "\n";
    if (decoded.key) updates.push_back({.key = *decoded.key, .value = decoded.value});
  }
  daemon::ConfigWatch watch{"here", {}, {}, ""};
  for (const Update& update : updates) watch.on_update(update);
  const config::Resolved resolved = watch.resolve();
  for (const auto& problem : resolved.problems) problems += "# " + problem.text + "\n";

  fakes::Fuse fuse;
  fakes::FakeSets sets{fuse};
  fakes::FakeTables tables{fuse, sets};
  fakes::FakeRoutes routes{fuse};
  fakes::FakeLinks links{fuse, routes};
  fakes::FakeConntrack conntrack{fuse};
  fakes::FakeSysctls sysctls{fuse};
  fakes::ManualClock clock;
  dataplane::Dataplane dataplane{daemon::dataplane_config(resolved.config),
                                 {tables, sets, routes, links, conntrack, sysctls, clock}};
  calc::Graph graph{{"here", false}, dataplane};
  graph.on_state(SyncState::Resync);
  graph.on_updates(updates);
  graph.on_state(SyncState::InSync);
  graph.flush();
  dataplane.render();
  return problems + daemon::rendered_text(dataplane);
}

}  // namespace

TEST_CASE("rendered texts are as they were read") {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator{GOLDEN_DIR})
    if (entry.is_directory()) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  REQUIRE(cases.size() >= 12);
  for (const auto& path : cases) {
    INFO(path.filename().string());
    const std::string now = rendered(read(path / "input.yaml"));
    if (std::getenv("MARGAY_UPDATE") != nullptr) std::ofstream{path / "expected.txt"} << now;
    CHECK(now == read(path / "expected.txt"));
  }
}
