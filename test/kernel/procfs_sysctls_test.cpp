#include "procfs_sysctls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::kernel;
namespace fs = std::filesystem;

namespace {

struct Root {
  Root() {
    char name[] = "/tmp/margay-sysctls-XXXXXX";
    path = ::mkdtemp(name);
    fs::create_directories(path / "root/net/ipv4/conf/cali1.100");
    put("root/net/ipv4/conf/cali1.100/proxy_arp", "0\n");
    put("outside", "secret\n");
  }
  ~Root() { fs::remove_all(path); }
  void put(const std::string& file, const std::string& text) const { std::ofstream{path / file} << text; }
  [[nodiscard]] std::string get(const std::string& file) const {
    std::ifstream in{path / file};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  [[nodiscard]] ProcfsSysctls sysctls() const { return ProcfsSysctls{(path / "root").string()}; }
  fs::path path;
};

}  // namespace

TEST_CASE("a sysctl is written when it differs and left alone when it does not") {
  const Root root;
  auto sysctls = root.sysctls();
  const std::string name = "net/ipv4/conf/cali1.100/proxy_arp";
  CHECK(sysctls.read(name).value() == "0");
  REQUIRE(sysctls.write(name, "1"));
  CHECK(root.get("root/" + name) == "1\n");
  // A file is written or not: its time of modification tells.
  const auto file = root.path / "root" / name;
  fs::last_write_time(file, fs::file_time_type{});
  REQUIRE(sysctls.write(name, "1"));
  CHECK(fs::last_write_time(file) == fs::file_time_type{});
  REQUIRE(sysctls.write(name, "2"));
  CHECK(fs::last_write_time(file) != fs::file_time_type{});
  root.put("root/tcp_rmem", "4096\t87380\t6291456\n");
  fs::last_write_time(root.path / "root/tcp_rmem", fs::file_time_type{});
  REQUIRE(sysctls.write("tcp_rmem", "4096 87380 6291456"));
  CHECK(fs::last_write_time(root.path / "root/tcp_rmem") == fs::file_time_type{});
}

TEST_CASE("paths that would leave the root are refused") {
  const Root root;
  auto sysctls = root.sysctls();
  fs::create_symlink(root.path / "outside", root.path / "root/link");
  for (const std::string path :
       {"", "/", "../outside", "net/../../outside", "net//ipv4", "/net", "net/", ".", "net/./ipv4", "link"}) {
    CAPTURE(path);
    CHECK(sysctls.read(path).error().code == ErrorCode::Invalid);
    CHECK(sysctls.write(path, "1").error().code == ErrorCode::Invalid);
  }
  CHECK(sysctls.read(std::string_view{"net\0x", 5}).error().code == ErrorCode::Invalid);
  CHECK(root.get("outside") == "secret\n");
}

TEST_CASE("a sysctl that is not there is NotFound and is not made") {
  const Root root;
  auto sysctls = root.sysctls();
  CHECK(sysctls.read("net/ipv4/conf/cali2/proxy_arp").error().code == ErrorCode::NotFound);
  CHECK(sysctls.write("net/ipv4/conf/cali1.100/other", "1").error().code == ErrorCode::NotFound);
  CHECK_FALSE(fs::exists(root.path / "root/net/ipv4/conf/cali1.100/other"));
  CHECK(sysctls.read("net").error().code == ErrorCode::Invalid);  // a directory
}
