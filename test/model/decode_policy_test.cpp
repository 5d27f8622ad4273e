#include <limits>

#include "policy_support.hpp"

using namespace margay;
using namespace margay::test;

namespace {

const std::string kAllow = R"({"action":"Allow"})";

Policy np(const std::string& spec) { return policy_of(calico("NetworkPolicy", spec)); }
Policy gnp(const std::string& spec) { return policy_of(calico("GlobalNetworkPolicy", spec)); }

}  // namespace

TEST_CASE("a policy's every field is decoded") {
  const auto policy = gnp(
      R"x({"tier":"t1","order":-1.5,"selector":"has(a)","types":["Egress","Ingress"], "ingress":[{"action":"Deny"}],"egress":[{"action":"Allow"},{"action":"Log"}], "doNotTrack":true,"preDNAT":false,"applyOnForward":true,"performanceHints":["AssumeNeededOnEveryNode"]})x");
  CHECK(policy.tier == "t1");
  CHECK(policy.order == -1.5);
  CHECK(policy.selector.canonical() == "has(a)");
  CHECK(policy.governs_ingress);
  CHECK(policy.governs_egress);
  CHECK(policy.ingress.size() == 1);
  CHECK(policy.egress.size() == 2);
  CHECK(policy.do_not_track);
  CHECK_FALSE(policy.pre_dnat);
  CHECK(policy.apply_on_forward);
  CHECK(policy.needed_everywhere);
  CHECK_FALSE(policy.staged);
  CHECK_FALSE(policy.closed);
  CHECK(gnp(R"({"preDNAT":true,"applyOnForward":true,"ingress":[]})").pre_dnat);
}

TEST_CASE("keys") {
  CHECK(decode_text(calico("NetworkPolicy", "{}")).key == Key{Kind::NetworkPolicy, "ns1", "p1"});
  CHECK(decode_text(calico("GlobalNetworkPolicy", "{}")).key == Key{Kind::GlobalNetworkPolicy, {}, "p1"});
  CHECK(decode_text(calico("StagedNetworkPolicy", "{}")).key == Key{Kind::StagedNetworkPolicy, "ns1", "p1"});
}

TEST_CASE("an empty policy governs ingress, in the default tier, last") {
  const auto policy = np("{}");
  CHECK(policy.tier == "default");
  CHECK_FALSE(policy.order);
  CHECK(policy.governs_ingress);
  CHECK_FALSE(policy.governs_egress);
  CHECK(np("null") == policy);
  CHECK(np(R"({"tier":"","types":[],"ingress":[],"egress":[]})") == policy);
}

TEST_CASE("types that are not given follow from the rules") {
  struct Row {
    std::string spec;
    bool ingress, egress;
  };
  const Row rows[] = {
      {R"({"ingress":[)" + kAllow + "]}", true, false},
      {R"({"egress":[)" + kAllow + "]}", false, true},
      {R"({"ingress":[],"egress":[)" + kAllow + "]}", false, true},
      {R"({"ingress":[)" + kAllow + R"(],"egress":[)" + kAllow + "]}", true, true},
      {R"({"types":["Egress"],"ingress":[)" + kAllow + "]}", false, true},
      {R"({"types":["Ingress","Egress"]})", true, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.spec);
    const auto policy = np(row.spec);
    CHECK(policy.governs_ingress == row.ingress);
    CHECK(policy.governs_egress == row.egress);
    // Rules of the other direction mean nothing.
    if (!row.ingress) CHECK(policy.ingress.empty());
    if (!row.egress) CHECK(policy.egress.empty());
  }
}

TEST_CASE("what a namespaced policy selects") {
  const std::string own = "projectcalico.org/namespace == \"ns1\"";
  CHECK(np("{}").selector.canonical() == own);
  CHECK(np(R"({"selector":""})").selector.canonical() == own);
  CHECK(np(R"x({"selector":"all()" })x").selector.canonical() == "(all() && " + own + ")");
  CHECK(np(R"x({"selector":"has(a)||has(b)" })x").selector.canonical() == "((has(a) || has(b)) && " + own + ")");
  CHECK(np(R"x({"serviceAccountSelector":"all()" })x").selector.canonical() == "(" + own + " && all())");
  CHECK(np(R"x({"selector":"has(a)","serviceAccountSelector":"r == 'x'" })x").selector.canonical() ==
        "((has(a) && " + own + ") && pcsa.r == \"x\")");
}

