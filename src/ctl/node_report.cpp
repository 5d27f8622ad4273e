#include "node_report.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "table.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

const json& at(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text(const json& object, const char* key, std::string fallback = "-") {
  const json& value = at(object, key);
  return value.is_string() && value != "" ? value.get<std::string>() : fallback;
}

std::string count(const json& session, const char* key) {
  const json& value = at(session, key);
  return value.is_number() && at(session, "state") != "absent" ? value.dump() : "-";
}

bool yes(const json& object, const char* key) { return at(object, key) == true; }

bool established(const json& session) { return at(session, "bgpState") == "Established"; }

std::string peer_of(const json& session) {
  std::string out = text(session, "peer");
  if (const std::string interface = text(session, "interface", {}); !interface.empty())
    out = out == "-" ? interface : out + "%" + interface;
  if (const json& port = at(session, "port"); port.is_number() && port != 179 && port != 0) out += " port " + port.dump();
  return out;
}

std::string info_of(const json& session) {
  if (at(session, "state") == "absent") return "not in BIRD";
  return text(session, "bgpState");
}

std::string uptime_of(const json& session) {
  const json& seconds = at(session, "uptimeSeconds");
  return established(session) && seconds.is_number() ? shown_duration(seconds.get<double>()) : "-";
}

std::string bird_line(const json& bird) {
  if (!yes(bird, "running")) return "BIRD is not running";
  std::string out = "BIRD";
  if (const std::string version = text(bird, "version", {}); !version.empty()) out += " " + version;
  out += fmt::format(" is running{}: router id {}", yes(bird, "recovering") ? ", recovering from a restart" : "",
                     text(bird, "routerID"));
  if (const std::string time = text(bird, "lastReboot", {}); !time.empty()) out += ", since " + time;
  if (const std::string time = text(bird, "lastReconfiguration", {}); !time.empty()) out += ", reconfigured " + time;
  return out;
}

std::string config_line(const json& status) {
  std::string out = "margay-bgp-config is running: ";
  if (!yes(status, "inSync")) out += "waiting for the datastore";
  else out += yes(status, "inForce") ? "its configuration is in force" : "its configuration is not in force yet";
  if (const std::string time = text(status, "lastPublished", {}); !time.empty()) out += ", last changed " + time;
  return out;
}

std::string problems(const json& status) {
  const json& list = at(status, "problems");
  if (!list.is_array() || list.empty()) return {};
  std::vector<std::vector<std::string>> rows{{"OWNER", "PROBLEM"}};
  for (const json& one : list) rows.push_back({text(one, "owner"), text(one, "text")});
  return "\nProblems\n" + align(rows);
}

}  // namespace

std::string shown_duration(double seconds) {
  if (!(seconds > 0)) return "0s";
  const auto s = static_cast<unsigned long long>(std::min(seconds, 1e15));
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{}h", s / 86400, s / 3600 % 24);
}

std::string session_table(const json& status, int family) {
  std::vector<std::vector<std::string>> rows{
      {"PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO", "IN", "OUT", "UPTIME", "LAST ERROR"}};
  const json& sessions = at(status, "sessions");
  if (sessions.is_array()) {
    for (const json& one : sessions) {
      if (at(one, "family") != family) continue;
      rows.push_back({peer_of(one), text(one, "type"), text(one, "state"), text(one, "since"), info_of(one),
                      count(one, "prefixesIn"), count(one, "prefixesOut"), uptime_of(one), text(one, "lastError")});
    }
  }
  if (rows.size() == 1) return fmt::format("No IPv{} peers found.\n", family);
  return align(rows);
}

std::string node_report(const json& status) {
  std::string out = align({{config_line(status)}, {bird_line(at(status, "bird"))}});  // lets no control character through
  if (yes(status, "draining"))
    out += "The node is draining: its routes carry the graceful-shutdown community, its services are withdrawn.\n";
  for (const int family : {4, 6}) out += fmt::format("\nIPv{} BGP status\n{}", family, session_table(status, family));
  return out + problems(status);
}

}  // namespace margay::ctl
