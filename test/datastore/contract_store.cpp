// The store's half of the contract (store.hpp), for every back end.
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "contract.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::test;
using nlohmann::json;

namespace {

const ObjectId kSet{Kind::GlobalNetworkSet, "", "s1"};

std::string object(const ObjectId& id, const json& spec) {
  json out{{"apiVersion", api_version(id.kind)}, {"kind", info(id.kind).name}, {"metadata", {{"name", id.name}}}, {"spec", spec}};
  if (!id.ns.empty()) out["metadata"]["namespace"] = id.ns;
  return out.dump();
}

template <class F>
void for_each_backend(F body) {
  for (const auto& [name, make] : backends()) {
    INFO("backend: " << name);
    const auto backend = make();
    body(*backend);
  }
}

ErrorCode code_of(const Status& status) {
  REQUIRE_FALSE(status.has_value());
  return status.error().code;
}
template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().code;
}

}  // namespace

TEST_CASE("contract: create, read, replace and remove by revision") {
  for_each_backend([](Backend& backend) {
    const auto store = backend.store();
    CHECK(code_of(store->get(kSet)) == ErrorCode::NotFound);
    CHECK(code_of(store->put_if(kSet, object(kSet, {{"v", "0"}}), "stale")) == ErrorCode::NotFound);
    CHECK(code_of(store->remove_if(kSet, std::nullopt)) == ErrorCode::NotFound);
    const auto created = store->put_if(kSet, object(kSet, {{"v", "1"}}), "");
    REQUIRE(created);
    CHECK(code_of(store->put_if(kSet, object(kSet, {{"v", "2"}}), "")) == ErrorCode::AlreadyExists);
    const auto read = store->get(kSet);
    REQUIRE(read);
    CHECK(read->revision == *created);
    CHECK(json::parse(read->json) == json::parse(object(kSet, {{"v", "1"}})));
    CHECK(read->location.find("s1") != std::string::npos);
    const auto replaced = store->put_if(kSet, object(kSet, {{"v", "2"}}), *created);
    REQUIRE(replaced);
    CHECK(*replaced != *created);
    CHECK(code_of(store->put_if(kSet, object(kSet, {{"v", "3"}}), *created)) == ErrorCode::Conflict);
    CHECK(code_of(store->remove_if(kSet, *created)) == ErrorCode::Conflict);
    REQUIRE(store->put_if(kSet, object(kSet, {{"v", "9"}}), std::nullopt));
    REQUIRE(store->remove_if(kSet, std::nullopt));
    CHECK(code_of(store->get(kSet)) == ErrorCode::NotFound);
    CHECK(code_of(store->put_if(kSet, "{", std::nullopt)) == ErrorCode::Invalid);
    CHECK(code_of(store->put_if(kSet, object({Kind::GlobalNetworkSet, "", "other"}, {}), std::nullopt)) == ErrorCode::Invalid);
  });
}

TEST_CASE("contract: a list is sorted and may be of one namespace") {
  for_each_backend([](Backend& backend) {
    const auto store = backend.store();
    for (const auto& [ns, name] : std::vector<std::pair<std::string, std::string>>{{"b", "x"}, {"a", "z"}, {"a", "y"}}) {
      const ObjectId id{Kind::NetworkSet, ns, name};
      REQUIRE(store->put_if(id, object(id, {{"v", ns + name}}), ""));
    }
    REQUIRE(store->put_if(kSet, object(kSet, {}), ""));
    const auto all = store->list(Kind::NetworkSet, "");
    REQUIRE(all);
    CHECK(all->unreadable.empty());
    REQUIRE(all->objects.size() == 3);
    CHECK(all->objects[0].id.name == "y");
    CHECK(all->objects[1].id.name == "z");
    CHECK(all->objects[2].id.ns == "b");
    const auto some = store->list(Kind::NetworkSet, "b");
    REQUIRE(some);
    CHECK(some->objects.size() == 1);
    CHECK(store->list(Kind::Pod, "")->objects.empty());
  });
}

TEST_CASE("contract: compare-and-swap by several processes loses nothing") {
  for_each_backend([](Backend& backend) {
    constexpr int kProcesses = 4, kSteps = 20;
    REQUIRE(backend.store()->put_if(kSet, object(kSet, {{"n", 0}}), ""));
    std::vector<pid_t> children;
    for (int p = 0; p < kProcesses; ++p) {
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        const auto store = backend.store();
        for (int step = 0; step < kSteps;) {
          const auto now = store->get(kSet);
          if (!now) ::_exit(1);
          const int n = json::parse(now->json)["spec"]["n"].get<int>();
          const auto put = store->put_if(kSet, object(kSet, {{"n", n + 1}}), now->revision);
          if (put) ++step;
          else if (put.error().code != ErrorCode::Conflict) ::_exit(2);
        }
        ::_exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = -1;
      ::waitpid(child, &status, 0);
      CHECK(status == 0);
    }
    CHECK(json::parse(backend.store()->get(kSet)->json)["spec"]["n"] == kProcesses * kSteps);
  });
}