TEST_CASE("what a global policy selects") {
  CHECK(gnp("{}").selector.is_all());
  CHECK(gnp(R"x({"selector":"has(a)" })x").selector.canonical() == "has(a)");
  CHECK(gnp(R"({"namespaceSelector":"n == 'x'"})").selector.canonical() == "pcns.n == \"x\"");
  CHECK(gnp(R"x({"namespaceSelector":"all()" })x").selector.canonical() == "has(projectcalico.org/namespace)");
  CHECK(gnp(R"x({"selector":"all()" })x").selector.canonical() == "all()");
  // Calico's rewriting of all() in the user's own selector; but in a value it is left alone.
  CHECK(gnp(R"x({"selector":"all() || a == 'all()'","namespaceSelector":"!has(n)" })x").selector.canonical() ==
        "((has(projectcalico.org/namespace) || a == \"all()\") && !has(pcns.n))");
  CHECK(gnp(R"x({"serviceAccountSelector":"all()" })x").selector.canonical() == "has(projectcalico.org/serviceaccount)");
  CHECK(gnp(R"x({"selector":"all()","namespaceSelector":"has(n)","serviceAccountSelector":"has(s)" })x").selector.canonical() ==
        "((has(projectcalico.org/namespace) && has(pcns.n)) && has(pcsa.s))");
  CHECK(gnp(R"x({"selector":"all()","serviceAccountSelector":"has(s)" })x").selector.canonical() ==
        "(has(projectcalico.org/serviceaccount) && has(pcsa.s))");
}

TEST_CASE("staged policies are decoded and marked") {
  CHECK(policy_of(calico("StagedNetworkPolicy", R"x({"stagedAction":"Set","selector":"has(a)"})x")).staged);
  CHECK(policy_of(calico("StagedGlobalNetworkPolicy", R"x({"stagedAction":"Learn","namespaceSelector":"has(a)" })x")).staged);
  CHECK(policy_of(calico("StagedNetworkPolicy", R"({"stagedAction":"Ignore"})")).staged);
  const auto preview = policy_of(calico("StagedKubernetesNetworkPolicy", R"({"stagedAction":"Set","podSelector":{}})"));
  CHECK(preview.staged);
  CHECK(preview.order == 1000.0);
  for (const char* kind : {"StagedNetworkPolicy", "StagedGlobalNetworkPolicy"}) {
    const auto gone =
        decode_text(calico(kind, R"({"stagedAction":"Delete","tier":"t","selector":"","types":[],"doNotTrack":false})"));
    INFO(shown(gone));
    CHECK(gone.errors.empty());
    CHECK(gone.key);
    CHECK_FALSE(gone.value);
    CHECK(has_error(decode_text(calico(kind, R"({"stagedAction":"Delete","order":0})")), "spec.order", "Delete"));
    CHECK(has_error(decode_text(calico(kind, R"({"stagedAction":"Remove"})")), "spec.stagedAction", "is not one of"));
  }
  const auto gone = decode_text(calico("StagedKubernetesNetworkPolicy", R"({"stagedAction":"Delete","podSelector":{}})"));
  CHECK(gone.errors.empty());
  CHECK_FALSE(gone.value);
  CHECK(has_error(decode_text(calico("StagedKubernetesNetworkPolicy", R"({"stagedAction":"Delete","policyTypes":["Ingress"]})")),
                  "spec.policyTypes", "Delete"));
}

