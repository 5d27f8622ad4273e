// Publisher: brings a rendered configuration into BIRD: write beside, check, rename, configure, acknowledged (specification
// §3.4).
//
//   look ─→ stage ─→ configure check "<staged>" ─→ commit ─→ configure "<live>" ─→ configure status … ─→ show status, note
//    └─ known to run it: in force         └─ 8002: refused; what was in force stays
//
// One publication at a time; of what is asked meanwhile only the newest follows. A pure state machine over two ports: Bird and
// ConfigFiles. What BIRD refuses never becomes the live file. Errors come with the resource that caused them, so that the view
// can leave that one out.
//
// Nothing is configured that BIRD is known to run. Known is what BIRD acknowledged over the connection that still stands. For our
// own restart, a note beside the files keeps what was acknowledged and the `Last reboot` and `Last reconfiguration` that BIRD
// said right after; if it still says so, it runs that. commit() removes the note first, so that a death in between makes us
// configure again. A lost connection means the same: the two times may have whole seconds only, in which a BIRD can come back
// with another file; and an equal configuration changes nothing in BIRD.
//
// `configure` always names the live file: without a name BIRD reads the one it was started with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bird/bird.hpp"
#include "margay/base/clock.hpp"
#include "margay/base/result.hpp"
#include "render/render.hpp"

namespace margay::bgp {

// The configuration directory. Blocking.
class ConfigFiles {
 public:
  virtual ~ConfigFiles() = default;
  // Writes the parts that are not there, and main as bird.conf.new; durable when it returns. 0640, group bird.
  [[nodiscard]] virtual Status stage(const Rendered& rendered) = 0;
  [[nodiscard]] virtual Status commit() = 0;                  // bird.conf.new → bird.conf
  virtual void discard_unused(const Rendered& in_force) = 0;  // parts of neither this nor the live main file
  [[nodiscard]] virtual std::string staged_path() const = 0;  // absolute
  [[nodiscard]] virtual std::string live_path() const = 0;
  [[nodiscard]] virtual std::optional<std::string> live_main() const = 0;  // text of bird.conf as it lies there
  // Where there is no bird.conf: one with which BIRD starts, so that there is somebody to check the real one.
  [[nodiscard]] virtual Status bootstrap() = 0;
  // The publisher's note, kept until commit() or the next one.
  [[nodiscard]] virtual Status remember(const std::string& note) = 0;
  [[nodiscard]] virtual std::optional<std::string> remembered() const = 0;
};

class Publisher {
 public:
  struct Outcome {
    enum class Kind {
      InForce,  // BIRD runs it
      Refused,  // BIRD's parser refused it; `owner` if a resource is at fault
      Failed,   // files or BIRD not there: tried again with back-off by itself
    };
    Kind kind = Kind::InForce;
    std::optional<Key> owner;
    Error error;                // of Refused and Failed
    Clock::duration took{};     // from publish() or again() to BIRD's acknowledgement
    bool reconfigured = false;  // false: BIRD had it already
    std::string cause;          // what again() was told; empty: publish(), or the connection was lost
  };
  // Last reboot and last reconfiguration, as BIRD printed them after its last acknowledgement.
  struct Baseline {
    std::string reboot, reconfiguration;
    friend bool operator==(const Baseline&, const Baseline&) = default;
  };
  // May publish, and may destroy the publisher; never called from within publish() or again().
  using Report = std::function<void(const Outcome&)>;
  // Calls `again` after a delay; the daemon brings a timer, tests a manual one.
  using After = std::function<void(Clock::duration, std::function<void()>)>;

  Publisher(Bird& bird, ConfigFiles& files, const Clock& clock, After after, Report report);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // The newest configuration. While a failure waits to be tried again, it waits too.
  void publish(Rendered rendered);
  // BIRD was restarted, reconfigured by somebody else, or a protocol is down for a reason that only `configure` cures: what is
  // wanted is configured again even though it did not change; at once, whatever waits. If BIRD refuses that, what lies live is.
  void again(std::string_view why);
  [[nodiscard]] bool in_force() const;  // what was asked last is acknowledged
  // None: a publication is under way, or nothing was acknowledged yet.
  [[nodiscard]] std::optional<Baseline> baseline() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// "FILE:LINE:COLUMN what is wrong", as BIRD says it; none if a message names no place: then nobody's configuration is at fault.
struct Place {
  std::string file;
  unsigned line = 0, column = 0;
  std::string what;
};
[[nodiscard]] std::optional<Place> parse_place(std::string_view message);

}  // namespace margay::bgp
