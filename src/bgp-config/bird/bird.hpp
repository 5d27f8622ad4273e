// The port to BIRD: one command after another over its control socket.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "margay/base/result.hpp"

namespace margay::bgp {

// One line of a reply, its code carried over to continuation lines.
struct ReplyLine {
  int code = 0;  // 0002, 1002, 8002 …
  std::string text;
  friend bool operator==(const ReplyLine&, const ReplyLine&) = default;
};
struct Reply {
  std::vector<ReplyLine> lines;
  int code = 0;  // of the last line: how it ended
  [[nodiscard]] bool failed() const noexcept { return code >= 8000; }
  [[nodiscard]] std::string text() const;  // all lines in one, for messages
};

class Bird {
 public:
  using Done = std::function<void(Result<Reply>)>;
  virtual ~Bird() = default;
  // Queues a command; `done` is called once, from the loop, never from within this call. Unavailable: the socket is not there,
  // was closed, or did not answer in time (10 s; 60 s for `configure`); the connection is then made anew for the next command.
  virtual void command(std::string text, Done done) = 0;
  // Called each time the connection was lost (BIRD ended, or was restarted), after the failures of its commands. Handlers add up.
  virtual void on_lost(std::function<void()> handler) = 0;
};

}  // namespace margay::bgp
