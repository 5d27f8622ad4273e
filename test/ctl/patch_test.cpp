#include "ctl/patch.hpp"

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;
using nlohmann::json;

namespace {
json patched(Kind kind, json object, const json& patch, PatchType type = PatchType::Strategic) {
  const auto done = apply_patch(kind, object, patch, type);
  return done ? object : json(done.error().text);
}
const char* const kPod = R"({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}})";
}  // namespace

TEST_CASE("patch: strategic merges maps, replaces Calico's lists, null removes") {
  const json before =
      json::parse(R"({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"order": 1, "types": ["Ingress"]}})");
  const json after = patched(Kind::NetworkPolicy, before,
                             json::parse(R"({"metadata": {"labels": {"b": null, "c": "3"}}, "spec": {"types": ["Egress"]}})"));
  CHECK(after == json::parse(R"({"metadata": {"labels": {"a": "1", "c": "3"}}, "spec": {"order": 1, "types": ["Egress"]}})"));
}

TEST_CASE("patch: strategic merges lists of a pod by their key") {
  CHECK(patched(Kind::Pod, json::parse(kPod),
                json::parse(R"({"spec": {"containers": [{"name": "b", "image": "z"}, {"name": "c"}]}})")) ==
        json::parse(R"({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "z"}, {"name": "c"}]}})"));
  CHECK(patched(Kind::Pod, json::parse(kPod), json::parse(R"({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})")) ==
        json::parse(R"({"spec": {"containers": [{"name": "b", "image": "y"}]}})"));
  CHECK(
      patched(Kind::Pod, json::parse(kPod), json::parse(R"({"spec": {"containers": [{"$patch": "replace"}, {"name": "n"}]}})")) ==
      json::parse(R"({"spec": {"containers": [{"name": "n"}]}})"));
  CHECK(patched(Kind::Pod, json::parse(kPod), json::parse(R"({"spec": {"containers": [{"image": "n"}]}})")).is_string());
}

TEST_CASE("patch: directives of a strategic merge") {
  const json before = json::parse(R"({"metadata": {"finalizers": ["x", "y"]}, "spec": {"a": 1, "b": 2, "c": {"d": 1}}})");
  CHECK(patched(Kind::Tier, before, json::parse(R"({"spec": {"$patch": "replace", "z": 1}})"))["spec"] ==
        json::parse(R"({"z": 1})"));
  CHECK(patched(Kind::Tier, before, json::parse(R"({"spec": {"c": {"$patch": "delete"}}})"))["spec"] ==
        json::parse(R"({"a": 1, "b": 2})"));
  CHECK(patched(Kind::Tier, before, json::parse(R"({"spec": {"$retainKeys": ["b"]}})"))["spec"] == json::parse(R"({"b": 2})"));
  CHECK(patched(Kind::Tier, before, json::parse(R"({"metadata": {"finalizers": ["y", "z"]}})"))["metadata"]["finalizers"] ==
        json::parse(R"(["x", "y", "z"])"));
  CHECK(patched(Kind::Tier, before,
                json::parse(R"({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})"))["metadata"]["finalizers"] ==
        json::parse(R"(["y"])"));
  CHECK(patched(Kind::Tier, before, json::parse(R"({"$frob": 1})")).is_string());
}

TEST_CASE("patch: a new map takes no directives and nulls along") {
  CHECK(patched(Kind::Tier, json::object(), json::parse(R"({"spec": {"a": {"b": null, "c": 1}}})")) ==
        json::parse(R"({"spec": {"a": {"c": 1}}})"));
}

TEST_CASE("patch: merge is RFC 7396: lists are replaced for every kind") {
  CHECK(patched(Kind::Pod, json::parse(kPod), json::parse(R"({"spec": {"containers": [{"name": "c"}], "x": null}})"),
                PatchType::Merge) == json::parse(R"({"spec": {"containers": [{"name": "c"}]}})"));
}

TEST_CASE("patch: json is RFC 6902, and one wrong operation changes nothing") {
  const json before = json::parse(R"({"spec": {"order": 1}})");
  CHECK(patched(Kind::Tier, before, json::parse(R"([{"op": "replace", "path": "/spec/order", "value": 2}])"), PatchType::Json) ==
        json::parse(R"({"spec": {"order": 2}})"));
  json object = before;
  CHECK_FALSE(apply_patch(
      Kind::Tier, object,
      json::parse(R"([{"op": "remove", "path": "/spec/order"}, {"op": "test", "path": "/spec", "value": 1}])"), PatchType::Json));
  CHECK(object == before);
  CHECK_FALSE(apply_patch(Kind::Tier, object, json::parse(R"([{"op": "frob"}])"), PatchType::Json));
  CHECK_FALSE(apply_patch(Kind::Tier, object, json::parse(R"({"spec": 1})"), PatchType::Json));
  CHECK_FALSE(apply_patch(Kind::Tier, object, json::parse(R"([1])"), PatchType::Merge));
}

TEST_CASE("labels: set, overwrite, remove") {
  CHECK(parse_label_change("a=b")->value == "b");
  CHECK(parse_label_change("a=")->value.empty());
  CHECK(parse_label_change("x.org/a-")->remove);
  CHECK(parse_label_change("a=b-")->value == "b-");
  for (const char* wrong : {"", "=", "=x", "-", "a"}) CHECK_FALSE(parse_label_change(wrong));

  json object = json::parse(R"({"metadata": {"labels": {"a": "1"}}})");
  CHECK(change_labels(object, {{"a", "1", false}, {"b", "2", false}}, false));
  CHECK(object["metadata"]["labels"] == json::parse(R"({"a": "1", "b": "2"})"));
  const auto refused = change_labels(object, {{"c", "3", false}, {"a", "9", false}}, false);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("--overwrite") != std::string::npos);
  CHECK(object["metadata"]["labels"] == json::parse(R"({"a": "1", "b": "2"})"));
  CHECK(change_labels(object, {{"a", "9", false}}, true));
  CHECK(change_labels(object, {{"a", "", true}, {"b", "", true}}, false));
  CHECK_FALSE(object["metadata"].contains("labels"));
}