TEST_CASE("every wrong policy is refused with field and reason; one that says what it selects is closed") {
  struct Row {
    std::string spec;
    const char* field;
    const char* reason;
    bool ingress, egress;  // closed directions; neither: no value
    const char* kind = "GlobalNetworkPolicy";
  };
  const std::string long_selector = "a == '" + std::string(1024, 'x') + "'";
  const std::string many_rules = [] {
    std::string out = R"({"egress":[)";
    for (int i = 0; i < 1025; ++i) out += (i ? "," : "") + kAllow;
    return out + "]}";
  }();
  const Row rows[] = {
      // what is selected cannot be read
      {R"([])", "spec", "object", false, false},
      {R"({"selector":"a"})", "spec.selector", "position 1", false, false},
      {R"({"selector":7})", "spec.selector", "text", false, false},
      {R"({"selector":")" + long_selector + "\"}", "spec.selector", "1024", false, false},
      {R"x({"selector":"global()"})x", "spec.selector", "global()", false, false},
      {R"({"namespaceSelector":"a"})", "spec.namespaceSelector", "position 1", false, false},
      {R"x({"namespaceSelector":"global()"})x", "spec.namespaceSelector", "global()", false, false},
      {R"({"serviceAccountSelector":"a"})", "spec.serviceAccountSelector", "position 1", false, false},
      {R"({"selector":"a"})", "spec.selector", "position 1", false, false, "NetworkPolicy"},
      {R"({"serviceAccountSelector":[]})", "spec.serviceAccountSelector", "text", false, false, "NetworkPolicy"},
      {R"x({"serviceAccountSelector":"global()"})x", "spec.serviceAccountSelector", "global()", false, false, "NetworkPolicy"},
      // the rest
      {R"({"tier":"A"})", "spec.tier", "tier's name", true, false},
      {R"({"tier":7})", "spec.tier", "text", true, false},
      {R"({"order":"first"})", "spec.order", "number", true, false},
      {R"({"types":["Ingress","Ingress"]})", "spec.types[1]", "twice", true, false},
      {R"({"types":["Ingress","ingress"]})", "spec.types[1]", "is not one of Ingress, Egress", true, true},
      {R"({"types":["Ingress","Egress","Ingress"]})", "spec.types", "3 elements", true, true},
      {R"({"types":"Ingress"})", "spec.types", "list", true, true},
      {R"({"ingress":{}})", "spec.ingress", "list", true, false},
      {R"({"egress":7})", "spec.egress", "list", false, true},
      {R"({"ingress":[7],"types":["Egress"]})", "spec.ingress[0]", "object", false, true},
      {many_rules, "spec.egress", "1025 elements", false, true},
      {R"({"performanceHints":["Fast"]})", "spec.performanceHints[0]", "AssumeNeededOnEveryNode", true, false},
      {R"({"doNotTrack":true})", "spec.doNotTrack", "needs applyOnForward", true, false},
      {R"({"preDNAT":true})", "spec.preDNAT", "needs applyOnForward", true, false},
      {R"({"preDNAT":true,"doNotTrack":true,"applyOnForward":true})", "spec.preDNAT", "combined", true, false},
      {R"({"preDNAT":true,"applyOnForward":true,"egress":[)" + kAllow + "]}", "spec.egress", "no egress rules", false, true},
      {R"({"preDNAT":true,"applyOnForward":true,"types":["Ingress","Egress"]})", "spec.types", "no type Egress", true, true},
      {R"({"doNotTrack":"yes","applyOnForward":true})", "spec.doNotTrack", "true or false", true, false},
      {R"({"applyOnForward":1})", "spec.applyOnForward", "true or false", true, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.kind, row.spec);
    const auto text = calico(row.kind, row.spec);
    const auto decoded = decode_text(text);
    INFO(shown(decoded));
    CHECK(has_error(decoded, row.field, row.reason));
    const auto closed = closed_of(text);
    REQUIRE(closed.has_value() == (row.ingress || row.egress));
    if (!closed) continue;
    CHECK(closed->governs_ingress == row.ingress);
    CHECK(closed->governs_egress == row.egress);
  }
}

TEST_CASE("a closed policy keeps its place, and covers what it might have covered") {
  const auto closed = [](const std::string& spec) {
    const auto policy = closed_of(calico("GlobalNetworkPolicy", spec));
    REQUIRE(policy);
    return *policy;
  };
  const auto policy =
      closed(R"x({"tier":"t","order":7,"selector":"has(a)","ingress":[{"action":"x"}],"egress":[{"action":"Allow"}] })x");
  CHECK(policy.tier == "t");
  CHECK(policy.order == 7.0);
  CHECK(policy.selector.canonical() == "has(a)");
  CHECK(policy.governs_egress);
  CHECK_FALSE(policy.apply_on_forward);
  // Where its order cannot be read: before all others.
  CHECK(closed(R"({"order":"x"})").order == std::numeric_limits<double>::lowest());
  CHECK_FALSE(closed(R"({"tier":7})").order);

  // A contradiction about where it applies: to local and forwarded traffic, as a plain policy.
  const auto both = closed(R"({"preDNAT":true,"doNotTrack":true})");
  CHECK_FALSE(both.pre_dnat);
  CHECK_FALSE(both.do_not_track);
  CHECK(both.apply_on_forward);
  CHECK(closed(R"({"doNotTrack":"x"})").apply_on_forward);
  CHECK(closed(R"({"applyOnForward":"x"})").apply_on_forward);
  const auto untracked = closed(R"({"doNotTrack":true})");
  CHECK(untracked.do_not_track);
  CHECK(untracked.apply_on_forward);
  CHECK(closed(R"({"preDNAT":true})").pre_dnat);
  // The pre-DNAT chains have no egress side to be closed.
  CHECK_FALSE(closed(R"({"preDNAT":true,"applyOnForward":true,"types":["Ingress","Egress"]})").pre_dnat);
}

