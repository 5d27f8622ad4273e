// margayctl's command line: arguments → a verb with its options.
#pragma once

#include <functional>
#include <optional>

#include "margay/settings/settings.hpp"

namespace margay::ctl {

class Session;

struct Command {
  settings::Flags flags;
  std::function<void(Session&)> run;
};

// An exit code if there is nothing to run: --help, --version, wrong usage; the text was written then.
[[nodiscard]] std::optional<int> parse_command_line(int argc, char** argv, Command& command);

}  // namespace margay::ctl
