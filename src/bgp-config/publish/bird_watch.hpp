// BirdWatch: judges what BIRD says of itself, look by look: whether it must be configured again, and what happened to sessions.
//
// Configured again: BIRD was restarted, or reconfigured by somebody else; a BGP protocol is down for a reason that BIRD does not
// try again by itself, which only `configure` cures (a port that was taken, an address that was missing: "No listening socket"; a
// password the kernel refused: "Kernel MD5 auth failed"; measured, specification §3.4). For each of these with a back-off of its
// own, so that what cannot be cured costs a `configure` every five minutes. Pure; does not own what it looks at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bird/bird_status.hpp"
#include "margay/base/clock.hpp"
#include "publish.hpp"

namespace margay::bgp {

class BirdWatch {
 public:
  // Something for the log.
  struct Fact {
    enum class Kind {
      SessionUp,
      SessionDown,  // `text`: the reason as BIRD gives it, may be empty
      Stuck,        // a protocol is down and only configuring cures it
      Restarted,    // `text`: when
      Foreign,      // somebody else reconfigured BIRD; `text`: when
    };
    Kind kind = Kind::SessionUp;
    std::string session;
    std::string text;
    friend bool operator==(const Fact&, const Fact&) = default;
  };
  struct Judgement {
    std::string again;  // why; empty: nothing to do
    std::vector<Fact> facts;
  };
  struct SessionRecord {
    bool established = false;
    std::string since;
    std::uint64_t flaps = 0;  // times it was established and was not any more
    std::string last_error;   // the last one said, also after it was established again
  };

  // `ours`: the publisher's baseline(); none while a publication is under way: whose reconfiguration it is cannot be told then.
  // `protocols`: of `show protocols all`.
  [[nodiscard]] Judgement look(const BirdStatus& status, const std::vector<ProtocolStatus>& protocols,
                               const std::optional<Publisher::Baseline>& ours, Clock::time_point now);
  // BIRD did not answer: sessions are not known to be up. No judgement; the publisher hears of the loss itself.
  [[nodiscard]] std::vector<Fact> on_silence();

  [[nodiscard]] const std::map<std::string, SessionRecord>& sessions() const { return sessions_; }

 private:
  struct Cure {
    Clock::time_point due{};
    unsigned tries = 0;
    [[nodiscard]] bool take(Clock::time_point now);
  };
  void judge_daemon(const BirdStatus& status, const Publisher::Baseline& ours, Clock::time_point now, Judgement& out);
  void note_session(const ProtocolStatus& protocol, std::vector<Fact>& facts);

  std::map<std::string, SessionRecord> sessions_;
  std::map<std::string, Cure> stuck_;  // by name and reason
  Cure foreign_, restarted_;
  std::string suspect_;  // a reconfiguration that is not ours, seen once
};

}  // namespace margay::bgp
