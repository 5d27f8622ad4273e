#include "ctl/object.hpp"

#include "ctl/edit.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;
using nlohmann::json;

namespace {
json manifest(const char* extra) {
  json out = json::parse(R"({"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "web"}})");
  out.merge_patch(json::parse(extra));
  return out;
}
std::string first_error(const json& object, std::string_view ns = {}) {
  const Prepared prepared = prepare(object, ns);
  return prepared.errors.empty() ? "" : field_error("f", prepared.id, prepared.errors.front());
}
}  // namespace

TEST_CASE("prepare: namespace, defaults, and nothing that only a server writes") {
  const Prepared out = prepare(
      manifest(R"({"metadata": {"resourceVersion": "r1", "selfLink": "x", "managedFields": []}, "spec": {"order": 1}})"), "");
  REQUIRE(out.errors.empty());
  CHECK(out.id == ObjectId{Kind::NetworkPolicy, "default", "web"});
  CHECK(out.resource_version == "r1");
  CHECK(out.object["metadata"] ==
        json::parse(R"({"name": "web", "namespace": "default", "labels": {"projectcalico.org/tier": "default"}})"));
  CHECK(out.object["spec"] == json::parse(R"({"order": 1, "tier": "default", "types": ["Ingress"]})"));
  CHECK(prepare(manifest("{}"), "shop").id->ns == "shop");
  CHECK(prepare(manifest("{}"), "shop").object["metadata"]["namespace"] == "shop");
}

TEST_CASE("prepare: errors name object, field and reason") {
  CHECK(first_error(manifest(R"({"spec": {"selektor": "x"}})")) == "f: NetworkPolicy default/web: spec.selektor: unknown field");
  CHECK(first_error(manifest(R"({"metadata": {"namespace": "a"}})"), "b").find("metadata.namespace: is \"a\"") !=
        std::string::npos);
  CHECK(first_error(manifest(R"({"metadata": {"name": null}})")).find("metadata.name: is required") != std::string::npos);
  CHECK(first_error(manifest(R"({"kind": "Tier", "metadata": {"namespace": "a"}})")).find("has no namespace") !=
        std::string::npos);
  CHECK(first_error(json::array()).find("must be an object") != std::string::npos);
  CHECK(first_error(manifest(R"({"kind": "NetworkPolcy"})")).find("did you mean \"NetworkPolicy\"") != std::string::npos);
  CHECK(first_error(manifest(R"({"metadata": {"name": null, "generateName": "x-"}})")).find("not generated") !=
        std::string::npos);
}

TEST_CASE("prepare: what a manifest of any shape makes of it is an answer") {
  for (const char* text :
       {"null", "[]", "3", "{}", R"({"apiVersion": 3, "kind": []})",
        R"({"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": []})",
        R"({"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": {}, "namespace": 3}})",
        R"({"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "a", "labels": 3}})",
        R"({"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": []})",
        R"({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": [1]})"}) {
    INFO(text);
    CHECK_FALSE(prepare(json::parse(text), "").errors.empty());
  }
}

TEST_CASE("update: stored metadata stays but for labels and annotations; status stays if the manifest has none") {
  const json stored = json::parse(R"({"metadata": {"name": "t", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
      "labels": {"old": "1"}, "annotations": {"old": "1"}, "finalizers": ["f"]}, "spec": {"a": 1}, "status": {"s": 1}})");
  const json after =
      updated(stored, json::parse(R"({"metadata": {"name": "t", "uid": "v", "labels": {"new": "1"}}, "spec": {"b": 2}})"));
  CHECK(after == json::parse(R"({"metadata": {"name": "t", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
      "labels": {"new": "1"}, "finalizers": ["f"]}, "spec": {"b": 2}, "status": {"s": 1}})"));
  CHECK(updated(stored, json::parse(R"({"metadata": {"name": "t"}, "status": {"s": 2}})"))["status"]["s"] == 2);
}

TEST_CASE("secrets: values are never shown, and what is shown cannot be written") {
  const json secret = json::parse(R"({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "mystery": "c2VjcmV0",
      "metadata": {"name": "s", "namespace": "default",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0", "note": "n"}},
      "data": {"pw": "c2VjcmV0"}, "stringData": {"q": "c2VjcmV0"}})");
  const json shown = presented(Kind::Secret, secret, "r");
  CHECK(shown.dump().find("c2VjcmV0") == std::string::npos);
  CHECK(shown["data"]["pw"] == "<hidden: 6 bytes>");
  CHECK(shown["stringData"]["q"] == "<hidden: 8 bytes>");
  CHECK(shown["metadata"]["annotations"]["note"] == "n");
  CHECK(first_error(shown).find("data.pw: margayctl hides this value") != std::string::npos);
  CHECK(prepare(shown, "").errors.size() == 2);  // nothing about base64
  for (const char* odd : {R"("c2VjcmV0")", R"(["c2VjcmV0"])"}) {
    json broken = secret;
    broken["data"] = json::parse(odd);
    broken["metadata"].erase("annotations");
    CHECK(presented(Kind::Secret, broken, "").dump().find("c2VjcmV0") == std::string::npos);
  }
}

TEST_CASE("built-in objects look like others and are valid") {
  for (const auto& [kind, count] : {std::pair{Kind::Tier, 3}, std::pair{Kind::Profile, 1}, std::pair{Kind::Pod, 0}}) {
    const auto ids = built_ins(kind);
    CHECK(ids.size() == static_cast<std::size_t>(count));
    for (const ObjectId& id : ids) {
      const Prepared out = prepare(*built_in(id), "");
      CHECK(out.errors.empty());
      CHECK(out.id == id);
    }
  }
  CHECK_FALSE(built_in({Kind::Tier, "", "other"}));
}

TEST_CASE("an edit is blamed only for the errors it makes") {
  const ObjectId id{Kind::Tier, "", "t"};
  const json before =
      json::parse(R"({"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "t"}, "spec": {"odd": 1}})");
  json after = before;
  after["metadata"]["labels"]["a"] = "b";
  CHECK(new_errors(id, before, after).empty());
  after["metadata"]["labels"]["c"] = "not a value!";
  const auto errors = new_errors(id, before, after);
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].field == "metadata.labels.c");
}
