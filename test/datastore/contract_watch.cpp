// The watcher's half of the contract (watch.hpp), for every back end.
#include "contract.hpp"
#include "recording_sink.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::test;

namespace {

struct World {
  explicit World(const BackendFactory& make) : backend{make()} {}
  void start() {
    watcher = backend->watcher(io, sink);
    watcher->start();
  }
  bool until(const std::function<bool()>& done) { return run_until(io, done); }
  bool synced() {
    return until([this] { return sink.in_sync(); });
  }
  bool shows(const std::string& key, const std::string& value) {
    const bool ok = until([&] {
      const auto found = sink.values.find(key);
      return value == "-" ? found == sink.values.end() : found != sink.values.end() && found->second == value;
    });
    if (!ok) UNSCOPED_INFO(key << " is " << (sink.values.contains(key) ? sink.values[key] : "-") << ", not " << value);
    return ok;
  }

  boost::asio::io_context io;
  RecordingSink sink;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<datastore::Watcher> watcher;
};

template <class F>
void for_each_backend(F body) {
  for (const auto& [name, make] : backends()) {
    INFO("backend: " << name);
    World world{make};
    body(world);
  }
}

using States = std::vector<SyncState>;

}  // namespace

TEST_CASE("contract: everything is announced before in-sync, once") {
  for_each_backend([](World& w) {
    for (int i = 0; i < 50; ++i) w.backend->put("GlobalNetworkSet", "s" + std::to_string(i), "v" + std::to_string(i));
    std::size_t at_sync = 0;
    w.sink.on_state_hook = [&](SyncState state) {
      if (state == SyncState::InSync) at_sync = w.sink.values.size();
    };
    w.start();
    REQUIRE(w.synced());
    CHECK(w.sink.states == States{SyncState::Resync, SyncState::InSync});
    CHECK(at_sync == 50);
    CHECK(w.sink.count == 50);
    CHECK(w.watcher->stats().objects == 50);
    CHECK(w.watcher->stats().resyncs_started == 1);
  });
}

TEST_CASE("contract: changes and removals follow; equal values are not told again") {
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.backend->put("GlobalNetworkSet", "b", "1");
    w.start();
    REQUIRE(w.synced());
    w.backend->put("GlobalNetworkSet", "a", "2");
    REQUIRE(w.shows("GlobalNetworkSet a", "2"));
    w.backend->put("GlobalNetworkSet", "c", "1");
    REQUIRE(w.shows("GlobalNetworkSet c", "1"));
    w.backend->remove("GlobalNetworkSet", "b");
    REQUIRE(w.shows("GlobalNetworkSet b", "-"));
    const std::size_t before = w.sink.count;
    w.backend->put("GlobalNetworkSet", "a", "2", "unread: 1");  // another text, the same value
    w.backend->put("GlobalNetworkSet", "d", "1");
    REQUIRE(w.shows("GlobalNetworkSet d", "1"));
    CHECK(w.sink.count == before + 1);
    CHECK(w.sink.states == States{SyncState::Resync, SyncState::InSync});
  });
}

TEST_CASE("contract: an outage deletes nothing, and coming back tells the differences only") {
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.backend->put("GlobalNetworkSet", "b", "1");
    w.backend->put("GlobalNetworkSet", "c", "1");
    w.start();
    REQUIRE(w.synced());
    const std::size_t before = w.sink.count;
    w.backend->go_away();
    REQUIRE(w.until([&] { return w.sink.waiting(); }));
    CHECK(w.sink.count == before);
    w.backend->put("GlobalNetworkSet", "b", "2");
    w.backend->remove("GlobalNetworkSet", "c");
    w.backend->come_back();
    REQUIRE(w.synced());
    CHECK(w.sink.states ==
          States{SyncState::Resync, SyncState::InSync, SyncState::WaitForDatastore, SyncState::Resync, SyncState::InSync});
    CHECK(w.sink.count == before + 2);
    CHECK(w.sink.values == std::map<std::string, std::string>{{"GlobalNetworkSet a", "1"}, {"GlobalNetworkSet b", "2"}});
  });
}

