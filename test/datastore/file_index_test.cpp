// The index of a store that is asked often: what it costs, and that others' edits are never missed.
#include "file_index.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>

#include <nlohmann/json.hpp>

#include "file_store.hpp"
#include "support/catch.hpp"
#include "temp_dir.hpp"

using namespace margay;
using namespace margay::test;
using nlohmann::json;
namespace fs = std::filesystem;
using Files = std::vector<std::string>;

namespace {

ObjectId id_of(const std::string& name) { return {Kind::GlobalNetworkSet, "", name}; }
std::string yaml_of(const std::string& name, const std::string& v = "1") {
  return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata:\n  name: " + name + "\nspec:\n  v: '" + v + "'\n";
}
std::string json_of(const std::string& name, const std::string& v = "1") {
  return json{
      {"apiVersion", "projectcalico.org/v3"}, {"kind", "GlobalNetworkSet"}, {"metadata", {{"name", name}}}, {"spec", {{"v", v}}}}
      .dump();
}
const std::string kOwn = "globalnetworksets.projectcalico.org/";

}  // namespace

TEST_CASE("a batch of new objects reads the tree once, then what it wrote") {
  TempDir dir;
  for (int i = 0; i < 200; ++i)
    write_file(dir / ("d" + std::to_string(i % 7) + "/" + std::to_string(i) + ".yaml"), yaml_of("old" + std::to_string(i)));
  datastore::FileIndex index{dir.path()};
  CHECK(index.files_of(id_of("old9")) == Files{"d2/9.yaml"});
  CHECK(index.files_read() == 200);
  for (int i = 0; i < 50; ++i) {
    replace_file(dir / ("new/" + std::to_string(i) + ".yaml"), yaml_of("new" + std::to_string(i)));
    CHECK(index.files_of(id_of("new" + std::to_string(i))) == Files{"new/" + std::to_string(i) + ".yaml"});
    CHECK(index.files_of(id_of("nowhere")) == Files{});
  }
  CHECK(index.files_read() <= 200 + 2 * 50);
}

TEST_CASE("an edit by somebody else between two puts is seen, however it is made") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  write_file(dir / "many.yaml", yaml_of("a") + "---\n" + yaml_of("b"));
  int n = 0;
  const auto warm = [&] {  // two objects that are nowhere: a search, and the index
    for (int i = 0; i < 2; ++i) {
      const std::string name = "w" + std::to_string(++n);
      REQUIRE(store->put_if(id_of(name), json_of(name), ""));
    }
  };
  const auto is_in = [&](const std::string& name, const std::string& file) {
    INFO(name << " in " << file);
    const auto put = store->put_if(id_of(name), json_of(name, "new"), std::nullopt);
    REQUIRE(put);
    CHECK(read_file(dir / file).find("v: new") != std::string::npos);
    if (file != kOwn + name + ".yaml") CHECK_FALSE(fs::exists(dir / (kOwn + name + ".yaml")));
    CHECK(store->put_if(id_of(name), json_of(name), "").error().code == ErrorCode::AlreadyExists);
  };
  warm();
  replace_file(dir / "x.yaml", yaml_of("x"));  // renamed into place
  is_in("x", "x.yaml");
  write_file(dir / "x.yaml", yaml_of("xy"));  // written in place
  is_in("xy", "x.yaml");
  is_in("x", kOwn + "x.yaml");
  std::ofstream open{dir / "open.yaml"};
  open << yaml_of("o") << std::flush;  // and not closed
  is_in("o", "open.yaml");
  write_file(dir / "deep/er/z.yaml", yaml_of("z"));  // in new directories
  is_in("z", "deep/er/z.yaml");
  fs::rename(dir / "deep", dir / "moved");
  is_in("z", "moved/er/z.yaml");
  write_file(dir / "moved/er/zz.yaml", yaml_of("zz"));  // in a directory that moved
  is_in("zz", "moved/er/zz.yaml");
  fs::remove_all(dir / "moved");
  is_in("z", kOwn + "z.yaml");
  replace_file(dir / "bad.yaml", yaml_of("m") + "oops: [\n");  // broken, then mended
  warm();
  replace_file(dir / "bad.yaml", yaml_of("m"));
  is_in("m", "bad.yaml");
  fs::rename(dir.path(), dir.path() + ".old");  // another root under the same name
  fs::create_directory(dir.path());
  write_file(dir / "q.yaml", yaml_of("q"));
  is_in("q", "q.yaml");
  is_in("xy", kOwn + "xy.yaml");
  fs::remove_all(dir.path() + ".old");
}

