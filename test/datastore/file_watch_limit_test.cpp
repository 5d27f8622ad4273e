// No inotify watch left (fs.inotify.max_user_watches): said with its remedy, and what is not watched is read again and again.
// In a user namespace of its own, which has a limit of its own; the child's standard error is what an operator would read.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "file_index.hpp"
#include "file_world.hpp"

using namespace margay;
using namespace margay::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kLimit = "/proc/sys/user/max_inotify_watches";
constexpr int kSkip = 77;

bool set_limit(int watches) {
  std::ofstream file{kLimit};
  file << watches << std::flush;
  return file.good();
}

// Runs it in a child with `watches` watches; false if that cannot be had. What it says goes to `log`.
template <class Body>
bool with_watches(int watches, std::string& log, Body body) {
  TempDir dir;
  const std::string path = dir / "log";
  const uid_t uid = ::getuid();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER) != 0) ::_exit(kSkip);
    std::ofstream{"/proc/self/uid_map"} << "0 " << uid << " 1" << std::flush;
    if (!set_limit(watches)) ::_exit(kSkip);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || ::dup2(fd, STDERR_FILENO) < 0) ::_exit(kSkip);
    ::_exit(body());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkip) {
    std::cerr << "skipped: no user namespace with a limit of its own (" << kLimit << ")\n";
    return false;
  }
  log = read_file(path);
  INFO(log);
  CHECK(status == 0);  // the step that failed, times 256
  return true;
}

}  // namespace

TEST_CASE("without watches all is read, the limit to raise is named once, and changes are seen by reading again") {
  std::string log;
  const bool ran = with_watches(0, log, [] {
    FileWorld w;
    w.retry = 20ms;
    for (const char* name : {"a", "b", "c"}) write_file(w.in(std::string{name} + "/" + name + ".yaml"), set(name, "1"));
    w.start();
    if (!w.synced() || w.sink->values.size() != 3) return 1;
    replace_file(w.in("c/c.yaml"), set("c", "2"));
    if (!w.shows("c", "2")) return 2;
    fs::remove(w.in("b/b.yaml"));
    if (!w.shows("b", "-")) return 3;
    write_file(w.in("new/fresh.yaml"), set("fresh", "1"));
    if (!w.shows("fresh", "1")) return 4;
    return w.sink->in_sync() ? 0 : 5;
  });
  if (!ran) return;
  CHECK(log.find("raise the sysctl fs.inotify.max_user_watches") != std::string::npos);
  CHECK(log.find("read again every") != std::string::npos);
  const auto first = log.find("a directory is not watched");
  REQUIRE(first != std::string::npos);
  CHECK(log.find("a directory is not watched", first + 1) == std::string::npos);
}

TEST_CASE("a store without watches searches every file, and misses nothing") {
  std::string log;
  with_watches(0, log, [] {
    TempDir dir;
    write_file(dir / "d/a.yaml", set("a", "1"));
    datastore::FileIndex index{dir.path()};
    return index.files_of({Kind::GlobalNetworkSet, "", "a"}) == std::nullopt ? 0 : 1;
  });
}
