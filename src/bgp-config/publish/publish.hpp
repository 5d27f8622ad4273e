// Publisher: brings a rendered configuration into BIRD: write beside, check, rename, configure, acknowledged (specification
// §3.4).
//
// One publication at a time; of what is asked meanwhile only the newest follows. A pure state machine over two ports: Bird and
// ConfigFiles. What BIRD refuses never becomes the live file. Errors come with the resource that caused them, so that the view
// can leave that one out.
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
    Clock::duration took{};     // from publish() to BIRD's acknowledgement
    bool reconfigured = false;  // false: BIRD had it already
  };
  using Report = std::function<void(const Outcome&)>;
  // Calls `again` after a delay; the daemon brings a timer, tests a manual one.
  using After = std::function<void(Clock::duration, std::function<void()>)>;

  Publisher(Bird& bird, ConfigFiles& files, const Clock& clock, After after, Report report);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void publish(Rendered rendered);
  // BIRD was restarted, reconfigured by somebody else, or a protocol is down for a reason that only `configure` cures: what is
  // wanted is configured again even though it did not change.
  void again(std::string_view why);
  [[nodiscard]] bool in_force() const;  // what was asked last is acknowledged

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace margay::bgp
