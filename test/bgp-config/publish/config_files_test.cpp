#include "publish/config_files.hpp"

#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "datastore/temp_dir.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;

namespace {

const std::string kPeers = "peers-0123456789abcdef.conf", kOther = "routes-fedcba9876543210.conf";

Rendered rendered(const std::string& main, const std::vector<std::pair<std::string, std::string>>& parts) {
  Rendered out;
  out.main = main;
  for (const auto& [name, text] : parts) {
    auto file = std::make_shared<RenderedFile>();
    file->name = name;
    file->text = text;
    out.parts.push_back(file);
  }
  return out;
}
std::set<std::string> names(const std::string& directory) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator{directory}) out.insert(entry.path().filename().string());
  return out;
}
struct stat info(const std::string& path) {
  struct stat out {};
  REQUIRE(::stat(path.c_str(), &out) == 0);
  return out;
}

}  // namespace

TEST_CASE("a set is staged beside the live one, committed, and the old parts go when told") {
  const test::TempDir temp;
  BirdConfigDir dir{temp / "deep/bird/"};
  CHECK(dir.live_path() == temp / "deep/bird/bird.conf");
  CHECK_FALSE(dir.live_main());
  const Rendered a = rendered("main a", {{kPeers, "peers a"}, {kOther, "routes"}});
  REQUIRE(dir.stage(a));
  CHECK_FALSE(dir.live_main());
  CHECK(test::read_file(dir.staged_path()) == "main a");
  CHECK(test::read_file(temp / "deep/bird/" + kPeers) == "peers a");
  REQUIRE(dir.remember("note"));
  REQUIRE(dir.commit());
  CHECK(dir.live_main() == "main a");
  CHECK_FALSE(dir.remembered());  // it was of another
  CHECK(::access(dir.staged_path().c_str(), F_OK) != 0);
  REQUIRE(dir.remember("note a"));
  CHECK(dir.remembered() == "note a");

  const Rendered b = rendered("main b", {{"peers-1111111111111111.conf", "peers b"}, {kOther, "routes"}});
  test::write_file(temp / "deep/bird/envvars", "not ours");
  test::write_file(temp / "deep/bird/my-local.conf", "not ours");
  test::write_file(temp / "deep/bird/." + kPeers + ".tmp", "of a writer that died");
  const auto inode = info(temp / "deep/bird/" + kOther).st_ino;
  REQUIRE(dir.stage(b));
  CHECK(info(temp / "deep/bird/" + kOther).st_ino == inode);  // not written again
  dir.discard_unused(b);
  CHECK(names(temp / "deep/bird").contains("bird.conf"));
  REQUIRE(dir.commit());
  dir.discard_unused(b);
  CHECK(names(temp / "deep/bird") ==
        std::set<std::string>{"bird.conf", "envvars", "my-local.conf", kOther, "peers-1111111111111111.conf"});
}

TEST_CASE("parts that the live main names stay, whatever is said to be in force") {
  const test::TempDir temp;
  BirdConfigDir dir{temp.path()};
  REQUIRE(dir.stage(rendered("include \"" + temp.path() + "/" + kPeers + "\";", {{kPeers, "x"}})));
  REQUIRE(dir.commit());
  dir.discard_unused(rendered("", {}));
  CHECK(names(temp.path()) == std::set<std::string>{"bird.conf", kPeers});
}

TEST_CASE("nobody but BIRD's group may read, and what was damaged is written again") {
  const test::TempDir temp;
  BirdConfigDir dir{temp.path(), "daemon"};
  const Rendered a = rendered("main", {{kPeers, "password"}});
  const ::mode_t mask = ::umask(0);
  REQUIRE(dir.stage(a));
  ::umask(mask);
  const auto check = [&] {
    for (const std::string& path : {dir.staged_path(), temp / kPeers}) {
      CHECK((info(path).st_mode & 07777) == 0640);
      if (::geteuid() == 0) CHECK(info(path).st_gid == ::getgrnam("daemon")->gr_gid);
    }
  };
  check();
  REQUIRE(::chmod((temp / kPeers).c_str(), 0644) == 0);
  REQUIRE(dir.stage(a));
  check();
  test::write_file(temp / kPeers, "passwort");  // as long, but another
  REQUIRE(dir.stage(a));
  CHECK(test::read_file(temp / kPeers) == "password");
  std::filesystem::remove(temp / kPeers);
  test::write_file(temp / "elsewhere", "password");
  std::filesystem::create_symlink(temp / "elsewhere", temp / kPeers);
  REQUIRE(dir.stage(a));
  CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(temp / kPeers)));
  CHECK(test::read_file(temp / kPeers) == "password");
  BirdConfigDir none{temp / "none", "no-such-group"};
  CHECK(none.stage(a));
}

TEST_CASE("a full disk: nothing of the new set stays, the old one does") {
  const test::TempDir temp;
  BirdConfigDir dir{temp.path()};
  REQUIRE(dir.stage(rendered("main a", {{kPeers, "peers a"}})));
  REQUIRE(dir.commit());
  const auto before = names(temp.path());
  // The limit on a file's size stands in for the disk's.
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit small = old;
  small.rlim_cur = 1000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Status staged =
      dir.stage(rendered("main b", {{kOther, "small"}, {"peers-1111111111111111.conf", std::string(5000, 'x')}}));
  ::setrlimit(RLIMIT_FSIZE, &old);
  REQUIRE_FALSE(staged);
  CHECK(names(temp.path()) == before);
  CHECK(dir.live_main() == "main a");
}

TEST_CASE("errors name the file and their kind") {
  const test::TempDir temp;
  CHECK(BirdConfigDir{"relative"}.stage(rendered("", {})).error().code == ErrorCode::Invalid);
  CHECK(BirdConfigDir{temp / "a\"b"}.stage(rendered("", {})).error().code == ErrorCode::Invalid);
  BirdConfigDir dir{temp.path()};
  for (const char* name : {"peers.conf", "peers-xyz.conf", "../peers-0123456789abcdef.conf", "peers-0123456789ABCDEF.conf",
                           "bird.conf", "-0123456789abcdef.conf"}) {
    const Status staged = dir.stage(rendered("", {{name, ""}}));
    REQUIRE_FALSE(staged);
    CHECK(staged.error().text.find(name) != std::string::npos);
  }
  CHECK_FALSE(dir.commit());  // nothing staged
  test::write_file(temp / "file", "");
  CHECK_FALSE(BirdConfigDir{temp / "file/below"}.stage(rendered("", {})));
}

TEST_CASE("a file to start with, only where there is none") {
  const test::TempDir temp;
  BirdConfigDir dir{temp / "new"};
  REQUIRE(dir.bootstrap());
  REQUIRE(dir.live_main());
  CHECK(dir.live_main()->find("protocol device") != std::string::npos);
  test::write_file(dir.live_path(), "mine");
  REQUIRE(dir.bootstrap());
  CHECK(dir.live_main() == "mine");
}
