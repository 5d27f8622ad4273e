// What the daemon knows of its sessions, for readiness, `margayctl node status` and metrics. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "control/exposition.hpp"
#include "daemon/bird_look.hpp"
#include "margay/datastore/watch.hpp"
#include "publish/bird_watch.hpp"
#include "view/router.hpp"

namespace margay::bgp {

struct SessionReport {
  const Session* session = nullptr;          // as wanted
  const ProtocolStatus* protocol = nullptr;  // as BIRD has it; null: it has none of this name
  std::uint64_t flaps = 0;
  std::string last_error;
  [[nodiscard]] bool established() const { return protocol && protocol->bgp_state == "Established"; }
};

// Counted as it happens.
struct PublishCounters {
  std::uint64_t configured = 0, unchanged = 0, refused = 0, failed = 0;
  double last_seconds = 0, seconds_sum = 0;
};

struct Knowledge {
  std::string node;
  bool in_sync = false, in_force = false;
  std::string last_published;       // RFC 3339, or empty
  const Router* router = nullptr;   // null: none yet
  const BirdSight* bird = nullptr;  // null: BIRD does not answer
  const std::vector<Problem>* problems = nullptr;
  const std::map<std::string, BirdWatch::SessionRecord>* records = nullptr;
  PublishCounters published;
  datastore::WatchStats watch;
};

// Of the session itself, or made by BIRD for who answered to it.
[[nodiscard]] bool is_protocol_of(const Session& session, std::string_view protocol);
[[nodiscard]] std::vector<SessionReport> sessions_of(const Knowledge& knowledge);

struct Readiness {
  bool ready = false;
  std::string detail;
};
// No session wanted: ready. In the first 30 s all must be established and no graceful restart under way; afterwards one is enough
// (a peer's outage must not take the node out).
[[nodiscard]] Readiness readiness(const std::vector<SessionReport>& sessions, const BirdSight* bird,
                                  std::chrono::duration<double> since_start);

// For GET /v1/status; `now`: wall clock, for uptimes. One JSON document.
[[nodiscard]] std::string status_json(const Knowledge& knowledge, std::chrono::system_clock::time_point now);
// `md5_failures`: TcpExtTCPMD5Failure of this network namespace; absent: not known.
void expose(const Knowledge& knowledge, std::chrono::system_clock::time_point now, std::optional<std::uint64_t> md5_failures,
            control::Exposition& out);

[[nodiscard]] std::string_view session_type(Session::Origin origin);
// BIRD's "2026-11-23T09:17:03+0000"; absent if it is none.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_bird_time(const std::string& text);
[[nodiscard]] std::string to_rfc3339(std::chrono::system_clock::time_point time);

}  // namespace margay::bgp
