// What only the file datastore has: links, renames, half-written files, and last valid forms over a restart.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

#include "file_world.hpp"
#include "last_valid_log.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::test;
using World = FileWorld;

TEST_CASE("a ConfigMap-style swap behind a hidden link is seen") {
  World w;
  write_file(w.in("..2024_1/a.yaml"), set("a", "1"));
  fs::create_symlink("..2024_1", w.in("..data"));
  fs::create_symlink("..data/a.yaml", w.in("a.yaml"));
  w.start();
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
  write_file(w.in("..2024_2/a.yaml"), set("a", "2"));
  fs::create_symlink("..2024_2", w.in("..data_tmp"));
  fs::rename(w.in("..data_tmp"), w.in("..data"));
  fs::remove_all(w.in("..2024_1"));
  REQUIRE(w.shows("a", "2"));
  // And once more: the way is watched anew.
  write_file(w.in("..2024_3/a.yaml"), set("a", "3"));
  fs::create_symlink("..2024_3", w.in("..data_tmp"));
  fs::rename(w.in("..data_tmp"), w.in("..data"));
  REQUIRE(w.shows("a", "3"));
}

TEST_CASE("the root and a directory in it may be links that are swapped atomically") {
  World w;
  write_file(w.dir / "v1/a.yaml", set("a", "1"));
  write_file(w.dir / "v1/only1.yaml", set("only1", "1"));
  write_file(w.dir / "v2/a.yaml", set("a", "2"));
  write_file(w.in("own.yaml"), set("own", "1"));
  fs::create_directory_symlink(w.dir / "v1", w.in("sub"));
  w.start();
  REQUIRE(w.synced());
  CHECK(w.sink->values.size() == 3);
  fs::create_directory_symlink(w.dir / "v2", w.in("sub.tmp"));
  fs::rename(w.in("sub.tmp"), w.in("sub"));
  REQUIRE(w.shows("a", "2"));
  REQUIRE(w.shows("only1", "-"));
  for (const auto& line : w.sink->history) CHECK(line != "GlobalNetworkSet a=-");
  write_file(w.dir / "v2/late.yaml", set("late", "1"));
  REQUIRE(w.shows("late", "1"));

  World r;
  fs::remove_all(r.root);
  write_file(r.dir / "v1/a.yaml", set("a", "1"));
  write_file(r.dir / "v2/a.yaml", set("a", "2"));
  fs::create_directory_symlink("v1", r.root);
  r.start();
  REQUIRE(r.synced());
  fs::create_directory_symlink("v2", r.root + ".tmp");
  fs::rename(r.root + ".tmp", r.root);
  REQUIRE(r.shows("a", "2"));
}

TEST_CASE("a missing root is waited for however deep, without polling") {
  World w;
  fs::remove_all(w.root);
  w.root = w.dir / "x/y/z";
  w.start();
  REQUIRE(run_until(w.io, [&] { return w.sink->waiting(); }));
  fs::create_directories(w.dir / "x");
  fs::create_directories(w.dir / "x/y");
  write_file(w.dir / "new/a.yaml", set("a", "1"));
  fs::rename(w.dir / "new", w.root);
  REQUIRE(w.synced());
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
}