TEST_CASE("contract: a store that is not there, or empty when first seen, is waited for") {
  for_each_backend([](World& w) {
    w.start();
    REQUIRE(w.until([&] { return w.sink.waiting(); }));
    CHECK(w.sink.count == 0);
    w.backend->put("GlobalNetworkSet", "a", "1");
    REQUIRE(w.synced());
    CHECK(w.sink.values.size() == 1);
  });
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.backend->go_away();
    w.start();
    REQUIRE(w.until([&] { return w.sink.waiting(); }));
    w.backend->come_back();
    REQUIRE(w.synced());
    CHECK(w.sink.values.size() == 1);
  });
}

TEST_CASE("contract: an invalid object keeps the value it had; one that never had any is closed or absent") {
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.backend->put("GlobalNetworkPolicy", "p", "t", "bad: 1\n  selector: all()");
    w.backend->put("GlobalNetworkPolicy", "q", "t", "bad: 1");
    w.start();
    REQUIRE(w.synced());
    CHECK(w.sink.values["GlobalNetworkPolicy p"] == "closed");
    CHECK_FALSE(w.sink.values.contains("GlobalNetworkPolicy q"));
    CHECK(w.watcher->stats().invalid_objects == 2);
    w.backend->put("GlobalNetworkSet", "a", "2", "bad: 1");
    w.backend->put("GlobalNetworkPolicy", "p", "t");
    REQUIRE(w.shows("GlobalNetworkPolicy p", "t"));
    CHECK(w.sink.values["GlobalNetworkSet a"] == "1");
    w.backend->put("GlobalNetworkPolicy", "p", "t2", "bad: 1\n  selector: all()");
    w.backend->put("GlobalNetworkSet", "a", "3");
    REQUIRE(w.shows("GlobalNetworkSet a", "3"));
    CHECK(w.sink.values["GlobalNetworkPolicy p"] == "t");
    w.backend->remove("GlobalNetworkPolicy", "p");
    REQUIRE(w.shows("GlobalNetworkPolicy p", "-"));
  });
}

TEST_CASE("contract: Calico's object wins over the Kubernetes one that means the same, and gives way when it goes") {
  struct Case {
    std::string kube_kind, kube_name, more, calico_kind, calico_name, key;
  };
  const Case cases[] = {{"Namespace", "web", "", "Profile", "kns.web", "Profile kns.web"},
                        {"v1/Node", "n1", "", "Node", "n1", "Node n1"},
                        {"Pod", "web", "node: n1", "WorkloadEndpoint", "n1-web", "WorkloadEndpoint default/n1-web"}};
  for (const Case& c : cases) {
    for_each_backend([&](World& w) {
      INFO(c.key);
      w.backend->put(c.kube_kind, c.kube_name, "kube", c.more);
      w.start();
      REQUIRE(w.synced());
      CHECK(w.sink.values[c.key] == "kube");
      w.backend->put(c.calico_kind, c.calico_name, "calico");
      REQUIRE(w.shows(c.key, "calico"));
      w.backend->put(c.kube_kind, c.kube_name, "kube2", c.more);
      w.backend->put("GlobalNetworkSet", "mark", "1");
      REQUIRE(w.shows("GlobalNetworkSet mark", "1"));
      CHECK(w.sink.values[c.key] == "calico");
      w.backend->remove(c.calico_kind, c.calico_name);
      REQUIRE(w.shows(c.key, "kube2"));
      w.backend->remove(c.kube_kind, c.kube_name);
      REQUIRE(w.shows(c.key, "-"));
    });
  }
}

TEST_CASE("contract: what happens while events are lost is found by a resync") {
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.backend->put("GlobalNetworkSet", "b", "1");
    w.start();
    REQUIRE(w.synced());
    w.backend->lose_events();
    w.backend->put("GlobalNetworkSet", "a", "2");
    w.backend->remove("GlobalNetworkSet", "b");
    REQUIRE(w.shows("GlobalNetworkSet a", "2"));
    REQUIRE(w.shows("GlobalNetworkSet b", "-"));
  });
}

TEST_CASE("contract: a watcher that is destroyed says nothing more") {
  for_each_backend([](World& w) {
    w.backend->put("GlobalNetworkSet", "a", "1");
    w.start();
    REQUIRE(w.synced());
    w.backend->put("GlobalNetworkSet", "a", "2");
    w.watcher.reset();
    const std::size_t before = w.sink.count;
    w.io.restart();
    w.io.poll();
    CHECK(w.sink.count == before);
  });
}
