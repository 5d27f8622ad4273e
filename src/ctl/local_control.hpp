// Asks a daemon on this host over its local control socket (HTTP over a Unix socket, contracts §6). Blocking, with a time limit.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "margay/base/result.hpp"

namespace margay::ctl {

struct LocalAnswer {
  unsigned status = 0;  // of HTTP
  std::string body;
};

// GET. Unavailable: nobody is there. Permission: not for this user. Busy: no whole answer within `patience`. The error's text has
// the reason alone, not the path.
[[nodiscard]] Result<LocalAnswer> ask_local(const std::string& socket, std::string_view target,
                                            std::chrono::milliseconds patience);

}  // namespace margay::ctl
