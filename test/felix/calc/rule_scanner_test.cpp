#include "calc/rule_scanner.hpp"

#include "margay/base/hash.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

Selector parse(const char* text) { return *Selector::parse(text); }

struct Scanned {
  ActiveRule rule;
  std::vector<SetDef> sets;
};
Scanned scan_source(Entity source, std::optional<Protocol> proto = std::nullopt) {
  Policy policy;
  policy.ingress.emplace_back();
  policy.ingress[0].source = std::move(source);
  policy.ingress[0].protocol = proto;
  ScannedRules rules = scan(policy);
  return {rules.ingress.at(0), rules.sets};
}
SetId port_id(const char* selector, const char* proto, const char* port) {
  return make_unique_id("n", parse(selector).set_id() + "," + proto + "," + port);
}

}  // namespace

TEST_CASE("a selector becomes a set, a negated one alone a negated set") {
  CHECK(scan_source({.selector = parse("all()")}).rule.src_sets ==
        std::vector<SetId>{"s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"});
  const auto negated = scan_source({.not_selector = parse("a == 'b'")});
  CHECK(negated.rule.src_sets.empty());
  CHECK(negated.rule.not_src_sets == std::vector<SetId>{parse("a == 'b'").set_id()});
}

TEST_CASE("positive and negated selector of one side fold into one positive set") {
  const auto both = scan_source({.selector = parse("a == 'b'"), .not_selector = parse("c == 'd'")});
  CHECK(both.rule.src_sets == std::vector<SetId>{parse("(a == 'b') && (!(c == 'd'))").set_id()});
  CHECK(both.rule.not_src_sets.empty());
  REQUIRE(both.sets.size() == 1);
  CHECK(both.sets[0].selector.canonical() == R"((a == "b" && !c == "d"))");
}

TEST_CASE("named ports fold the selector in, unless numeric ports need it too") {
  const auto named = scan_source({.selector = parse("a == 'b'"), .named_ports = {"http"}}, protocol::kUdp);
  CHECK(named.rule.src_sets.empty());
  CHECK(named.rule.src_port_sets == std::vector<SetId>{port_id("a == 'b'", "udp", "http")});
  const auto mixed = scan_source({.selector = parse("a == 'b'"), .ports = {{80, 80}}, .named_ports = {"http"}}, protocol::kUdp);
  CHECK(mixed.rule.src_sets == std::vector<SetId>{parse("a == 'b'").set_id()});
  CHECK(mixed.rule.src_port_sets.size() == 1);
  const auto not_named = scan_source({.selector = parse("a == 'b'"), .not_named_ports = {"http"}}, protocol::kUdp);
  CHECK(not_named.rule.src_sets.size() == 1);
  CHECK(not_named.rule.not_src_port_sets == std::vector<SetId>{port_id("a == 'b'", "udp", "http")});
}

TEST_CASE("named ports without a selector are anybody's, and their protocol is the rule's, any, or TCP") {
  CHECK(scan_source({.named_ports = {"p"}}).rule.src_port_sets == std::vector<SetId>{port_id("all()", "any", "p")});
  CHECK(scan_source({.named_ports = {"p"}}, protocol::kSctp).rule.src_port_sets ==
        std::vector<SetId>{port_id("all()", "sctp", "p")});
  CHECK(scan_source({.named_ports = {"p"}}, protocol::kUdpLite).rule.src_port_sets ==
        std::vector<SetId>{port_id("all()", "tcp", "p")});
}

TEST_CASE("a source service is a set of addresses, a destination service one of addresses and ports") {
  CHECK(scan_source({.service = ServiceRef{"n", "s"}}).rule.src_sets == std::vector<SetId>{make_unique_id("svcnoport", "n/s")});
  Policy policy;
  policy.governs_egress = true;
  policy.egress.emplace_back();
  policy.egress[0].destination.service = ServiceRef{"n", "s"};
  const ScannedRules rules = scan(policy);
  CHECK(rules.egress[0].dst_service_sets == std::vector<SetId>{make_unique_id("svc", "n/s")});
  CHECK(rules.sets.at(0).type() == kernel::SetType::HashIpPort);
}

TEST_CASE("a set that several rules name is defined once") {
  Policy policy;
  policy.ingress.resize(2);
  policy.ingress[0].source.selector = policy.ingress[1].source.selector = parse("a == 'b'");
  policy.ingress[1].destination.selector = parse("a == 'b'");
  CHECK(scan(policy).sets.size() == 1);
}

TEST_CASE("rules of a direction not governed are left out; closed is one Deny in each that is; so is a missing profile") {
  Policy policy;
  policy.governs_ingress = false;
  policy.governs_egress = true;
  policy.ingress.resize(2);
  policy.egress.resize(2);
  CHECK(scan(policy).ingress.empty());
  CHECK(scan(policy).egress.size() == 2);
  policy.closed = true;
  CHECK(scan(policy).ingress.empty());
  REQUIRE(scan(policy).egress.size() == 1);
  CHECK(scan(policy).egress[0].action == Action::Deny);
  const ScannedRules missing = scan(static_cast<const Profile*>(nullptr));
  REQUIRE(missing.ingress.size() == 1);
  REQUIRE(missing.egress.size() == 1);
  CHECK(missing.ingress[0].action == Action::Deny);
}
