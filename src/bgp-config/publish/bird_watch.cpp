#include "bird_watch.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace margay::bgp {
namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kCureFirst = 2s, kCureCap = 5min;
constexpr std::array<std::string_view, 2> kCured{"No listening socket", "Kernel MD5 auth failed"};

bool established(const ProtocolStatus& protocol) {
  return protocol.state == "up" && (protocol.bgp_state == "Established" || protocol.info.starts_with("Established"));
}

// What keeps it down, if only configuring helps. `info` without `all`, `last_error` with it; "Error: " precedes either.
std::string cured_reason(const ProtocolStatus& protocol) {
  if (protocol.state != "down") return {};
  for (const std::string_view reason : kCured)
    if (protocol.info.find(reason) != std::string::npos || protocol.last_error.find(reason) != std::string::npos)
      return std::string{reason};
  return {};
}

std::string reason_of(const ProtocolStatus& protocol) {
  if (!protocol.last_error.empty()) return protocol.last_error;
  return protocol.info;
}

}  // namespace

bool BirdWatch::Cure::take(Clock::time_point now) {
  if (now < due) return false;
  due = now + std::min(kCureCap, kCureFirst * (1 << std::min(tries, 12u)));
  ++tries;
  return true;
}

BirdWatch::Judgement BirdWatch::look(const BirdStatus& status, const std::vector<ProtocolStatus>& protocols,
                                     const std::optional<Publisher::Baseline>& ours, Clock::time_point now) {
  Judgement out;
  std::set<std::string> names, stuck;
  for (const ProtocolStatus& protocol : protocols) {
    if (protocol.type != "BGP") continue;
    names.insert(protocol.name);
    note_session(protocol, out.facts);
    const std::string reason = cured_reason(protocol);
    if (reason.empty()) continue;
    const std::string which = protocol.name + ": " + reason;
    stuck.insert(which);
    const auto [cure, fresh] = stuck_.try_emplace(which);
    if (fresh) out.facts.push_back({Fact::Kind::Stuck, protocol.name, reason});
    // A publication under way is a `configure` by itself.
    if (ours && cure->second.take(now) && out.again.empty()) out.again = which;
  }
  // A session that is configured no longer is no flap.
  std::erase_if(sessions_, [&](const auto& entry) { return !names.contains(entry.first); });
  std::erase_if(stuck_, [&](const auto& entry) { return !stuck.contains(entry.first); });
  if (ours) judge_daemon(status, *ours, now, out);
  else suspect_.clear();
  return out;
}

void BirdWatch::judge_daemon(const BirdStatus& status, const Publisher::Baseline& ours, Clock::time_point now, Judgement& out) {
  if (status.last_reboot != ours.reboot) {
    if (!restarted_.take(now)) return;
    out.facts.push_back({Fact::Kind::Restarted, {}, status.last_reboot});
    out.again = "BIRD was restarted";
    return;
  }
  restarted_ = {};
  if (status.last_reconfiguration == ours.reconfiguration) {
    suspect_.clear();
    foreign_ = {};
    return;
  }
  // Twice, since this may be an answer from before our own last one.
  if (std::exchange(suspect_, status.last_reconfiguration) != status.last_reconfiguration) return;
  if (!foreign_.take(now)) return;
  out.facts.push_back({Fact::Kind::Foreign, {}, status.last_reconfiguration});
  out.again = "BIRD was reconfigured by somebody else";
}

void BirdWatch::note_session(const ProtocolStatus& protocol, std::vector<Fact>& facts) {
  const auto [it, fresh] = sessions_.try_emplace(protocol.name);
  SessionRecord& record = it->second;
  const bool up = established(protocol);
  // Down and up again between two looks shows in the time alone.
  const bool was_lost = record.established && (!up || record.since != protocol.since);
  if (!protocol.last_error.empty()) record.last_error = protocol.last_error;
  if (was_lost) {
    ++record.flaps;
    facts.push_back({Fact::Kind::SessionDown, protocol.name, reason_of(protocol)});
  }
  if (up && (!record.established || was_lost)) facts.push_back({Fact::Kind::SessionUp, protocol.name, {}});
  record.established = up;
  record.since = protocol.since;
}

std::vector<BirdWatch::Fact> BirdWatch::on_silence() {
  std::vector<Fact> facts;
  for (auto& [name, record] : sessions_) {
    if (!std::exchange(record.established, false)) continue;
    ++record.flaps;
    facts.push_back({Fact::Kind::SessionDown, name, "BIRD does not answer"});
  }
  suspect_.clear();
  return facts;
}

}  // namespace margay::bgp