TEST_CASE("flags of global policies are unknown fields in namespaced ones") {
  const auto decoded =
      decode_text(calico("NetworkPolicy", R"x({"doNotTrack":true,"namespaceSelector":"has(a)","stagedAction":"Set"})x"), true);
  INFO(shown(decoded));
  CHECK(decoded.errors.size() == 3);
  CHECK(has_error(decoded, "spec.doNotTrack", "unknown field"));
  CHECK(has_error(decoded, "spec.namespaceSelector", "unknown field"));
  CHECK(has_error(decoded, "spec.stagedAction", "unknown field"));
}

TEST_CASE("the namespace label is the system's, but closes no policy") {
  const std::string text =
      R"({"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"n",
          "labels":{"projectcalico.org/namespace":"x"}},"spec":{"selector":"a == 'b'"}})";
  const auto written = decode_text(text, true);
  INFO(shown(written));
  REQUIRE(written.errors.size() == 1);
  CHECK(written.errors[0].field == "metadata.labels[projectcalico.org/namespace]");

  const auto enforced = decode_text(text);
  INFO(shown(enforced));
  CHECK(enforced.errors.empty());
  REQUIRE(enforced.value);
  CHECK_FALSE(std::get<Ref<Policy>>(*enforced.value)->closed);
  // It is the object's label, not one of what it selects.
  CHECK(std::get<Ref<Policy>>(*enforced.value)->selector.canonical() == "(a == \"b\" && projectcalico.org/namespace == \"n\")");
}

TEST_CASE("a wrong annotation closes a policy too") {
  const auto closed = closed_of(
      R"({"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"n",
          "annotations":{"a":7}},"spec":{"types":["Egress"]}})");
  REQUIRE(closed);
  CHECK(closed->governs_egress);
  CHECK_FALSE(closed->governs_ingress);
}

TEST_CASE("tiers") {
  const auto tier = [](const std::string& name, const std::string& spec) {
    return decode_text(
        R"({"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":")" + name + R"("},"spec":)" + spec + "}", true);
  };
  const auto value = [&](const std::string& name, const std::string& spec) {
    const auto decoded = tier(name, spec);
    INFO(shown(decoded));
    REQUIRE(decoded.value);
    CHECK(decoded.key == Key{Kind::Tier, {}, name});
    return *std::get<Ref<Tier>>(*decoded.value);
  };
  CHECK(value("t", "{}") == Tier{});
  CHECK(value("t", R"({"order":5,"defaultAction":"Pass"})") == Tier{5, true});
  CHECK(value("t", R"({"order":5.5,"defaultAction":"Deny"})") == Tier{5.5, false});
  CHECK(value("default", "{}") == Tier{1'000'000, false});
  CHECK(value("default", R"({"order":1000000,"defaultAction":"Deny"})") == Tier{1'000'000, false});
  CHECK(value("kube-admin", R"({"order":1000,"defaultAction":"Pass"})") == Tier{1'000, true});
  CHECK(value("kube-baseline", "{}") == Tier{10'000'000, true});
  CHECK(has_error(tier("default", R"({"order":1})"), "spec.order", "1000000"));
  CHECK(has_error(tier("default", R"({"defaultAction":"Pass"})"), "spec.defaultAction", "Deny"));
  CHECK(has_error(tier("kube-admin", R"({"defaultAction":"Deny"})"), "spec.defaultAction", "Pass"));
  CHECK(has_error(tier("t", R"({"order":"x"})"), "spec.order", "number"));
  CHECK(has_error(tier("t", R"({"defaultAction":"pass"})"), "spec.defaultAction", "is not one of"));
  CHECK(has_error(tier("t", R"({"orders":1})"), "spec.orders", "unknown"));
  CHECK_FALSE(tier("t", R"({"order":"x"})").value);
}