TEST_CASE("more edits than the kernel queues lose none") {
  TempDir dir;
  unsigned queued = 0;
  REQUIRE(std::ifstream{"/proc/sys/fs/inotify/max_queued_events"} >> queued);
  write_file(dir / "x.yaml", yaml_of("x"));
  write_file(dir / "y.yaml", yaml_of("y"));
  datastore::FileIndex index{dir.path()};
  REQUIRE(index.files_of(id_of("a")) == Files{});
  // In turn: the same event twice in a row is queued once.
  for (unsigned i = 0; i <= queued; ++i) REQUIRE(::chmod((dir / (i % 2 == 0 ? "x.yaml" : "y.yaml")).c_str(), 0600) == 0);
  write_file(dir / "a.yaml", yaml_of("a"));
  CHECK(index.files_of(id_of("a")) == Files{"a.yaml"});
}

TEST_CASE("links, whose other end nobody announces, are searched without an index") {
  TempDir dir;
  const auto look = [&](const std::string& root) { return datastore::FileIndex{root}.files_of(id_of("a")); };
  write_file(dir / "plain/a.yaml", yaml_of("a"));
  CHECK(look(dir / "plain") == Files{"a.yaml"});
  write_file(dir / "links/b.yaml", yaml_of("b"));
  datastore::FileIndex index{dir / "links"};
  CHECK(index.files_of(id_of("a")) == Files{});
  fs::create_symlink(dir / "plain", dir / "links/there");
  CHECK(index.files_of(id_of("a")) == std::nullopt);
  CHECK(look(dir / "links") == std::nullopt);
  fs::create_directory(dir / "hard");
  fs::create_hard_link(dir / "plain/a.yaml", dir / "hard/a.yaml");
  CHECK(look(dir / "hard") == std::nullopt);
  // The store finds it all the same, every time.
  const auto store = datastore::make_file_store(dir / "links");
  for (int i = 0; i < 3; ++i) CHECK(store->get(id_of("a"))->location.find("there/a.yaml") != std::string::npos);
  fs::remove(dir / "links/there");
  for (int i = 0; i < 3; ++i) CHECK_FALSE(store->get(id_of("a")));
}

TEST_CASE("under random edits the index says what reading everything says") {
  const char* const given = std::getenv("MARGAY_SEED");
  const char* const rounds = std::getenv("MARGAY_ITERATIONS");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 random{seed};
  const auto draw = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  TempDir dir;
  datastore::FileIndex index{dir.path()};
  const auto directory = [&] { return std::string{"d"} + std::to_string(draw(3)) + (draw(2) != 0 ? "/e" : ""); };
  const auto file = [&] { return directory() + "/" + std::to_string(draw(4)) + (draw(5) == 0 ? ".txt" : ".yaml"); };
  const int steps = rounds != nullptr ? std::atoi(rounds) : 400;
  for (int step = 0; step < steps; ++step) {
    INFO("step " << step);
    for (unsigned edits = draw(4); edits > 0; --edits) {
      std::error_code ignored;
      const std::string text = yaml_of("o" + std::to_string(draw(6))) + "---\n" + yaml_of("o" + std::to_string(draw(6)));
      switch (draw(8)) {
        case 0: fs::remove(dir / file(), ignored); break;
        case 1: fs::rename(dir / file(), dir / file(), ignored); break;
        case 2: fs::rename(dir / directory(), dir / directory(), ignored); break;
        case 3: fs::remove_all(dir / directory(), ignored); break;
        case 4:
        case 5: write_file(dir / file(), text); break;
        default: replace_file(dir / file(), text); break;
      }
    }
    for (unsigned i = 0; i < 6; ++i) {
      const ObjectId id = id_of("o" + std::to_string(i));
      CHECK(index.files_of(id) == datastore::FileIndex{dir.path()}.files_of(id));
    }
  }
}
