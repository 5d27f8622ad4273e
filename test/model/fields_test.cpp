#include "fields.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using margay::FieldError;
using margay::model::Field;
using margay::model::Reader;
using nlohmann::json;

namespace {

std::string errors(Reader& reader) {
  std::string out;
  for (const FieldError& e : reader.take_errors()) out += e.field + ": " + e.reason + "\n";
  return out;
}

}  // namespace

TEST_CASE("an error names the path of its value") {
  const json doc = json::parse(R"({"spec":{"ingress":[{},{},{"source":{"ports":["x"]}}],"a/b":{"c":1}}})");
  Reader reader{doc};
  for (Field rule : reader.root()["spec"]["ingress"].items())
    for (Field port : rule["source"]["ports"].items()) (void)port.integer(1, 9);
  (void)reader.root()["spec"]["a/b"]["c"].text();
  CHECK(errors(reader) ==
        "spec.ingress[2].source.ports[0]: must be an integer, not a text\n"
        "spec[a/b].c: must be a text, not an integer\n");
}

TEST_CASE("what is absent is silent unless required, at any depth") {
  const json doc = json::parse(R"({"spec":null,"metadata":{}})");
  Reader reader{doc};
  const Field root = reader.root();
  CHECK_FALSE(root["spec"].present());
  CHECK_FALSE(root["spec"]["a"]["b"].text());
  CHECK(root["spec"]["list"].items().size() == 0);
  CHECK_FALSE(reader.failed());
  root["spec"]["a"]["b"].require();
  root["metadata"]["name"].require();
  root["top"].require();
  CHECK(errors(reader) == "spec.a.b: is required\nmetadata.name: is required\ntop: is required\n");
}

TEST_CASE("a value of the wrong type is one error and no value") {
  const json doc =
      json::parse(R"({"o":[1],"l":{},"s":1,"b":"true","n":1.5,"big":18446744073709551615,"nul":"a\u0000b","e":[null]})");
  Reader reader{doc};
  const Field root = reader.root();
  CHECK_FALSE(root["o"]["x"].text());
  CHECK_FALSE(root["o"]["y"].text());
  CHECK(root["l"].items().size() == 0);
  CHECK_FALSE(root["s"].text());
  CHECK_FALSE(root["b"].boolean());
  CHECK_FALSE(root["n"].integer(0, 5));
  CHECK_FALSE(root["big"].integer(0, 5));
  CHECK_FALSE(root["nul"].text());
  for (Field e : root["e"].items()) CHECK_FALSE(e.text());
  CHECK(errors(reader) ==
        "o: must be an object, not a list\n"
        "l: must be a list, not an object\n"
        "s: must be a text, not an integer\n"
        "b: must be true or false, not a text\n"
        "n: must be an integer, not a number\n"
        "big: 18446744073709551615 is not between 0 and 5\n"
        "nul: has a NUL byte\n"
        "e[0]: must be a text, not null\n");
}

TEST_CASE("choices keep to their case rule") {
  const json doc = json::parse(R"({"a":"Deny","b":"deny"})");
  static constexpr margay::model::Choice<int> kChoices[] = {{"Allow", 1}, {"Deny", 2}};
  Reader reader{doc};
  CHECK(reader.root()["a"].choice(kChoices) == 2);
  CHECK(reader.root()["b"].choice(kChoices, margay::model::Case::Any) == 2);
  CHECK_FALSE(reader.failed());
  CHECK_FALSE(reader.root()["b"].choice(kChoices));
  CHECK(errors(reader) == "b: \"deny\" is not one of Allow, Deny\n");
}

TEST_CASE("strict reading reports each field nobody asked for") {
  const json doc = json::parse(R"({"spec":{"known":1,"odd":{"x":1},"map":{"any":"v"}},"extra":2})");
  for (const bool strict : {false, true}) {
    Reader reader{doc, strict};
    const Field spec = reader.root()["spec"];
    (void)spec["known"].integer(0, 9);
    spec["map"].texts([](auto, auto) {});
    reader.report_unknown_fields();
    CHECK(errors(reader) == (strict ? "extra: unknown field\nspec.odd: unknown field\n" : ""));
  }
}

TEST_CASE("the number of errors is limited") {
  const json doc{{"l", std::vector<int>(100000, 1)}};
  Reader reader{doc};
  for (Field e : reader.root()["l"].items()) (void)e.text();
  const auto found = reader.take_errors();
  REQUIRE(found.size() == Reader::kMaxErrors);
  CHECK(found.back().reason == "there are more errors");
}
