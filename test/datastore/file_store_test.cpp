#include "file_store.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "margay/datastore/connect.hpp"
#include "support/catch.hpp"
#include "temp_dir.hpp"
#include "yaml.hpp"
#include "yaml_write.hpp"

using namespace margay;
using namespace margay::test;
using nlohmann::json;

namespace {

const ObjectId kSet{Kind::GlobalNetworkSet, "", "s1"};

std::string set_object(const std::string& name, const std::string& v) {
  return json{
      {"apiVersion", "projectcalico.org/v3"}, {"kind", "GlobalNetworkSet"}, {"metadata", {{"name", name}}}, {"spec", {{"v", v}}}}
      .dump();
}
std::string set_yaml(const std::string& name, const std::string& v) {
  return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata:\n  name: " + name + "\nspec:\n  v: " + v + "\n";
}

}  // namespace

TEST_CASE("new objects are written where the contract says, readable") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  REQUIRE(store->put_if(kSet, set_object("s1", "a"), ""));
  CHECK(read_file(dir / "globalnetworksets.projectcalico.org/s1.yaml") == set_yaml("s1", "a"));
  const ObjectId pod{Kind::Pod, "web", "p"};
  CHECK(datastore::layout_path(pod) == "pods/web/p.yaml");
  const ObjectId secret{Kind::Secret, "web", "key"};
  REQUIRE(store->put_if(secret, R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"key","namespace":"web"}})", ""));
  struct stat st {};
  REQUIRE(::stat((dir / "secrets/web/key.yaml").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0640);
}

TEST_CASE("a new secret is the group's that bgp-config is in, and an old one keeps its group") {
  TempDir dir;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    write_file(dir / "group", "root:x:0:\nmargay:x:4711:\n");
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount((dir / "group").c_str(), "/etc/group", nullptr, MS_BIND, nullptr) != 0)
      ::_exit(77);
    const ObjectId secret{Kind::Secret, "web", "key"};
    json object{{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", "key"}, {"namespace", "web"}}}};
    const auto store = datastore::make_file_store(dir / "store");
    const std::string path = dir / "store/secrets/web/key.yaml";
    if (::mkdir((dir / "store").c_str(), 0755) != 0 || !store->put_if(secret, object.dump(), "")) ::_exit(1);
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0 || st.st_gid != 4711 || (st.st_mode & 0777) != 0640) ::_exit(2);
    if (!store->put_if(kSet, set_object("s1", "a"), "")) ::_exit(3);
    if (::stat((dir / "store/globalnetworksets.projectcalico.org/s1.yaml").c_str(), &st) != 0 || st.st_gid == 4711) ::_exit(4);
    object["type"] = "Opaque";
    if (::chown(path.c_str(), 0, 4712) != 0 || !store->put_if(secret, object.dump(), std::nullopt)) ::_exit(5);
    if (::stat(path.c_str(), &st) != 0 || st.st_gid != 4712) ::_exit(6);
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::cerr << "skipped: no right to mount over /etc/group in a mount namespace of its own\n";
    return;
  }
  CHECK(status == 0);
}

TEST_CASE("an object is replaced where it lives, and its neighbours stay byte for byte") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  const std::string head = "# häder, kept\n" + set_yaml("s0", "\"x\"   # why");
  const std::string tail = "---\n# last\n" + set_yaml("s2", "'y'");
  write_file(dir / "many.yaml", head + "---\n" + set_yaml("s1", "old") + tail);
  REQUIRE(::chmod((dir / "many.yaml").c_str(), 0604) == 0);
  REQUIRE(store->put_if(kSet, set_object("s1", "new"), store->get(kSet)->revision));
  CHECK(read_file(dir / "many.yaml") == head + "---\n" + set_yaml("s1", "new") + tail);
  struct stat st {};
  REQUIRE(::stat((dir / "many.yaml").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0604);
  REQUIRE(store->remove_if(kSet, std::nullopt));
  CHECK(read_file(dir / "many.yaml") == head + tail);
  REQUIRE(store->remove_if({Kind::GlobalNetworkSet, "", "s0"}, std::nullopt));
  REQUIRE(store->remove_if({Kind::GlobalNetworkSet, "", "s2"}, std::nullopt));
  CHECK_FALSE(std::filesystem::exists(dir / "many.yaml"));
}

TEST_CASE("an object inside a list is replaced and removed there") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  const std::string list =
      R"({"apiVersion":"v1","kind":"List","items":[)" + set_object("s1", "a") + "," + set_object("s2", "b") + "]}";
  write_file(dir / "list.json", list);
  REQUIRE(store->put_if(kSet, set_object("s1", "c"), std::nullopt));
  CHECK(json::parse(store->get(kSet)->json)["spec"]["v"] == "c");
  CHECK_FALSE(std::filesystem::exists(dir / "globalnetworksets.projectcalico.org"));
  REQUIRE(store->remove_if(kSet, std::nullopt));
  CHECK(store->list(Kind::GlobalNetworkSet, "")->objects.size() == 1);
  CHECK(json::parse(read_file(dir / "list.json"))["items"].size() == 1);
}

