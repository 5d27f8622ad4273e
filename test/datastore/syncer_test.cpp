#include "syncer.hpp"

#include <cstdlib>
#include <iostream>
#include <random>

#include "fake_decoder.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::datastore;
using namespace margay::test;

namespace {

Manifest decoded(Kind kind, const std::string& name, const std::string& v, bool valid, std::uint32_t line) {
  Manifest m;
  m.id = ObjectId{kind, "", name};
  m.line = line;
  auto profile = std::make_shared<Profile>();
  profile->labels_to_apply = Labels{{{"v", v}}};
  m.decoded.key = Key{Kind::Profile, {}, kind == Kind::Namespace ? "kns." + name : name};
  if (valid) m.decoded.value = Ref<Profile>{profile};
  else m.decoded.errors.push_back({"spec", "is bad"});
  return m;
}

void play(Syncer& syncer, std::map<std::string, std::string>& state) {
  for (Update& update : syncer.take_updates({})) {
    const std::string key = update.key.to_string(), v = value_of(update.value);
    CHECK((state.contains(key) ? state[key] : "-") != v);  // never the same twice
    if (v == "-") state.erase(key);
    else state[key] = v;
  }
}

}  // namespace

TEST_CASE("the file whose path sorts first wins, and the next takes over") {
  Syncer syncer{{}};
  std::map<std::string, std::string> state;
  syncer.apply("b.yaml", {decoded(Kind::Profile, "p", "b", true, 1)});
  play(syncer, state);
  CHECK(state["Profile p"] == "b");
  CHECK(syncer.take_notices().empty());
  syncer.apply("a.yaml", {decoded(Kind::Profile, "p", "a", true, 3)});
  play(syncer, state);
  CHECK(state["Profile p"] == "a");
  const auto notices = syncer.take_notices();
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].file == "a.yaml");
  CHECK(notices[0].line == 3);
  CHECK(notices[0].reason.find("b.yaml") != std::string::npos);
  CHECK(notices[0].consequence.find("a.yaml") != std::string::npos);
  syncer.remove("a.yaml");
  play(syncer, state);
  CHECK(state["Profile p"] == "b");
}

TEST_CASE("a file renamed in one batch changes nothing and is no duplicate") {
  Syncer syncer{{}};
  syncer.apply("a.yaml", {decoded(Kind::Profile, "p", "1", true, 1)});
  (void)syncer.take_updates({});
  syncer.apply("b.yaml", {decoded(Kind::Profile, "p", "1", true, 1)});
  syncer.remove("a.yaml");
  CHECK(syncer.take_updates({}).empty());
  CHECK(syncer.take_notices().empty());
}

TEST_CASE("an object that moves and breaks on the way keeps its value") {
  Syncer syncer{{}};
  std::map<std::string, std::string> state;
  syncer.apply("a.yaml", {decoded(Kind::Profile, "p", "1", true, 1)});
  syncer.apply("b.yaml", {decoded(Kind::Profile, "p", "2", false, 1)});
  syncer.remove("a.yaml");
  play(syncer, state);
  CHECK(state["Profile p"] == "1");
}

TEST_CASE("a file with an unreadable document keeps what it no longer mentions") {
  Syncer syncer{{}};
  std::map<std::string, std::string> state;
  syncer.apply("a.yaml", {decoded(Kind::Profile, "p", "1", true, 1), decoded(Kind::Profile, "q", "1", true, 5)});
  Manifest nameless;
  nameless.reason = "metadata.name: is required";
  syncer.apply("a.yaml", {nameless, decoded(Kind::Profile, "q", "2", true, 5)});
  play(syncer, state);
  CHECK(state == std::map<std::string, std::string>{{"Profile p", "1"}, {"Profile q", "2"}});
  Manifest typo;
  typo.foreign_kind = true;
  typo.name = "p";
  syncer.apply("a.yaml", {typo, decoded(Kind::Profile, "q", "2", true, 5)});
  play(syncer, state);
  CHECK(state.contains("Profile p"));
  CHECK(syncer.invalid() == 1);
  syncer.apply("a.yaml", {decoded(Kind::Profile, "q", "2", true, 5)});
  play(syncer, state);
  CHECK_FALSE(state.contains("Profile p"));
  CHECK(syncer.invalid() == 0);
}

