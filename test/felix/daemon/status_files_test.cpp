#include "daemon/status_files.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::daemon;
namespace fs = std::filesystem;

namespace {

struct Directory {
  fs::path path;
  Directory() {
    char name[] = "/tmp/margay-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { fs::remove_all(path); }
  [[nodiscard]] std::string status() const { return (path / "endpoint-status").string(); }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::stringstream out;
    out << std::ifstream{path / "endpoint-status" / name}.rdbuf();
    return out.str();
  }
  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator{path / "endpoint-status"}) out.insert(entry.path().filename().string());
    return out;
  }
};

WorkloadEndpoint endpoint(const char* workload, const char* address = "10.65.0.2/32") {
  WorkloadEndpoint out;
  out.orchestrator = "k8s";
  out.workload = workload;
  out.endpoint = "eth0";
  out.interface_name = "cali1234";
  out.mac = Mac::parse("ee:ee:ee:ee:ee:ee");
  out.nets = {*Cidr::parse(address), *Cidr::parse("fd00::2/128")};
  return out;
}

Key key(const char* name) { return {Kind::WorkloadEndpoint, "default", name}; }

}  // namespace

TEST_CASE("a status file has Calico's name and JSON") {
  CHECK(status_file_name(endpoint("default/web-0")) == "k8s default%2Fweb-0 eth0");
  CHECK(status_file_name(endpoint("a b%\xc3\xa4")) == "k8s a%20b%25%C3%A4 eth0");
  CHECK(status_file_json(endpoint("default/web-0"), {}) ==
        R"({"ifaceName":"cali1234","mac":"ee:ee:ee:ee:ee:ee","ipv4Nets":["10.65.0.2/32"],"ipv6Nets":["fd00::2/128"]})");
  CHECK(status_file_json(WorkloadEndpoint{}, {}) == "{}");
  WorkloadEndpoint router;
  router.interface_name = "cali1";
  CHECK(status_file_json(router, "tor") == R"({"ifaceName":"cali1","bgpPeerName":"tor"})");
}

TEST_CASE("a file is there exactly while the endpoint is in force") {
  Directory dir;
  StatusFiles files{dir.status()};
  files.in_force(key("a"), endpoint("default/a"), {});
  files.in_force(key("b"), endpoint("default/b"), {});
  REQUIRE(files.publish());
  CHECK(dir.files() == std::set<std::string>{"k8s default%2Fa eth0", "k8s default%2Fb eth0"});
  struct stat info {};
  ::stat((dir.status() + "/k8s default%2Fa eth0").c_str(), &info);
  CHECK((info.st_mode & 0777) == 0644);
  files.not_in_force(key("a"));
  files.not_in_force(key("never"));
  REQUIRE(files.publish());
  CHECK(dir.files() == std::set<std::string>{"k8s default%2Fb eth0"});
  files.in_force(key("b"), endpoint("default/b", "10.65.0.9/32"), {});
  REQUIRE(files.publish());
  CHECK(dir.read("k8s default%2Fb eth0").find("10.65.0.9/32") != std::string::npos);
  CHECK_FALSE(files.pending());
}

TEST_CASE("after a restart stale files go once everything is known, and equal ones are not touched") {
  Directory dir;
  {
    StatusFiles before{dir.status()};
    before.in_force(key("a"), endpoint("default/a"), {});
    before.in_force(key("b"), endpoint("default/b"), {});
    REQUIRE(before.publish());
  }
  const std::string path = dir.status() + "/k8s default%2Fa eth0";
  struct stat first {
  }, second{};
  ::stat(path.c_str(), &first);
  StatusFiles after{dir.status()};
  after.in_force(key("a"), endpoint("default/a"), {});
  REQUIRE(after.publish());
  CHECK(dir.files().size() == 2);  // not complete yet: b may still come
  after.complete();
  REQUIRE(after.publish());
  CHECK(dir.files() == std::set<std::string>{"k8s default%2Fa eth0"});
  ::stat(path.c_str(), &second);
  CHECK(first.st_ino == second.st_ino);
}

TEST_CASE("two endpoints with one file name keep the file until both are gone") {
  Directory dir;
  StatusFiles files{dir.status()};
  files.in_force(key("a"), endpoint("default/same"), {});
  files.in_force(key("b"), endpoint("default/same"), {});
  files.not_in_force(key("a"));
  REQUIRE(files.publish());
  CHECK(dir.files().size() == 1);
  files.not_in_force(key("b"));
  REQUIRE(files.publish());
  CHECK(dir.files().empty());
}

TEST_CASE("a directory that cannot be written is tried again") {
  Directory dir;
  std::ofstream{dir.path / "endpoint-status"} << "in the way";
  StatusFiles files{dir.status()};
  files.in_force(key("a"), endpoint("default/a"), {});
  CHECK_FALSE(files.publish());
  CHECK(files.pending());
  fs::remove(dir.path / "endpoint-status");
  CHECK(files.publish());
  CHECK(dir.files().size() == 1);
}

TEST_CASE("the file changes with the BGPPeer that selects the endpoint") {
  Directory dir;
  StatusFiles files{dir.status()};
  const auto says = [&](std::string_view peer) {
    return dir.read("k8s default%2Fa eth0").find("\"bgpPeerName\":\"" + std::string{peer} + "\"") != std::string::npos;
  };
  files.in_force(key("a"), endpoint("default/a"), "tor");
  REQUIRE(files.publish());
  CHECK(says("tor"));
  files.in_force(key("a"), endpoint("default/a"), "another");
  CHECK(files.pending());
  REQUIRE(files.publish());
  CHECK(says("another"));
  files.in_force(key("a"), endpoint("default/a"), {});
  REQUIRE(files.publish());
  CHECK(dir.read("k8s default%2Fa eth0") == status_file_json(endpoint("default/a"), {}));
}