TEST_CASE("what stands behind a document that begins as JSON stays") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  const bool list = GENERATE(false, true);
  const std::string head =
      list ? R"({"apiVersion":"v1","kind":"List","items":[)" + set_object("s1", "a") + "," + set_object("s2", "b") + "]}\n"
           : set_object("s1", "a") + "\n";
  const std::string tail = GENERATE_COPY(as<std::string>{}, "---\n" + set_yaml("s3", "c"), "---\n# a note\n");
  write_file(dir / "many.yaml", head + tail);
  REQUIRE(store->put_if(kSet, set_object("s1", "new"), std::nullopt));
  CHECK(json::parse(store->get(kSet)->json)["spec"]["v"] == "new");
  CHECK(read_file(dir / "many.yaml").ends_with(tail));
  CHECK(store->get({Kind::GlobalNetworkSet, "", "s2"}).has_value() == list);
  REQUIRE(store->remove_if(kSet, std::nullopt));
  if (list || tail.find("s3") != std::string::npos) CHECK(read_file(dir / "many.yaml").ends_with(tail));
  write_file(dir / "one.json", set_object("s1", "a") + "\n\n");  // all JSON stays JSON
  REQUIRE(store->put_if(kSet, set_object("s1", "new"), std::nullopt));
  CHECK(json::parse(read_file(dir / "one.json"))["spec"]["v"] == "new");
}

TEST_CASE("a file that is not understood is not overwritten; a link is followed, not replaced") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  const std::string own = dir / "globalnetworksets.projectcalico.org/s1.yaml";
  write_file(own, "kind: [\n");
  const auto refused = store->put_if(kSet, set_object("s1", "a"), std::nullopt);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("in the way") != std::string::npos);
  CHECK(read_file(own) == "kind: [\n");
  std::filesystem::remove(own);
  write_file(dir / ".real/s1.yaml", set_yaml("s1", "a"));
  std::filesystem::create_symlink(".real/s1.yaml", dir / "link.yaml");
  REQUIRE(store->put_if(kSet, set_object("s1", "b"), std::nullopt));
  CHECK(std::filesystem::is_symlink(dir / "link.yaml"));
  CHECK(read_file(dir / ".real/s1.yaml") == set_yaml("s1", "b"));
}

TEST_CASE("written YAML reads back as the same document") {
  const json rows[] = {
      {{"a", "yes"}, {"b", "1"}, {"c", 1.5}, {"d", nullptr}, {"e", true}, {"f", json::array()}, {"g", json::object()}},
      {{"a", {{{"b", {1, {{"c", "d"}}, {2, 3}}}}, "x: y", "- z", "#", "a #b", "", " ", "~", "<<", "0x1F", "12:30", "---"}}},
      {{"on", 1}, {"8080", 2}, {"", 3}, {"a: b", 4}, {"null", 5}},
      {{"script", "line 1\nline 2\n"},
       {"s2", "\n\n"},
       {"s3", " lead\n"},
       {"s4", "tab\there\n"},
       {"s5", "no end"},
       {"s6", "a\n\nb\n"}},
      {{"u",
        "h\xc3\xa4"
        "der"},
       {"ctrl", "\x01\x7f\xc2\x80\xef\xbb\xbf\xef\xbf\xbf\xf0\x9f\x90\xb1"},
       {"long", std::string(5000, 'x')},
       {std::string(3000, 'k'), 1}},
  };
  for (const json& row : rows) {
    const std::string text = datastore::write_yaml(row);
    INFO(text);
    const auto parsed = datastore::parse_manifests(text);
    if (parsed.error) FAIL(parsed.error->text());
    REQUIRE(parsed.documents.size() == 1);
    CHECK(parsed.documents[0].value == row);
  }
}

