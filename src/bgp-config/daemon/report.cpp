#include "daemon/report.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "render/sessions.hpp"

namespace margay::bgp {

using nlohmann::ordered_json;
using std::chrono::system_clock;

std::string_view session_type(Session::Origin origin) {
  switch (origin) {
    case Session::Origin::Mesh: return "node-to-node mesh";
    case Session::Origin::Global: return "global";
    case Session::Origin::Node: return "node specific";
    case Session::Origin::LocalWorkload: return "local workload";
  }
  return "";
}

std::optional<system_clock::time_point> parse_bird_time(const std::string& text) {
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S%z", &parts);
  if (!rest || *rest != '\0') return std::nullopt;
  const long offset = parts.tm_gmtoff;  // timegm() takes the parts for UTC and clears it
  return system_clock::from_time_t(::timegm(&parts) - offset);
}

std::string to_rfc3339(system_clock::time_point time) {
  const std::time_t seconds = system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

bool is_protocol_of(const Session& session, std::string_view protocol) {
  if (protocol == session.name) return true;
  const std::string prefix = answering_prefix(session.name);
  if (session.peer || !protocol.starts_with(prefix) || protocol.size() == prefix.size()) return false;
  return protocol.find_first_not_of("0123456789", prefix.size()) == std::string_view::npos;
}

std::vector<SessionReport> sessions_of(const Knowledge& knowledge) {
  std::vector<SessionReport> out;
  if (!knowledge.router) return out;
  std::map<std::string_view, const ProtocolStatus*> by_name;
  if (knowledge.bird)
    for (const auto& protocol : knowledge.bird->protocols) by_name.emplace(protocol.name, &protocol);
  for (const Session& session : knowledge.router->sessions) {
    SessionReport report{&session, nullptr, 0, {}};
    if (const auto it = by_name.find(session.name); it != by_name.end()) report.protocol = it->second;
    if (!session.peer) {
      // The one that waits says nothing of those who answered; of these, one that is established.
      const std::string prefix = answering_prefix(session.name);
      for (auto it = by_name.lower_bound(prefix); it != by_name.end() && it->first.starts_with(prefix); ++it)
        if (is_protocol_of(session, it->first) && !report.established()) report.protocol = it->second;
    }
    if (knowledge.records) {
      const std::string& name = report.protocol ? report.protocol->name : session.name;
      if (const auto it = knowledge.records->find(name); it != knowledge.records->end()) {
        report.flaps = it->second.flaps;
        report.last_error = it->second.last_error;
      }
    }
    out.push_back(std::move(report));
  }
  return out;
}

Readiness readiness(const std::vector<SessionReport>& sessions, const BirdSight* bird,
                    std::chrono::duration<double> since_start) {
  if (!bird) return {false, "BIRD does not answer"};
  if (sessions.empty()) return {true, "no BGP sessions wanted"};
  const auto up = static_cast<std::size_t>(
      std::count_if(sessions.begin(), sessions.end(), [](const SessionReport& s) { return s.established(); }));
  std::string detail = fmt::format("{} of {} sessions established", up, sessions.size());
  constexpr std::chrono::seconds kStart{30};
  if (since_start < kStart) {
    if (bird->status.recovering) return {false, detail + "; graceful restart: " + bird->status.recovery};
    return {up == sessions.size(), std::move(detail)};
  }
  return {up > 0, std::move(detail)};
}

namespace {

std::optional<double> uptime(const SessionReport& report, system_clock::time_point now) {
  if (!report.established()) return std::nullopt;
  const auto since = parse_bird_time(report.protocol->since);
  if (!since) return std::nullopt;
  return std::max(0.0, std::chrono::duration<double>(now - *since).count());
}

ordered_json session_json(const SessionReport& report, system_clock::time_point now) {
  const Session& session = *report.session;
  const ProtocolStatus* protocol = report.protocol;
  ordered_json out;
  out["name"] = session.name;
  out["type"] = session_type(session.origin);
  out["family"] = session.family == Family::V4 ? 4 : 6;
  out["peer"] = session.peer ? session.peer->to_string() : std::string{};
  out["interface"] = session.interface;
  out["port"] = session.port.value_or(179);
  out["localAS"] = session.local_as;
  out["remoteAS"] = session.remote_as;
  out["state"] = protocol ? protocol->state : "absent";
  out["bgpState"] = protocol ? protocol->bgp_state : "";
  out["since"] = protocol ? protocol->since : "";
  out["uptimeSeconds"] = uptime(report, now).value_or(0);
  out["prefixesIn"] = protocol ? protocol->imported : 0;
  out["prefixesOut"] = protocol ? protocol->exported : 0;
  out["flaps"] = report.flaps;
  out["lastError"] = report.last_error;
  out["owner"] = session.owner.to_string();
  return out;
}

}  // namespace

std::string status_json(const Knowledge& knowledge, system_clock::time_point now) {
  ordered_json out;
  out["node"] = knowledge.node;
  ordered_json bird;
  bird["running"] = knowledge.bird != nullptr;
  if (knowledge.bird) {
    const BirdStatus& status = knowledge.bird->status;
    bird["version"] = status.version;
    bird["routerID"] = status.router_id;
    bird["lastReboot"] = status.last_reboot;
    bird["lastReconfiguration"] = status.last_reconfiguration;
    bird["recovering"] = status.recovering;
  }
  out["bird"] = std::move(bird);
  out["inSync"] = knowledge.in_sync;
  out["inForce"] = knowledge.in_force;
  out["lastPublished"] = knowledge.last_published;
  out["draining"] = knowledge.router && knowledge.router->draining;
  out["sessions"] = ordered_json::array();
  for (const SessionReport& report : sessions_of(knowledge)) out["sessions"].push_back(session_json(report, now));
  out["problems"] = ordered_json::array();
  if (knowledge.problems)
    for (const Problem& problem : *knowledge.problems)
      out["problems"].push_back({{"owner", problem.owner.to_string()}, {"text", problem.text}});
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void expose(const Knowledge& knowledge, system_clock::time_point now, std::optional<std::uint64_t> md5_failures,
            control::Exposition& out) {
  const auto number = [](auto n) { return static_cast<double>(n); };
  out.gauge("margay_bgp_in_sync", "1: in sync with the datastore.", knowledge.in_sync);
  out.gauge("margay_bgp_in_force", "1: BIRD runs what the datastore says.", knowledge.in_force);
  out.gauge("margay_bgp_bird_up", "1: BIRD answers on its control socket.", knowledge.bird != nullptr);
  if (knowledge.bird)
    out.gauge("margay_bgp_graceful_restart", "1: BIRD recovers from a restart and advertises nothing yet.",
              knowledge.bird->status.recovering);
  out.gauge("margay_bgp_problems", "Resources that are left out or ignored in part; `margayctl node status` lists them.",
            knowledge.problems ? number(knowledge.problems->size()) : 0);
  const PublishCounters& p = knowledge.published;
  const auto configured = [&](const char* outcome, std::uint64_t count) {
    out.counter("margay_bgp_publications", "Configurations brought to BIRD, by outcome.", number(count), {{"outcome", outcome}});
  };
  configured("configured", p.configured);
  configured("unchanged", p.unchanged);
  configured("refused", p.refused);
  configured("failed", p.failed);
  out.gauge("margay_bgp_last_publication_seconds", "From wanting the last configuration to BIRD's acknowledgement.",
            p.last_seconds);
  out.counter("margay_bgp_publication_seconds", "Sum of the same over all publications.", p.seconds_sum);
  out.gauge("margay_datastore_objects", "Manifests in force.", number(knowledge.watch.objects));
  out.gauge("margay_datastore_invalid_objects", "Manifests that do not parse or validate now; what they last said validly holds.",
            number(knowledge.watch.invalid_objects));
  for (const SessionReport& report : sessions_of(knowledge)) {
    const Session& session = *report.session;
    const control::MetricLabels labels{{"session", session.name},
                                       {"peer", session.peer ? session.peer->to_string() : session.interface},
                                       {"remote_as", std::to_string(session.remote_as)},
                                       {"type", std::string{session_type(session.origin)}}};
    out.gauge("margay_bgp_session_established", "1: the session is established.", report.established(), labels);
    out.gauge("margay_bgp_session_uptime_seconds", "Since when it is established; 0 if it is not.",
              uptime(report, now).value_or(0), labels);
    out.gauge("margay_bgp_session_prefixes_received", "Prefixes imported from the peer.",
              report.protocol ? number(report.protocol->imported) : 0, labels);
    out.gauge("margay_bgp_session_prefixes_advertised", "Prefixes exported to the peer.",
              report.protocol ? number(report.protocol->exported) : 0, labels);
    out.counter("margay_bgp_session_flaps", "Times it was established and was not any more.", number(report.flaps), labels);
    if (!report.last_error.empty()) {
      control::MetricLabels with_error = labels;
      with_error.emplace_back("error", report.last_error);
      out.gauge("margay_bgp_session_last_error", "The last error BIRD told, as label.", 1, with_error);
    }
  }
  if (md5_failures)
    out.counter("margay_bgp_md5_failures",
                "TCP segments with a wrong or missing MD5 signature, of the whole host: a wrong BGP "
                "password shows here only.",
                number(*md5_failures));
}

}  // namespace margay::bgp
