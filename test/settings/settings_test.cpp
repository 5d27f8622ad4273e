#include "margay/settings/settings.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::settings;

namespace {

NodeFile file_of(std::string_view text) {
  auto file = parse_node_file("margay.conf", text);
  INFO((file ? std::string{} : file.error().text));
  REQUIRE(file);
  return *file;
}

std::string error_of(std::string_view text) {
  auto file = parse_node_file("margay.conf", text);
  REQUIRE_FALSE(file);
  return file.error().text;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the node's name comes from the flag, then the environment, then the file, then the hostname") {
  const NodeFile file = file_of("[node]\nname = from-file\n");
  const Environment all{{"MARGAY_NODE", "margay"}, {"FELIX_FELIXHOSTNAME", "felix"}, {"NODENAME", "nodename"}};
  CHECK(resolve({.node = "flag"}, all, &file, "HOST")->node == "flag");
  CHECK(resolve({}, all, &file, "HOST")->node == "margay");
  CHECK(resolve({}, {{"FELIX_FELIXHOSTNAME", "felix"}, {"NODENAME", "nodename"}}, &file, "HOST")->node == "felix");
  CHECK(resolve({}, {{"NODENAME", "nodename"}}, &file, "HOST")->node == "nodename");
  CHECK(resolve({}, {}, &file, "HOST")->node == "from-file");
  CHECK(resolve({}, {}, nullptr, "HOST.Example")->node == "host.example");
}

TEST_CASE("a node name that could leave its directory is refused") {
  for (const char* name : {"", "..", "a/b", "A", "a b", "\n"}) {
    INFO(name);
    CHECK_FALSE(resolve({.node = name}, {}, nullptr, "h"));
  }
}

TEST_CASE("state and run directories are per node unless the file says otherwise") {
  const auto plain = resolve({.node = "n1"}, {}, nullptr, "h");
  CHECK(plain->state_dir == "/var/lib/margay/n1");
  CHECK(plain->run_dir == "/run/margay/n1");
  const NodeFile file = file_of("[node]\nstate_dir = /s\nrun_dir = /r\n");
  CHECK(resolve({}, {}, &file, "h")->state_dir == "/s");
  CHECK(resolve({}, {}, &file, "h")->run_dir == "/r");
}

TEST_CASE("the datastore's URL: flag, MARGAY_DATASTORE, Calico's variables, file, default") {
  const NodeFile file = file_of("[datastore]\nurl = file:///f\nca_file = /ca\n");
  const Environment calico{{"DATASTORE_TYPE", "etcdv3"}, {"ETCD_ENDPOINTS", "https://a:2379, https://b:2379/"}};
  Environment both = calico;
  both["MARGAY_DATASTORE"] = "file:///env";
  CHECK(resolve({.datastore = "file:///flag"}, both, &file, "h")->datastore.url == "file:///flag");
  CHECK(resolve({}, both, &file, "h")->datastore.url == "file:///env");
  CHECK(resolve({}, calico, &file, "h")->datastore.url == "etcds://a:2379,b:2379");
  CHECK(resolve({}, {}, &file, "h")->datastore.url == "file:///f");
  CHECK(resolve({}, {}, &file, "h")->datastore.ca_file == "/ca");
  CHECK(resolve({}, {}, nullptr, "h")->datastore.url == "file:///etc/margay/resources");
  CHECK(resolve({}, {{"FELIX_DATASTORETYPE", "kubernetes"}}, nullptr, "h")->datastore.url == "kubernetes:");
  CHECK(resolve({}, {{"FELIX_DATASTORETYPE", "etcdv3"}, {"FELIX_ETCDADDR", "e:1"}}, nullptr, "h")->datastore.url == "etcd://e:1");
}

TEST_CASE("mixed or schemeless etcd endpoints and unknown datastore types are errors") {
  CHECK_FALSE(resolve({}, {{"ETCD_ENDPOINTS", "http://a:1,https://b:2"}}, nullptr, "h"));
  CHECK_FALSE(resolve({}, {{"ETCD_ENDPOINTS", "a:1"}}, nullptr, "h"));
  CHECK_FALSE(resolve({}, {{"DATASTORE_TYPE", "zookeeper"}}, nullptr, "h"));
}

TEST_CASE("FELIX_ variables become parameters in any case, but for those that say where the datastore is") {
  const auto settings =
      resolve({}, {{"FELIX_IPTABLESMARKMASK", "0xff"}, {"felix_LogPrefix", "x"}, {"FELIX_ETCDADDR", "e"}}, nullptr, "h");
  CHECK(settings->felix_environment == std::map<std::string, std::string>{{"IPTABLESMARKMASK", "0xff"}, {"LogPrefix", "x"}});
}

TEST_CASE("a log level nobody knows is an error that names its source, also where a better source overrides it") {
  const auto bad = resolve({.log_level = "info"}, {{"MARGAY_LOG_LEVEL", "loud"}}, nullptr, "h");
  REQUIRE_FALSE(bad);
  CHECK(contains(bad.error().text, "MARGAY_LOG_LEVEL"));
  CHECK(resolve({.log_level = "warning"}, {{"MARGAY_LOG_LEVEL", "debug"}}, nullptr, "h")->log_level == log::Level::Warning);
  CHECK_FALSE(resolve({}, {}, nullptr, "h")->log_level);
}

TEST_CASE("the file: comments, every section, and what it refuses") {
  const NodeFile file = file_of("# comment\n; another\n[node]\nname = n\n\n[felix]\nLogPrefix = a b\n[bgp]\nhealth_port = 0\n");
  CHECK(file.sections.at("felix").at("LogPrefix") == "a b");
  CHECK(resolve({}, {}, &file, "h")->bgp.health_port == 0);

  CHECK(contains(error_of("[nodes]\nname = x\n"), "unknown section [nodes]"));
  CHECK(contains(error_of("[node]\nnmae = x\n"), "unknown key \"nmae\""));
  CHECK(contains(error_of("name = x\n"), "before any section"));
  CHECK(contains(error_of("[node]\nname\n"), "margay.conf:2"));
  CHECK(contains(error_of("[node]\nname = a\nname = b\n"), "margay.conf:3"));
  const NodeFile port = file_of("[bgp]\nhealth_port = 70000\n");
  CHECK_FALSE(resolve({}, {}, &port, "h"));
}

TEST_CASE("a configuration file that was named must be there") {
  const auto settings = read_settings({.config = "/nonexistent/margay.conf"});
  REQUIRE_FALSE(settings);
  CHECK(settings.error().code == ErrorCode::NotFound);
}