// YAML 1.1 folds all of these inside quotes: written raw, "a<U+2028>b" may read back as another text, or not at all.
TEST_CASE("YAML's line separators read back, in keys and values") {
  const std::string separators[] = {"\n", "\r", "\r\n", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
  for (const std::string& s : separators) {
    for (const std::string& text : {s, "a" + s, s + "a", "a" + s + "b", "a " + s + " b", "a" + s + s + "b", "a" + s + "\n"}) {
      const json row{{text, 1}, {"value", text}, {"list", {text, {{text, text}}}}, {"map", {{text, {{text, json::array()}}}}}};
      const std::string written = datastore::write_yaml(row);
      INFO(json(text) << " is written as\n" << written);
      if (s != "\n") CHECK(written.find(s) == std::string::npos);
      const auto parsed = datastore::parse_manifests(written);
      if (parsed.error) FAIL_CHECK(parsed.error->text());
      else if (parsed.documents.size() != 1) FAIL_CHECK(parsed.documents.size() << " documents");
      else CHECK(parsed.documents[0].value == row);
    }
  }
}

TEST_CASE("a writer killed at any point leaves the old or the new object whole") {
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  const std::string big(20'000, 'x');
  REQUIRE(store->put_if(kSet, set_object("s1", "a" + big), ""));
  std::mt19937 random{7};
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const auto own = datastore::make_file_store(dir.path());
      for (int i = 0;; ++i) (void)own->put_if(kSet, set_object("s1", (i % 2 == 0 ? "b" : "a") + big), std::nullopt);
    }
    ::usleep(random() % 4000);  // when to kill, not what to wait for
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    const auto now = store->get(kSet);
    REQUIRE(now);
    const std::string v = json::parse(now->json)["spec"]["v"].get<std::string>();
    CHECK(v.size() == big.size() + 1);
  }
  REQUIRE(store->put_if(kSet, set_object("s1", "end"), std::nullopt));
  for (const auto& entry : std::filesystem::directory_iterator(dir / "globalnetworksets.projectcalico.org"))
    CHECK(entry.path().extension() != ".tmp");
}

TEST_CASE("a full disk leaves the old object and says so") {
  TempDir dir;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("margay-test", dir.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      ::_exit(77);
    const auto store = datastore::make_file_store(dir.path());
    if (!store->put_if(kSet, set_object("s1", "small"), "")) ::_exit(1);
    const auto full = store->put_if(kSet, set_object("s1", std::string(200'000, 'x')), std::nullopt);
    if (full || full.error().code != ErrorCode::NoSpace) ::_exit(2);
    const auto now = store->get(kSet);
    if (!now || json::parse(now->json)["spec"]["v"] != "small") ::_exit(3);
    if (!store->put_if(kSet, set_object("s1", "again"), std::nullopt)) ::_exit(4);
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    std::cerr << "skipped: no right to mount a tmpfs in a mount namespace of its own\n";
    return;
  }
  CHECK(status == 0);
}

TEST_CASE("what may not be read is left out of a list and named, and an object that may be in it is not taken for missing") {
  if (::geteuid() != 0) {
    std::cerr << "skipped: only root can be somebody else\n";
    return;
  }
  TempDir dir;
  const auto store = datastore::make_file_store(dir.path());
  write_file(dir / "a.yaml", set_yaml("s1", "a"));
  write_file(dir / "secret.yaml", set_yaml("s2", "b"));
  write_file(dir / "closed/c.yaml", set_yaml("s3", "c"));
  write_file(dir / "shut/d/d.yaml", set_yaml("s4", "d"));
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  REQUIRE(::chmod((dir / "secret.yaml").c_str(), 0600) == 0);  // our group stays
  REQUIRE(::chmod((dir / "closed").c_str(), 0700) == 0);
  REQUIRE(::chmod((dir / "shut").c_str(), 0744) == 0);  // its names may be read, and no more
  REQUIRE(::seteuid(65534) == 0);
  const auto listed = store->list(Kind::GlobalNetworkSet, "");
  const auto missing = store->get({Kind::GlobalNetworkSet, "", "s9"});
  const auto again = store->get({Kind::GlobalNetworkSet, "", "s9"});
  const auto there = store->get(kSet);
  REQUIRE(::seteuid(0) == 0);
  REQUIRE(listed);
  for (const auto& object : listed->objects) UNSCOPED_INFO(object.location);
  REQUIRE(listed->objects.size() == 1);
  CHECK(listed->objects[0].id == kSet);
  std::string named;
  for (const Error& error : listed->unreadable) {
    CHECK(error.code == ErrorCode::Permission);
    named += error.text + "\n";
  }
  CHECK(listed->unreadable.size() == 3);
  for (const char* name : {"secret.yaml", "closed", "shut/d"}) CHECK(named.find(dir / name) != std::string::npos);
  for (const auto* answer : {&missing, &again}) {
    REQUIRE_FALSE(*answer);
    CHECK(answer->error().code == ErrorCode::Permission);
  }
  CHECK_FALSE(there);  // not at its own place, so it is searched for as well
  REQUIRE(store->list(Kind::GlobalNetworkSet, "")->objects.size() == 4);
}

TEST_CASE("datastore URLs that cannot be had say what to do instead") {
  datastore::Settings settings;
  for (const char* url : {"etcd://10.0.0.1:2379", "etcds://a", "kubernetes:"}) {
    settings.at.url = url;
    const auto store = datastore::connect_store(settings);
    REQUIRE_FALSE(store);
    CHECK(store.error().code == ErrorCode::Unsupported);
    CHECK(store.error().text.find("file:///") != std::string::npos);
  }
  for (const char* url : {"", "http://x", "file:relative", "file://host/x"}) {
    settings.at.url = url;
    const auto store = datastore::connect_store(settings);
    REQUIRE_FALSE(store);
    CHECK(store.error().code == ErrorCode::Invalid);
  }
}
