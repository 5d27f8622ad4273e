#include "config/config.hpp"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "config/params.hpp"
#include "config/values.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::config;

namespace {

Source source(SourceKind kind, std::map<std::string, std::string> parameters) {
  static const char* kNames[] = {"environment", "margay.conf", "FelixConfiguration node.n", "FelixConfiguration rack",
                                 "FelixConfiguration default"};
  return {kind, kNames[static_cast<int>(kind)], std::move(parameters)};
}

Resolved from(std::map<std::string, std::string> parameters) {
  return resolve({source(SourceKind::Global, std::move(parameters))});
}

}  // namespace

TEST_CASE("without any source, Calico's defaults hold, and ours where the contracts differ") {
  const Resolved out = resolve({});
  CHECK(out.problems.empty());
  const Config& c = out.config;
  CHECK(c.rules.mark_mask == 0xffff0000);
  CHECK(c.rules.interface_prefixes == std::vector<std::string>{"cali"});
  CHECK(c.rules.failsafe_in.size() == 9);
  CHECK(c.rules.failsafe_out.size() == 9);
  CHECK(c.rules.failsafe_in[0] == rules::FailsafePort{protocol::kTcp, 22, {}});
  CHECK(c.rules.endpoint_to_host == rules::Verdict::Drop);
  CHECK(c.iptables_refresh == Milliseconds{180'000});
  CHECK(c.route_protocol == 80);
  CHECK(c.health_enabled);
  CHECK_FALSE(c.metrics_enabled);
  CHECK(c.watchdog_timeout == Milliseconds{90'000});
  CHECK(c == Config{[] {
          Config d;
          d.rules.failsafe_in = resolve({}).config.rules.failsafe_in;
          d.rules.failsafe_out = resolve({}).config.rules.failsafe_out;
          return d;
        }()});  // the members' own initialisers say the same as the table
}

TEST_CASE("a higher source decides, an empty text lets the next one decide, names have no case") {
  const Resolved out = resolve({source(SourceKind::Environment, {{"LOGPREFIX", ""}, {"HEALTHPORT", "1"}}),
                                source(SourceKind::File, {{"LogPrefix", "file"}, {"HealthPort", "2"}}),
                                source(SourceKind::PerNode, {{"logPrefix", "node"}}),
                                source(SourceKind::Global, {{"HealthPort", "3"}, {"VXLANPort", "4000"}})});
  CHECK(out.problems.empty());
  CHECK(out.config.rules.log_prefix == "file");
  CHECK(out.config.health_port == 1);
  CHECK(out.config.rules.vxlan_port == 4000);
  CHECK(out.origins.at("HealthPort") == "environment");
  CHECK(out.values.at("LogPrefix") == "file");
}

TEST_CASE("a text that does not parse falls to the built-in default and says source, key, value and what is used") {
  const Resolved out =
      resolve({source(SourceKind::PerNode, {{"HealthPort", "x"}}), source(SourceKind::Global, {{"HealthPort", "7"}})});
  CHECK(out.config.health_port == 9099);
  REQUIRE(out.problems.size() == 1);
  CHECK(
      out.problems[0].text ==
      "FelixConfiguration node.n: HealthPort = \"x\": must be a whole number from 0 to 65535; the default 9099 is used instead");
}

TEST_CASE("a mistake is told also where a better source hides it") {
  const Resolved out =
      resolve({source(SourceKind::Environment, {{"HealthPort", "7"}}), source(SourceKind::File, {{"HealthPort", "x"}})});
  CHECK(out.config.health_port == 7);
  REQUIRE(out.problems.size() == 1);
  CHECK(out.problems[0].kind == SourceKind::File);
}

TEST_CASE("unknown names are one problem each; names of what Margay is not are none") {
  const Resolved out = from({{"Nonsense", "1"}, {"BPFEnabled", "true"}, {"WireguardEnabled", "true"}, {"VXLANEnabled", "true"}});
  REQUIRE(out.problems.size() == 1);
  CHECK(out.problems[0].text == "FelixConfiguration default: unknown parameter Nonsense = \"1\"; it is ignored");
}

TEST_CASE("fields of FelixConfiguration whose names are irregular are understood") {
  const Resolved out =
      from({{"iptablesPostWriteCheckInterval", "7s"}, {"externalNodesList", "10.0.0.1"}, {"natPortRange", "32768:65535"}});
  CHECK(out.problems.empty());
  CHECK(out.config.rules.external_nodes.size() == 1);
  CHECK(out.config.rules.nat_port_range == PortRange{32768, 65535});
}

TEST_CASE("durations") {
  Milliseconds out{};
  struct Row {
    const char* text;
    long long ms;
  };
  for (const Row& row : {Row{"90", 90'000},
                         {"0.5", 500},
                         {"90s", 90'000},
                         {"1m30s", 90'000},
                         {"250ms", 250},
                         {"2h", 7'200'000},
                         {"0", 0},
                         {"none", 0},
                         {"1.5s", 1'500}}) {
    INFO(row.text);
    CHECK(parse_seconds(row.text, out).empty());
    CHECK(out.count() == row.ms);
  }
  for (const char* bad : {"", "x", "-1", "1x", "1m30", "1e400", "inf", "nan", "s", "99999999999999999999s"}) {
    INFO(bad);
    CHECK_FALSE(parse_seconds(bad, out).empty());
  }
}

TEST_CASE("failsafe ports") {
  std::vector<rules::FailsafePort> out;
  REQUIRE(parse_failsafe_ports("22, tcp:10.0.0.0/8:23,udp:[fd00::/8]:53, UDP:68,[::1]:5", out).empty());
  REQUIRE(out.size() == 5);
  CHECK(out[0] == rules::FailsafePort{protocol::kTcp, 22, {}});
  CHECK(out[1] == rules::FailsafePort{protocol::kTcp, 23, Cidr::parse("10.0.0.0/8")});
  CHECK(out[2] == rules::FailsafePort{protocol::kUdp, 53, Cidr::parse("fd00::/8")});
  CHECK(out[3] == rules::FailsafePort{protocol::kUdp, 68, {}});
  CHECK(out[4] == rules::FailsafePort{protocol::kTcp, 5, Cidr::parse("::1/128")});
  CHECK(parse_failsafe_ports("none", out).empty());
  CHECK(out.empty());
  for (const char* bad : {"sctp:22", "tcp:", "tcp:70000", "tcp:x", "10.0.0.0/40:22", "tcp:22:", "a"}) {
    INFO(bad);
    CHECK_FALSE(parse_failsafe_ports(bad, out).empty());
  }
}

TEST_CASE("values that the kernel or the rules could not bear are refused") {
  for (const auto& [name, text] : std::map<std::string, std::string>{{"IptablesMarkMask", "0x7"},
                                                                     {"InterfacePrefix", "interface-too-long"},
                                                                     {"InterfacePrefix ", "none"},
                                                                     {"NATPortRange", "9:3"},
                                                                     {"NATOutgoingAddress", "fd00::1"},
                                                                     {"LogActionRateLimit", "0/second"},
                                                                     {"LogActionRateLimitBurst", "10000"},
                                                                     {"LogPrefix", "a\"b"},
                                                                     {"DataplaneWatchdogTimeout", "5"},
                                                                     {"MaxIpsetSize", "0"},
                                                                     {"DeviceRouteProtocol", "256"},
                                                                     {"IptablesNATOutgoingInterfaceFilter", "a b"},
                                                                     {"DefaultEndpointToHostAction", "REJECT"}}) {
    INFO(name << " = " << text);
    CHECK(from({{std::string{trim(name)}, text}}).problems.size() == 1);
  }
}

TEST_CASE("enumerations take Calico's capitalised words and the environment's upper case") {
  CHECK(from({{"DefaultEndpointToHostAction", "ACCEPT"}}).config.rules.endpoint_to_host == rules::Verdict::Accept);
  CHECK(from({{"DefaultEndpointToHostAction", "Return"}}).config.rules.endpoint_to_host == rules::Verdict::Return);
  CHECK(from({{"ChainInsertMode", "Append"}}).config.rules.append_hooks);
  CHECK(from({{"ServiceLoopPrevention", "disabled"}}).config.rules.loop_prevention == rules::Config::LoopPrevention::Disabled);
}

TEST_CASE("only the log level changes in place") {
  const Config before = resolve({}).config;
  CHECK(changes_in_place(before, from({{"LogSeverityScreen", "Debug"}}).config));
  CHECK_FALSE(changes_in_place(before, from({{"LogPrefix", "other"}}).config));
}

TEST_CASE("the table names every parameter once") {
  std::set<std::string> names;
  for (const Parameter& row : parameters()) {
    INFO(row.name);
    CHECK(names.insert(lower(row.name)).second);
    if (!row.field.empty() && lower(row.field) != lower(row.name)) CHECK(names.insert(lower(row.field)).second);
    CHECK_FALSE(row.prose.empty());
  }
}

TEST_CASE("docs/config-felix.md is what the table says (MARGAY_UPDATE=1 writes it)") {
  const std::string path = std::string{MARGAY_SOURCE_ROOT} + "/docs/config-felix.md";
  if (std::getenv("MARGAY_UPDATE")) std::ofstream{path} << render_reference();
  std::stringstream text;
  text << std::ifstream{path}.rdbuf();
  CHECK(text.str() == render_reference());
}