TEST_CASE("a file counts when its writer closes it") {
  World w;
  write_file(w.in("keep.yaml"), set("keep", "1"));
  w.start();
  REQUIRE(w.synced());
  const int fd = ::open(w.in("half.yaml").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const std::string first = set("a", "1"), second = "---\n" + set("b", "1");
  REQUIRE(::write(fd, first.data(), first.size()) == static_cast<ssize_t>(first.size()));
  REQUIRE(w.settled());
  run_until(
      w.io, [] { return false; }, std::chrono::milliseconds{60});  // past the look at newly made files
  CHECK_FALSE(w.sink->values.contains("GlobalNetworkSet a"));
  REQUIRE(::write(fd, second.data(), second.size()) == static_cast<ssize_t>(second.size()));
  ::close(fd);
  REQUIRE(w.shows("a", "1"));
  CHECK(w.sink->values.contains("GlobalNetworkSet b"));
  fs::create_hard_link(w.in("half.yaml"), w.in("linked.yaml"));
  fs::remove(w.in("half.yaml"));
  REQUIRE(w.settled());
  CHECK(w.sink->values.contains("GlobalNetworkSet a"));
}

TEST_CASE("renames, editors and moves of directories do not flap") {
  World w;
  write_file(w.in("d/a.yaml"), set("a", "1"));
  write_file(w.in("d/b.yaml"), set("b", "1"));
  w.start();
  REQUIRE(w.synced());
  fs::rename(w.in("d/a.yaml"), w.in("d/c.yaml"));
  REQUIRE(w.settled());
  fs::rename(w.in("d"), w.in("e"));
  REQUIRE(w.settled());
  fs::rename(w.in("e/b.yaml"), w.in("e/b.yaml~"));  // an editor's back-up, then the new file
  write_file(w.in("e/b.yaml"), set("b", "2"));
  REQUIRE(w.shows("b", "2"));
  fs::remove(w.in("e/b.yaml"));
  write_file(w.in("e/b.yaml"), set("b", "3"));
  REQUIRE(w.shows("b", "3"));
  REQUIRE(w.settled());
  for (const auto& line : w.sink->history) CHECK(line.find("=-") == std::string::npos);
  CHECK(w.sink->values.size() == 3);
}

TEST_CASE("a file renamed between the listing of its directory and its reading is there at in-sync") {
  World w;
  write_file(w.in("a.yaml"), set("a", "1"));
  write_file(w.in("m.yaml"), set("m", "1"));
  w.sink = std::make_unique<RecordingSink>();
  datastore::Decoder decoder = fake_decoder();
  // Reading a: the directory was listed, m is next. Its new name sorts before what was read.
  decoder.identify = [&w, inner = decoder.identify](const auto& manifest) {
    if (fs::exists(w.in("m.yaml"))) fs::rename(w.in("m.yaml"), w.in("0.yaml"));
    return inner(manifest);
  };
  w.watcher = datastore::make_file_source({w.root, w.state, decoder, {}}, w.io, *w.sink);
  w.watcher->start();
  REQUIRE(w.synced());
  CHECK(w.sink->values.contains("GlobalNetworkSet m"));
}

TEST_CASE("new directories, hidden and temporary names, strange files") {
  World w;
  write_file(w.in("a.yaml"), set("a", "1"));
  write_file(w.in(".hidden.yaml"), set("h1", "1"));
  write_file(w.in(".git/x.yaml"), set("h2", "1"));
  write_file(w.in("x.yaml~"), set("h3", "1"));
  write_file(w.in("x.yaml.tmp"), set("h4", "1"));
  write_file(w.in("notes.txt"), set("h5", "1"));
  REQUIRE(::mkfifo(w.in("pipe.yaml").c_str(), 0600) == 0);
  fs::create_directory_symlink(".", w.in("circle"));
  w.start();
  REQUIRE(w.synced());
  CHECK(w.sink->values.size() == 1);
  write_file(w.in("deep/er/b.yml"), set("b", "1"));
  write_file(w.in("deep/c.json"),
             R"({"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkSet","metadata":{"name":"c"},"spec":{"v":"1"}})");
  REQUIRE(w.shows("b", "1"));
  REQUIRE(w.shows("c", "1"));
  fs::remove_all(w.in("deep"));
  REQUIRE(w.shows("b", "-"));
  REQUIRE(w.shows("c", "-"));
  CHECK(w.sink->in_sync());
}

TEST_CASE("a secret is refused in a file that others may read") {
  World w;
  write_file(w.in("s.yaml"), manifest("Secret", "s", "1"));
  ::chmod(w.in("s.yaml").c_str(), 0644);
  w.start();
  REQUIRE(w.synced());
  CHECK(w.watcher->stats().invalid_objects == 1);
  ::chmod(w.in("s.yaml").c_str(), 0640);
  REQUIRE(run_until(w.io, [&] { return w.watcher->stats().invalid_objects == 0; }));
}

TEST_CASE("what a file last said validly stays in force, after a restart too") {
  World w;
  w.state = w.dir / "state/node";
  write_file(w.in("a.yaml"), set("a", "1"));
  write_file(w.in("two.yaml"), set("p", "1") + "---\n" + set("q", "1"));
  write_file(w.in("gone.yaml"), set("gone", "1"));
  w.start();
  REQUIRE(w.synced());
  // Broken while it runs, half broken while it runs.
  replace_file(w.in("a.yaml"), "kind: [\n");
  replace_file(w.in("two.yaml"), set("p", "2") + "---\n" + set("q", "2", "bad: 1"));
  REQUIRE(w.shows("p", "2"));
  CHECK(w.sink->values.at("GlobalNetworkSet a") == "1");
  CHECK(w.sink->values.at("GlobalNetworkSet q") == "1");
  w.restart();
  REQUIRE(w.synced());
  const std::map<std::string, std::string> want{
      {"GlobalNetworkSet a", "1"}, {"GlobalNetworkSet p", "2"}, {"GlobalNetworkSet q", "1"}, {"GlobalNetworkSet gone", "1"}};
  CHECK(w.sink->values == want);
  CHECK(w.watcher->stats().invalid_objects == 2);
  // Broken, emptied and removed while it does not run.
  w.watcher.reset();
  replace_file(w.in("two.yaml"), "");
  fs::remove(w.in("gone.yaml"));
  w.start();
  REQUIRE(w.synced());
  CHECK(w.sink->values == std::map<std::string, std::string>{
                              {"GlobalNetworkSet a", "1"}, {"GlobalNetworkSet p", "2"}, {"GlobalNetworkSet q", "1"}});
  replace_file(w.in("a.yaml"), set("a", "5"));
  REQUIRE(w.shows("a", "5"));
  // A removed object does not rise again when its file comes back broken.
  fs::remove(w.in("a.yaml"));
  REQUIRE(w.shows("a", "-"));
  w.watcher.reset();
  replace_file(w.in("a.yaml"), "kind: [\n");
  w.start();
  REQUIRE(w.synced());
  CHECK_FALSE(w.sink->values.contains("GlobalNetworkSet a"));
}

TEST_CASE("the log of last valid forms survives a torn tail, foreign content and compaction") {
  TempDir dir;
  const std::string file = dir / "last-valid.log";
  using datastore::LastValidLog;
  const std::string big(1 << 20, 'x');
  {
    LastValidLog log;
    REQUIRE(log.open(dir.path(), "here"));
    (void)log.append("a", "one", 11, 0);  // a wrong digest: damaged text
    LastValidLog second;
    CHECK(second.open(dir.path(), "here").error().code == ErrorCode::Busy);
    REQUIRE(log.flush());
  }
  fs::resize_file(file, fs::file_size(file) + 0);
  std::uint64_t offset = 0;
  {
    LastValidLog log;
    REQUIRE(log.open(dir.path(), "here"));
    const auto a = log.take_earlier("a");
    CHECK(a.offset != 0);
    CHECK_FALSE(log.read(a));
    CHECK(log.take_earlier("a").offset == 0);
    offset = a.offset;
    REQUIRE(log.flush());
    write_file(dir / "copy", read_file(file));
  }
  std::string torn = read_file(file);
  write_file(file, torn.substr(0, torn.size() - 1));
  {
    LastValidLog log;
    REQUIRE(log.open(dir.path(), "here"));
    CHECK(log.take_earlier("a").offset == 0);
    CHECK(fs::file_size(file) == offset);
  }
  {
    LastValidLog log;
    write_file(file, torn);
    REQUIRE(log.open(dir.path(), "elsewhere"));
    CHECK(log.take_earlier("a").offset == 0);
  }
}

TEST_CASE("one changed file among many is told at once") {
  World w;
  const char* const count_text = std::getenv("MARGAY_FILES");
  const int count = count_text != nullptr ? std::atoi(count_text) : 300;
  for (int i = 0; i < count; ++i)
    write_file(w.in("n" + std::to_string(i % 200) + "/s" + std::to_string(i) + ".yaml"), set("s" + std::to_string(i), "0"));
  w.state = w.dir / "state";
  for (const char* run : {"cold", "second"}) {
    const auto begin = std::chrono::steady_clock::now();
    w.restart();
    REQUIRE(run_until(
        w.io, [&] { return w.sink->in_sync(); }, std::chrono::seconds{120}));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    if (count_text != nullptr) std::cout << run << " start, " << count << " files: " << took.count() << " ms\n";
  }
  std::vector<double> times;
  for (int round = 1; round <= 21; ++round) {
    write_file(w.in("n7/s7.yaml.tmp"), set("s7", std::to_string(round)));
    while (w.io.poll() > 0) {
    }
    const auto begin = std::chrono::steady_clock::now();
    fs::rename(w.in("n7/s7.yaml.tmp"), w.in("n7/s7.yaml"));
    REQUIRE(w.shows("s7", std::to_string(round)));
    times.push_back(std::chrono::duration<double, std::micro>(w.sink->last_arrival - begin).count());
  }
  std::sort(times.begin(), times.end());
  if (count_text != nullptr) std::cout << "rename to update: median " << times[10] << " us, worst " << times[20] << " us\n";
  CHECK(times[10] < 50'000);
}
