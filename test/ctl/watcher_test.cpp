// What margayctl writes is what a daemon reads: written through the verbs, then watched afresh.
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "ctl/object.hpp"
#include "ctl/session.hpp"
#include "ctl/verbs.hpp"
#include "datastore/temp_dir.hpp"
#include "margay/datastore/connect.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;

namespace {

struct Sink final : datastore::WatchSink {
  void on_state(SyncState state) override { in_sync = state == SyncState::InSync; }
  void on_updates(std::vector<Update> updates) override {
    for (Update& update : updates) {
      if (update.value) values[update.key] = *update.value;
      else values.erase(update.key);
    }
  }
  bool in_sync = false;
  std::map<Key, Resource> values;
};

struct World {
  test::TempDir dir;
  std::string store = dir / "store";
  std::ostringstream out, err;

  World() { std::filesystem::create_directories(store); }
  template <class F>
  int run(F verb) {
    settings::Flags flags;
    flags.datastore = "file://" + store;
    Session session{flags, out, err, false};
    verb(session);
    return session.exit_code();
  }
  Sink watch() {
    boost::asio::io_context io;
    Sink sink;
    datastore::Settings settings;
    settings.at.url = "file://" + store;
    for (const KindInfo& kind : all_kinds())
      if (kind.decoded) settings.kinds.insert(kind.kind);
    auto watcher = datastore::connect_watcher(settings, io, sink);
    REQUIRE(watcher);
    (*watcher)->start();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!sink.in_sync && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::seconds{1});
    REQUIRE(sink.in_sync);
    return sink;
  }
};

const char* const kManifests = R"(
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {tier: sec, selector: app == 'web', ingress: [{action: Allow, protocol: TCP, destination: {ports: [80, "8000:8010"]}}]}
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: sec}
spec: {order: 7.5, defaultAction: Pass}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.0.0.0/16}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
)";

}  // namespace

TEST_CASE("what margayctl writes is what a fresh watcher reads") {
  World world;
  test::write_file(world.dir / "in.yaml", kManifests);
  FileOptions options;
  options.files = {world.dir / "in.yaml"};
  const int code = world.run([&](Session& session) { run_write(session, WriteVerb::Apply, options); });
  INFO(world.err.str());
  REQUIRE(code == 0);

  Sink sink = world.watch();
  const auto* policy = std::get_if<Ref<Policy>>(&sink.values.at(Key{Kind::NetworkPolicy, "shop", "web"}));
  REQUIRE(policy != nullptr);
  CHECK((*policy)->ingress.size() == 1);
  const auto* tier = std::get_if<Ref<Tier>>(&sink.values.at(Key{Kind::Tier, {}, "sec"}));
  REQUIRE(tier != nullptr);
  CHECK((*tier)->order == 7.5);
  CHECK((*tier)->default_pass);
  const auto* pool = std::get_if<Ref<IpPool>>(&sink.values.at(Key{Kind::IPPool, {}, "pool"}));
  REQUIRE(pool != nullptr);
  CHECK((*pool)->cidr.to_string() == "10.0.0.0/16");
  // The manifests read directly and as written mean the same.
  std::filesystem::remove_all(world.store);
  test::write_file(world.store + "/in.yaml", kManifests);
  const Sink direct = world.watch();
  REQUIRE(direct.values.size() == sink.values.size());
  CHECK(sink.values.size() >= 5 + 4);  // with the built-in ones
  for (const auto& [key, value] : direct.values) {
    INFO(key.to_string());
    REQUIRE(sink.values.contains(key));
    const Resource& other = sink.values.at(key);
    CHECK(std::visit(
        [&](const auto& a) {
          using T = std::decay_t<decltype(a)>;
          const T* b = std::get_if<T>(&other);
          return b != nullptr && *a == **b;
        },
        value));
  }
}