TEST_CASE("built-in resources are there unless written, and again when the writing goes") {
  auto tier = std::make_shared<Profile>();
  tier->labels_to_apply = Labels{{{"v", "built-in"}}};
  Syncer syncer{{{Key{Kind::Profile, {}, "d"}, Ref<Profile>{tier}}}};
  std::map<std::string, std::string> state;
  play(syncer, state);
  CHECK(state["Profile d"] == "built-in");
  CHECK(syncer.objects() == 0);
  syncer.apply("a.yaml", {decoded(Kind::Profile, "d", "own", true, 1)});
  play(syncer, state);
  CHECK(state["Profile d"] == "own");
  syncer.begin_resync();
  syncer.end_resync();
  play(syncer, state);
  CHECK(state["Profile d"] == "built-in");
}

TEST_CASE("random histories give what a naive reading of the files gives") {
  const char* const seed_text = std::getenv("MARGAY_SEED");
  const char* const rounds_text = std::getenv("MARGAY_ITERATIONS");
  const unsigned seed = seed_text != nullptr ? static_cast<unsigned>(std::strtoul(seed_text, nullptr, 10)) : 20261124u;
  const int rounds = rounds_text != nullptr ? std::atoi(rounds_text) : 20'000;
  std::mt19937 random{seed};
  INFO("MARGAY_SEED=" << seed);
  const auto below = [&](unsigned n) { return random() % n; };

  // The model: per file and object (kind, name) the last valid value, and whether it is mentioned.
  using Object = std::pair<Kind, std::string>;
  std::map<std::string, std::map<Object, std::string>> files;
  Syncer syncer{{}};
  std::map<std::string, std::string> state;
  for (int round = 0; round < rounds; ++round) {
    const std::string path = std::string{"f"} + std::to_string(below(5)) + ".yaml";
    const unsigned action = below(10);
    if (action == 0) {
      syncer.remove(path);
      files.erase(path);
    } else if (action == 1) {
      syncer.keep_broken(path);
    } else {
      std::vector<Manifest> manifests;
      std::map<Object, std::string> fresh;
      std::uint32_t line = 0;
      for (const char* name : {"x", "kns.x", "y"}) {
        for (const Kind kind : {Kind::Profile, Kind::Namespace}) {
          if (below(3) != 0) continue;
          const std::string v = std::to_string(below(4));
          // An invalid form only where the file has said a valid one: never-valid ones are covered by cases of their own.
          const auto before = files[path].find({kind, name});
          const bool valid = before == files[path].end() || below(4) != 0;
          manifests.push_back(decoded(kind, name, v, valid, ++line));
          fresh[{kind, name}] = valid ? v : before->second;
        }
      }
      std::shuffle(manifests.begin(), manifests.end(), random);
      syncer.apply(path, std::move(manifests));
      files[path] = fresh;
    }
    if (below(3) == 0) continue;  // several files in one batch
    play(syncer, state);
    std::map<std::string, std::string> want;
    for (const Kind kind : {Kind::Namespace, Kind::Profile})          // Calico's last: it wins
      for (auto file = files.rbegin(); file != files.rend(); ++file)  // the first path last: it wins
        for (const auto& [object, v] : file->second)
          if (object.first == kind) want["Profile " + (kind == Kind::Namespace ? "kns." + object.second : object.second)] = v;
    if (state != want) std::cerr << "MARGAY_SEED=" << seed << " round " << round << "\n";
    REQUIRE(state == want);
  }
}
