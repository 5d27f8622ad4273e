#include "daemon/config_watch.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::daemon;

namespace {

Update configuration(const char* name, std::map<std::string, std::string> parameters, const char* selector = nullptr,
                     const char* created = "") {
  auto value = std::make_shared<FelixConfiguration>();
  value->parameters = std::move(parameters);
  if (selector) value->node_selector = *Selector::parse(selector);
  value->creation_timestamp = created;
  return {{Kind::FelixConfiguration, {}, name}, Resource{Ref<FelixConfiguration>{value}}, {}};
}

Update node(const char* name, Labels labels) {
  auto value = std::make_shared<Node>();
  value->labels = std::move(labels);
  return {{Kind::Node, {}, name}, Resource{Ref<Node>{value}}, {}};
}

std::string prefix(const ConfigWatch& watch) { return watch.resolve().config.rules.log_prefix; }

}  // namespace

TEST_CASE("per node before per selector before default, environment before all") {
  ConfigWatch watch{"n1", {}, {}, ""};
  CHECK(watch.on_update(configuration("default", {{"LogPrefix", "default"}})));
  CHECK(prefix(watch) == "default");
  watch.on_update(configuration("rack", {{"LogPrefix", "rack"}}, "rack == '1'"));
  CHECK(prefix(watch) == "default");
  CHECK(watch.on_update(node("n1", {{"rack", "1"}})));
  CHECK_FALSE(watch.on_update(node("n2", {{"rack", "1"}})));
  CHECK(prefix(watch) == "rack");
  watch.on_update(configuration("node.n1", {{"LogPrefix", "own"}}));
  watch.on_update(configuration("node.n2", {{"LogPrefix", "other"}}));
  CHECK(prefix(watch) == "own");
  watch.set_file({{"LogPrefix", "file"}}, "margay.conf");
  CHECK(prefix(watch) == "file");
  CHECK(prefix(ConfigWatch{"n1", {{"LOGPREFIX", "env"}}, {{"LogPrefix", "file"}}, "f"}) == "env");
  watch.set_file({}, "");
  watch.on_update({{Kind::FelixConfiguration, {}, "node.n1"}, std::nullopt, {}});
  CHECK(prefix(watch) == "rack");
  CHECK(watch.on_update({{Kind::Node, {}, "n1"}, std::nullopt, {}}));
  CHECK(prefix(watch) == "default");
}

TEST_CASE("of several that select the node the oldest decides") {
  ConfigWatch watch{"n1", {}, {}, ""};
  watch.on_update(configuration("b", {{"LogPrefix", "b"}}, "all()", "2026-01-02T00:00:00Z"));
  watch.on_update(configuration("c", {{"LogPrefix", "c"}}, "all()", "2026-01-01T00:00:00Z"));
  CHECK(prefix(watch) == "c");
  watch.on_update(configuration("a", {{"LogPrefix", "a"}}, "all()", "2026-01-01T00:00:00Z"));
  CHECK(prefix(watch) == "a");
}
