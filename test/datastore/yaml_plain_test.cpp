#include "yaml_plain.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "yaml_write.hpp"

using namespace margay::datastore;
using nlohmann::json;

namespace {

bool accepted(std::string_view text) {
  const YamlLimits limits;
  TreeBuilder builder{limits};
  return read_plain_yaml(text, builder);
}

// The same text by libyaml: a comment is something the quick reader declines.
ParseResult by_libyaml(const std::string& text) {
  const std::string with_comment = text + "#\n";
  REQUIRE_FALSE(accepted(with_comment));
  return parse_manifests(with_comment);
}

// Where the quick reader accepts, libyaml says the same of it.
void check_same(const std::string& text) {
  if (!accepted(text)) return;
  INFO("text:\n" << text);
  const ParseResult quick = parse_manifests(text), whole = by_libyaml(text);
  REQUIRE_FALSE(quick.error);
  if (whole.error) FAIL("libyaml refuses: " << whole.error->text());
  REQUIRE(quick.documents.size() == whole.documents.size());
  for (std::size_t i = 0; i < quick.documents.size(); ++i) {
    const Document &a = quick.documents[i], &b = whole.documents[i];
    CHECK(a.value == b.value);
    CHECK(a.value.dump() == b.value.dump());  // types, too: 1 equals 1.0
    CHECK(a.line == b.line);
    CHECK(a.number == b.number);
    CHECK(a.first_line == b.first_line);
    CHECK(a.explicit_start == b.explicit_start);
    CHECK(a.list_item == b.list_item);
    CHECK(a.end_line + 1 == b.end_line);
  }
}

constexpr const char* kPod = R"(apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: team-1
  labels:
    app: web
    app.kubernetes.io/part-of: "shop"
    empty: ''
spec:
  containers:
  - image: registry.example.com/web:1.4.2
    name: main
    ports:
    - containerPort: 8080
      name: http
  - name: side
    env: []
  nodeName: n1
  nodeSelector: {}
  hostNetwork: false
status:
  podIPs:
    - ip: 10.65.0.2
    - ip: fd00:65::2
  phase:
)";

class Random {
 public:
  explicit Random(unsigned seed) : engine_{seed} {}
  std::size_t below(std::size_t n) { return engine_() % n; }

  std::string text() {
    static constexpr const char* kWords[] = {"a",  "app",     "on",         "y",        "null",    "true",  "12",   "0x1F", "1.5",
                                             "-5", "~",       "",           "a b",      "a:b",     "a: b",  "a #b", "a#b",  "- x",
                                             "-x", "fd00::1", "fd00::",     "x == 'y'", "!has(a)", "all()", "{}",   "[]",   "&a",
                                             "*a", "<<",      "say \"hi\"", "it's",     ".inf",    ".5",    "...",  "---",  "|",
                                             ">",  "?",       "%x",         "a, b",     "1_000"};
    return kWords[below(std::size(kWords))];
  }
  json value(unsigned depth) {
    switch (below(depth == 0 ? 2 : 4)) {
      case 0: return text();
      case 1: return below(2) ? json(static_cast<int>(below(70000))) : below(2) ? json(below(2) == 0) : json(nullptr);
      case 2: {
        json list = json::array();
        for (std::size_t i = below(4); i > 0; --i) list.push_back(value(depth - 1));
        return list;
      }
      default: {
        json map = json::object();
        for (std::size_t i = below(4); i > 0; --i) map[below(3) ? "key-" + std::to_string(below(9)) : text()] = value(depth - 1);
        return map;
      }
    }
  }
  void damage(std::string& text) {
    static constexpr std::string_view kCharacters = " \n:-#'\"{}[]&*!|>%@,?\t~aZ0.<=\\\xc3";
    for (std::size_t n = below(3); n > 0; --n) {
      const std::size_t at = below(text.size() + 1);
      const char c = kCharacters[below(kCharacters.size())];
      switch (below(5)) {
        case 0: text.insert(at, 1, c); break;
        case 1:
          if (at < text.size()) text[at] = c;
          break;
        case 2:
          if (at < text.size()) text.erase(at, 1 + below(3));
          break;
        case 3: text.insert(at, below(2) ? "  " : "\n"); break;
        default: {  // a line somewhere else
          const std::size_t begin = text.rfind('\n', at), end = text.find('\n', at);
          if (begin == std::string::npos || end == std::string::npos || end <= begin) break;
          const std::string line = text.substr(begin, end - begin);
          text.erase(begin, end - begin);
          const std::size_t to = text.find('\n', below(text.size() + 1));
          if (to != std::string::npos) text.insert(to, line);
        }
      }
    }
  }

 private:
  std::mt19937 engine_;
};

}  // namespace

TEST_CASE("what margayctl writes is read quickly, and as libyaml reads it") {
  CHECK(accepted(kPod));
  check_same(kPod);
  const std::string written = write_yaml(parse_manifests(kPod).documents.at(0).value);
  CHECK(accepted(written));
  check_same(written);
}

TEST_CASE("the items of a List keep their lines") {
  const std::string text = "kind: List\napiVersion: v1\nitems:\n- kind: A\n  x: 1\n- kind: B\n";
  CHECK(accepted(text));
  check_same(text);
}

TEST_CASE("what is not of the plainest form is left to libyaml") {
  for (const char* text : {"",
                           "a",
                           "a: b",
                           "- a\n",
                           "a: b: c\n",
                           "a: b #c\n",
                           "a: &x b\n",
                           "a: *x\n",
                           "a: |\n  b\n",
                           "a: {b: c}\n",
                           "a: b\n---\nc: d\n",
                           "---\na: b\n",
                           "a: b\n\nc: d\n",
                           "a:  b\n",
                           "a: b \n",
                           "a: b\n  c\n",
                           "a:\n  b: c\n d: e\n",
                           "a: \"b\\n\"\n",
                           "a: 'it''s'\n",
                           "a: b\na: c\n",
                           "\"a\": b\n",
                           "<<: b\n",
                           "y: b\n",
                           "12: b\n",
                           "a:\n-b: c\n",
                           "a: .inf\n",
                           "a: \xc3\xa4\n",
                           "a:\tb\n",
                           "a: fd00::\n",
                           "a:\n- - b\n",
                           "a:\n-  b\n",
                           "a:\n-\n",
                           "a: b\r\n"}) {
    INFO("text: " << text);
    CHECK_FALSE(accepted(text));
  }
}

TEST_CASE("whatever is accepted means to libyaml the same") {
  const auto seed = static_cast<unsigned>(margay::test::from_environment("MARGAY_SEED", std::random_device{}()));
  INFO("MARGAY_SEED=" << seed);
  Random random{seed};
  std::size_t taken = 0, whole = 0;
  const std::size_t rounds = margay::test::from_environment("MARGAY_ITERATIONS", 4000);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::string text =
        round % 4 == 0 ? std::string{kPod} : write_yaml(json{{"kind", random.value(3)}, {"spec", random.value(4)}});
    whole += accepted(text);
    random.damage(text);
    taken += accepted(text);
    check_same(text);
  }
  CHECK(whole > rounds / 4);  // else this test says little
  CHECK(taken > rounds / 8);
}
