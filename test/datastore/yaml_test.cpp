#include "yaml.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "support/catch.hpp"
#include "yaml_scalar.hpp"

using margay::datastore::parse_manifests;
using margay::datastore::ParseResult;
using margay::datastore::YamlLimits;
using nlohmann::json;

namespace {

json only(std::string_view text) {
  ParseResult result = parse_manifests(text);
  INFO("text: " << text);
  if (result.error) FAIL(result.error->text());
  REQUIRE(result.documents.size() == 1);
  return result.documents[0].value;
}

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  const ParseResult result = parse_manifests(text, limits);
  CHECK(result.documents.empty());
  return result.error ? result.error->text() : "no error";
}

}  // namespace

TEST_CASE("plain scalars are typed as kubectl types them") {
  const std::pair<const char*, json> rows[] = {
      {"", nullptr},
      {"~", nullptr},
      {"null", nullptr},
      {"Null", nullptr},
      {"nULL", "nULL"},
      {"true", true},
      {"True", true},
      {"yes", true},
      {"on", true},
      {"y", true},
      {"no", false},
      {"off", false},
      {"N", false},
      {"tRUE", "tRUE"},
      {"yess", "yess"},
      {"0", 0},
      {"-1", -1},
      {"+5", 5},
      {"0x1F", 31},
      {"0o17", 15},
      {"0777", 511},
      {"0b101", 5},
      {"1_000", 1000},
      {"09", 9.0},
      {"9223372036854775807", 9223372036854775807LL},
      {"18446744073709551615", 18446744073709551615ULL},
      {"-9223372036854775808", std::int64_t{-9223372036854775807LL - 1}},
      {"1.5", 1.5},
      {"1e3", 1000.0},
      {".5", 0.5},
      {"1.", 1.0},
      {"1e400", "1e400"},
      {"99999999999999999999", 1e20},
      {"10.0.0.0/8", "10.0.0.0/8"},
      {"1.2.3.4", "1.2.3.4"},
      {"80:90", "80:90"},
      {"2001-01-01", "2001-01-01"},
      {"0x", "0x"},
      {"-", "-"},
      {"e3", "e3"},
      {"5663:12", "5663:12"},
      {"::1", "::1"},
  };
  for (const auto& [text, value] : rows) {
    INFO(text);
    const auto got = margay::datastore::resolve_plain(text);
    REQUIRE(got);
    CHECK(*got == value);
    CHECK(got->type_name() == std::string{value.type_name()});
  }
  for (const char* text : {".inf", "-.inf", "+.Inf", ".NaN"}) CHECK_FALSE(margay::datastore::resolve_plain(text));
}

TEST_CASE("quoted scalars, keys and tags") {
  CHECK(only("a: \"yes\"\nb: '1'\nc: |\n  1\n") == json({{"a", "yes"}, {"b", "1"}, {"c", "1\n"}}));
  CHECK(only("on: 1\n8080: x\n\"y\": z\n") == json({{"true", 1}, {"8080", "x"}, {"y", "z"}}));
  CHECK(only("a: !!str 1\nb: !!int \"7\"\n") == json({{"a", "1"}, {"b", 7}}));
  CHECK(error_of("a: !foo 1\n").find("tag") != std::string::npos);
  CHECK(error_of("a: .inf\n").find("line 1, column 4") != std::string::npos);
  CHECK(error_of("? [a]\n: b\n").find("key") != std::string::npos);
}

TEST_CASE("documents and lists have lines") {
  const auto result = parse_manifests(
      "# c\n---\nkind: A\n---\n---\n\nkind: B\n...\n---\napiVersion: v1\nkind: List\nitems:\n- kind: C\n- kind: D\n");
  REQUIRE_FALSE(result.error);
  REQUIRE(result.documents.size() == 4);
  CHECK(result.documents[0].line == 3);
  CHECK(result.documents[0].number == 1);
  CHECK(result.documents[1].line == 7);
  CHECK(result.documents[1].number == 3);
  CHECK(result.documents[2].value == json({{"kind", "C"}}));
  CHECK(result.documents[2].line == 13);
  CHECK(result.documents[3].line == 14);
  CHECK(result.documents[3].list_item);
  const auto typed = parse_manifests("{\"apiVersion\":\"v1\",\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}");
  REQUIRE(typed.documents.size() == 1);
  CHECK(typed.documents[0].value["kind"] == "Pod");
  CHECK(typed.documents[0].value["apiVersion"] == "v1");
  CHECK(parse_manifests("").documents.empty());
  CHECK(parse_manifests("# nothing\n").documents.empty());
  CHECK(parse_manifests("{\"a\":1}\n---\n{\"b\":2}\n").documents.size() == 2);
}

TEST_CASE("errors say where") {
  CHECK(error_of("a: 1\nb:\n  c: 1\n  c: 2\n").find("document 1, line 4, column 3: the key \"c\" is there twice") == 0);
  CHECK(error_of("{\"a\":1,\n\"a\":2}").find("line 2") != std::string::npos);
  CHECK(error_of("a:\n\tb: 1\n").find("spaces, not with tabs") != std::string::npos);
  CHECK(error_of("a: 1\n---\nb: [1\n").find("document 2") != std::string::npos);
  CHECK(error_of("a: \xff\n").find("UTF-8") != std::string::npos);
  CHECK(error_of(std::string_view("a: b\0c\n", 7)).find("UTF-8") != std::string::npos);
  CHECK(error_of("{\"a\": 1").find("line") != std::string::npos);
  YamlLimits small;
  small.bytes = 3;
  CHECK(error_of("abcd", small).find("split") != std::string::npos);
  CHECK(only("\xef\xbb\xbf"
             "a: 1\n") == json({{"a", 1}}));
}

TEST_CASE("depth is limited in both notations") {
  std::string deep, json_deep = "{\"a\":";
  for (int i = 0; i < 500; ++i) deep += "[", json_deep += "[";
  CHECK(error_of(deep).find("deep") != std::string::npos);
  CHECK(error_of(json_deep).find("deep") != std::string::npos);
  std::string block;
  for (int i = 0; i < 500; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  CHECK(error_of(block).find("deep") != std::string::npos);
}

TEST_CASE("anchors, aliases and merge keys") {
  CHECK(only("a: &x [1, 2]\nb: *x\n") == json({{"a", {1, 2}}, {"b", {1, 2}}}));
  CHECK(only("base: &b {p: 1, q: 2}\nc:\n  <<: *b\n  q: 3\n")["c"] == json({{"p", 1}, {"q", 3}}));
  CHECK(only("a: &a {p: 1}\nb: &b {p: 2, r: 4}\nc:\n  <<: [*a, *b]\n")["c"] == json({{"p", 1}, {"r", 4}}));
  CHECK(error_of("a: *x\n").find("no anchor") != std::string::npos);
  CHECK(error_of("a: &x [*x]\n").find("inside its own anchor") != std::string::npos);
  CHECK(error_of("a: &x 1\n---\nb: *x\n").find("no anchor") != std::string::npos);
  CHECK(error_of("a:\n  <<: 7\n").find("not a map") != std::string::npos);
  std::string bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 8; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  CHECK(error_of(bomb).find("expand") != std::string::npos);
  const std::string big = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [";
  std::string many = big;
  for (int i = 0; i < 1000; ++i) many += "*a, ";
  CHECK(error_of(many + "1]\n").find("expand") != std::string::npos);
}
