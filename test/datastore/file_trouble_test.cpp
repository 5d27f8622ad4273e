// The file datastore when the machine refuses: rights, disk, watches, sizes, and the ways a tree goes away.
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "digest.hpp"
#include "fd.hpp"
#include "file_world.hpp"
#include "last_valid_log.hpp"

using namespace margay;
using namespace margay::test;
using World = FileWorld;
using namespace std::chrono_literals;

namespace {

// Root reads everything; nobody does not.
class AsNobody {
 public:
  AsNobody() {
    if (::geteuid() == 0) restore_ = ::seteuid(65534) == 0;
  }
  ~AsNobody() {
    if (restore_ && ::seteuid(0) != 0) std::abort();
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  bool restore_ = false;
};

class Limit {
 public:
  Limit(int what, rlim_t soft) : what_{what} {
    ::getrlimit(static_cast<__rlimit_resource>(what_), &before_);
    rlimit now = before_;
    now.rlim_cur = soft;
    ::setrlimit(static_cast<__rlimit_resource>(what_), &now);
  }
  ~Limit() { ::setrlimit(static_cast<__rlimit_resource>(what_), &before_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  int what_;
  rlimit before_{};
};

struct UnprivilegedWorld : World {
  UnprivilegedWorld() {
    retry = 20ms;
    state = dir / "state";
    fs::create_directory(state);
    for (const std::string& path : {dir.path(), root}) ::chmod(path.c_str(), 0755);
    ::chmod(state.c_str(), 0777);
  }
  bool synced() {
    const AsNobody nobody;
    return World::synced();
  }
  bool shows(const std::string& name, const std::string& value) {
    const AsNobody nobody;
    return World::shows(name, value);
  }
  bool invalid(unsigned long long count) {
    const AsNobody nobody;
    return run_until(io, [&] { return watcher->stats().invalid_objects == count; });
  }
  void restart() {
    const AsNobody nobody;
    World::restart();
  }
};

std::string log_of(const World& w) { return w.state + "/last-valid.log"; }

}  // namespace

TEST_CASE("a file nobody may read keeps what it said, after a restart too, and is read when it may be") {
  UnprivilegedWorld w;
  write_file(w.in("a.yaml"), set("a", "1"));
  write_file(w.in("b.yaml"), set("b", "1"));
  w.restart();
  REQUIRE(w.synced());
  ::chmod(w.in("a.yaml").c_str(), 0);
  REQUIRE(w.invalid(1));
  w.restart();
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
  CHECK(w.watcher->stats().invalid_objects == 1);
  write_file(w.in("a.yaml"), set("a", "2"));
  ::chmod(w.in("a.yaml").c_str(), 0644);
  REQUIRE(w.shows("a", "2"));
  CHECK(w.watcher->stats().invalid_objects == 0);
}

TEST_CASE("a directory nobody may read keeps what its files said, after a restart too") {
  UnprivilegedWorld w;
  write_file(w.in("d/e/a.yaml"), set("a", "1"));
  write_file(w.in("b.yaml"), set("b", "1"));
  w.restart();
  REQUIRE(w.synced());
  std::string value = "1";
  for (const int mode : {0, 0644}) {  // not to be listed; to be listed but not looked into
    INFO("mode " << mode);
    ::chmod(w.in("d").c_str(), static_cast<mode_t>(mode));
    w.restart();
    REQUIRE(w.synced());
    CHECK(w.sink->values.at("GlobalNetworkSet a") == value);
    CHECK(w.sink->values.at("GlobalNetworkSet b") == "1");
    value = "after " + std::to_string(mode);
    write_file(w.in("d/e/a.yaml"), set("a", value));
    ::chmod(w.in("d").c_str(), 0755);
    REQUIRE(w.shows("a", value));
  }
}

TEST_CASE("a directory that was not readable and is removed takes its objects along") {
  UnprivilegedWorld w;
  write_file(w.in("d/a.yaml"), set("a", "1"));
  write_file(w.in("b.yaml"), set("b", "1"));
  w.restart();
  REQUIRE(w.synced());
  ::chmod(w.in("d").c_str(), 0);
  w.restart();
  REQUIRE(w.synced());
  CHECK(w.sink->values.contains("GlobalNetworkSet a"));
  fs::remove_all(w.in("d"));
  REQUIRE(w.shows("a", "-"));
}

TEST_CASE("a root nobody may read is an outage") {
  UnprivilegedWorld w;
  write_file(w.in("a.yaml"), set("a", "1"));
  ::chmod(w.root.c_str(), 0);
  w.restart();
  {
    const AsNobody nobody;
    REQUIRE(run_until(w.io, [&] { return w.sink->waiting(); }));
  }
  CHECK(w.sink->count == 0);
  ::chmod(w.root.c_str(), 0755);
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
}

TEST_CASE("a file over the size limit keeps what it said") {
  World w;
  write_file(w.in("a.yaml"), set("a", "1"));
  w.start();
  REQUIRE(w.synced());
  write_file(w.in("a.yaml.tmp"), set("a", "2"));
  fs::resize_file(w.in("a.yaml.tmp"), datastore::YamlLimits{}.bytes + 1);
  fs::rename(w.in("a.yaml.tmp"), w.in("a.yaml"));
  REQUIRE(run_until(w.io, [&] { return w.watcher->stats().invalid_objects == 1; }));
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
  replace_file(w.in("a.yaml"), set("a", "3"));
  REQUIRE(w.shows("a", "3"));
  CHECK(w.watcher->stats().invalid_objects == 0);
}

TEST_CASE("a large directory that is deleted goes whole, and the rest stays") {
  World w;
  for (int i = 0; i < 1500; ++i)
    write_file(w.in("d/n" + std::to_string(i % 30) + "/s" + std::to_string(i) + ".yaml"), set("s" + std::to_string(i), "1"));
  write_file(w.in("keep.yaml"), set("keep", "1"));
  w.start();
  REQUIRE(w.synced());
  REQUIRE(w.sink->values.size() == 1501);
  fs::remove_all(w.in("d"));
  REQUIRE(run_until(w.io, [&] { return w.sink->values.size() == 1; }));
  CHECK(w.watcher->stats().objects == 1);
  CHECK(w.sink->in_sync());
  write_file(w.in("d/n1/s1.yaml"), set("s1", "2"));
  REQUIRE(w.shows("s1", "2"));
}

TEST_CASE("a root that is renamed away deletes nothing; one that is replaced tells the differences") {
  World w;
  for (int i = 0; i < 500; ++i) write_file(w.in("s" + std::to_string(i) + ".yaml"), set("s" + std::to_string(i), "1"));
  w.start();
  REQUIRE(w.synced());
  const std::size_t before = w.sink->count;
  // In one turn: never an outage.
  fs::create_directory(w.dir / "next");
  for (int i = 1; i < 500; ++i) write_file(w.dir / "next/s" + std::to_string(i) + ".yaml", set("s" + std::to_string(i), "1"));
  write_file(w.dir / "next/new.yaml", set("new", "1"));
  fs::rename(w.root, w.dir / "old");
  fs::rename(w.dir / "next", w.root);
  REQUIRE(w.shows("new", "1"));
  REQUIRE(w.shows("s0", "-"));
  CHECK(w.sink->count == before + 2);
  // An outage in which the objects are deleted, but not from what is in force.
  fs::rename(w.root, w.dir / "gone");
  REQUIRE(run_until(w.io, [&] { return w.sink->waiting(); }));
  fs::remove_all(w.dir / "gone");
  fs::create_directory(w.root);
  run_until(
      w.io, [] { return false; }, 60ms);
  CHECK(w.sink->waiting());
  CHECK(w.sink->count == before + 2);
  write_file(w.in("a.yaml"), set("a", "1"));
  REQUIRE(w.synced());
  CHECK(w.sink->values == std::map<std::string, std::string>{{"GlobalNetworkSet a", "1"}});
}

TEST_CASE("a disk that is full under the log is tried again, and nothing else suffers") {
  ::signal(SIGXFSZ, SIG_IGN);
  World w;
  w.state = w.dir / "state";
  w.retry = 20ms;
  const std::string padding = "more: " + std::string(20'000, 'x');
  write_file(w.in("a.yaml"), set("a", "1", padding));
  w.start();
  REQUIRE(w.synced());
  const auto size = fs::file_size(log_of(w));
  REQUIRE(size > 20'000);
  {
    const Limit full{RLIMIT_FSIZE, size};
    replace_file(w.in("a.yaml"), set("a", "2"));
    REQUIRE(w.shows("a", "2"));
    REQUIRE(w.settled());
    CHECK(fs::file_size(log_of(w)) == size);
  }
  REQUIRE(run_until(w.io, [&] { return fs::file_size(log_of(w)) > size; }));
  replace_file(w.in("a.yaml"), "kind: [\n");
  w.restart();
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "2");
}

TEST_CASE("a log that cannot be made is made later, with all that is in force") {
  World w;
  w.state = w.dir / "state";
  w.retry = 20ms;
  write_file(w.state, "in the way");
  write_file(w.in("a.yaml"), set("a", "1"));
  write_file(w.in("b.yaml"), set("b", "1"));
  w.start();
  REQUIRE(w.synced());
  replace_file(w.in("b.yaml"), "kind: [\n");  // what it said is nowhere but here
  REQUIRE(run_until(w.io, [&] { return w.watcher->stats().invalid_objects == 1; }));
  fs::remove(w.state);
  REQUIRE(run_until(w.io, [&] { return fs::exists(log_of(w)) && fs::file_size(log_of(w)) > 80; }));
  replace_file(w.in("a.yaml"), "kind: [\n");
  w.restart();
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
}

TEST_CASE("no inotify instance left: the store is waited for, not guessed at") {
  World w;
  w.retry = 20ms;
  write_file(w.in("a.yaml"), set("a", "1"));
  w.start();
  {
    const Limit none{RLIMIT_NOFILE, 3};
    REQUIRE(run_until(w.io, [&] { return w.sink->waiting(); }));
  }
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
}

TEST_CASE("the last inotify instance is taken while files can be read: nothing is told that could not be watched") {
  if (::geteuid() != 0) {  // the limit is per user: taking our own would disturb others
    WARN("skipped: needs root");
    return;
  }
  World w;
  w.retry = 20ms;
  write_file(w.in("a.yaml"), set("a", "1"));
  for (const std::string& path : {w.dir.path(), w.root}) ::chmod(path.c_str(), 0755);
  constexpr uid_t kUnused = 64'321;
  std::vector<datastore::Fd> taken;
  REQUIRE(::seteuid(kUnused) == 0);
  for (;;) {
    datastore::Fd fd{::inotify_init1(IN_CLOEXEC)};
    if (fd.get() < 0) break;
    taken.push_back(std::move(fd));
  }
  w.start();
  const bool waits = run_until(w.io, [&] { return !w.sink->states.empty(); }) && w.sink->waiting() && w.sink->count == 0;
  taken.clear();
  const bool synced = w.synced();
  REQUIRE(::seteuid(0) == 0);
  CHECK(waits);
  REQUIRE(synced);
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
}

TEST_CASE("a root that comes back is whole only after a while of quiet") {
  World w;
  for (const char* name : {"a", "b"}) write_file(w.in(std::string{name} + ".yaml"), set(name, "1"));
  w.start();
  REQUIRE(w.synced());
  fs::rename(w.root, w.dir / "gone");
  REQUIRE(run_until(w.io, [&] { return w.sink->waiting(); }));
  fs::create_directory(w.dir / "next");
  write_file(w.dir / "next/a.yaml", set("a", "1"));
  const auto back = std::chrono::steady_clock::now();
  fs::rename(w.dir / "next", w.root);
  REQUIRE(run_until(w.io, [&] { return !w.sink->waiting(); }));
  write_file(w.in("b.yaml"), set("b", "1"));  // what was not there at first
  REQUIRE(w.synced());
  CHECK(std::chrono::steady_clock::now() - back >= 500ms);
  CHECK(w.shows("b", "1"));
}

TEST_CASE("the log is compacted while the daemon runs, and says the same afterwards") {
  World w;
  w.state = w.dir / "state";
  const std::string padding = "more: " + std::string(1 << 20, 'x');
  write_file(w.in("a.yaml"), set("a", "0"));
  write_file(w.in("b.yaml"), set("b", "kept"));
  w.start();
  REQUIRE(w.synced());
  for (int i = 1; i <= 14; ++i) {
    replace_file(w.in("a.yaml"), set("a", std::to_string(i), padding));
    REQUIRE(w.shows("a", std::to_string(i)));
  }
  CHECK(fs::file_size(log_of(w)) < 8u << 20);
  replace_file(w.in("a.yaml"), "kind: [\n");
  replace_file(w.in("b.yaml"), "kind: [\n");
  REQUIRE(run_until(w.io, [&] { return w.watcher->stats().invalid_objects == 2; }));
  w.restart();
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "14");
  CHECK(w.sink->values.at("GlobalNetworkSet b") == "kept");
}

TEST_CASE("a compaction leaves out what is gone, and fails without harm") {
  TempDir dir;
  using datastore::LastValidLog;
  const std::string big(1 << 20, 'x');
  LastValidLog log;
  REQUIRE(log.open(dir.path(), "here"));
  LastValidLog::Place a = log.append("a", "one", datastore::digest64("one"), 0), b{};
  for (int i = 0; i < 9; ++i) b = log.append("b", big, datastore::digest64(big), b.offset);
  REQUIRE(log.flush());
  REQUIRE(log.wants_compaction());
  const auto live = [&](const LastValidLog::Visit& visit) {
    visit("a", a);
    visit("b", b);
  };
  fs::create_directory(dir / "last-valid.log.tmp");
  CHECK_FALSE(log.compact(live));
  CHECK(log.read(b).value() == big);
  fs::remove(dir / "last-valid.log.tmp");
  REQUIRE(log.compact(live));
  CHECK_FALSE(log.wants_compaction());
  CHECK(fs::file_size(dir / "last-valid.log") < 2u << 20);
  CHECK(log.read(a).value() == "one");
  CHECK(log.read(b).value() == big);
}

TEST_CASE("a record whose path was damaged ends the log: it is no other file's") {
  TempDir dir;
  using datastore::LastValidLog;
  {
    LastValidLog log;
    REQUIRE(log.open(dir.path(), "here"));
    for (const char* path : {"a-path", "b-path"}) (void)log.append(path, "one", datastore::digest64("one"), 0);
    REQUIRE(log.flush());
  }
  std::string bytes = read_file(dir / "last-valid.log");
  bytes[bytes.find("b-path")] = 'c';
  write_file(dir / "last-valid.log", bytes);
  LastValidLog log;
  REQUIRE(log.open(dir.path(), "here"));
  CHECK(log.take_earlier("a-path").offset != 0);
  CHECK(log.take_earlier("b-path").offset == 0);
  CHECK(log.take_earlier("c-path").offset == 0);
}

TEST_CASE("what the log was told to forget is not there at the next start") {
  TempDir dir;
  using datastore::LastValidLog;
  {
    LastValidLog log;
    REQUIRE(log.open(dir.path(), "here"));
    const auto place = log.append("a", "one", datastore::digest64("one"), 0);
    log.forget("a", place.offset);
    REQUIRE(log.flush());
  }
  LastValidLog log;
  REQUIRE(log.open(dir.path(), "here"));
  CHECK(log.take_earlier("a").offset == 0);
}

TEST_CASE("another process reads the last valid forms beside the one that writes them") {
  World writer;
  writer.state = writer.dir / "state";
  write_file(writer.in("a.yaml"), set("a", "1"));
  write_file(writer.in("b.yaml"), set("b", "1"));
  writer.start();
  REQUIRE(writer.synced());
  replace_file(writer.in("a.yaml"), "kind: [\n");
  REQUIRE(run_until(writer.io, [&] { return writer.watcher->stats().invalid_objects == 1; }));
  const std::string log = read_file(log_of(writer));
  const auto read = [&](const std::string& state) {
    boost::asio::io_context io;
    RecordingSink sink;
    const auto watcher = datastore::make_file_source({writer.root, state, fake_decoder(), {}, true}, io, sink);
    watcher->start();
    REQUIRE(run_until(io, [&] { return sink.in_sync(); }));
    return sink.values;
  };
  CHECK(read(writer.state) == writer.sink->values);
  CHECK(read_file(log_of(writer)) == log);
  // A log that is not there is not made.
  CHECK(read(writer.dir / "nowhere") == std::map<std::string, std::string>{{"GlobalNetworkSet b", "1"}});
  CHECK_FALSE(fs::exists(writer.dir / "nowhere"));
  fs::create_directory(writer.dir / "empty");
  (void)read(writer.dir / "empty");
  CHECK(fs::is_empty(writer.dir / "empty"));
  // It holds no lock: the writer comes and goes.
  datastore::LastValidLog reader;
  REQUIRE(reader.open(writer.state, writer.root, datastore::LastValidLog::Mode::Read));
  writer.restart();
  REQUIRE(writer.synced());
  CHECK(writer.sink->values.at("GlobalNetworkSet a") == "1");
}
