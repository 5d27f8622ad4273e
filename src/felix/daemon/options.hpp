// margay-felix's command line.
#pragma once

#include <optional>
#include <string>

#include "margay/settings/settings.hpp"

namespace margay::daemon {

enum class Mode { Run, Once, Cleanup, Render };

struct Options {
  settings::Flags flags;
  Mode mode = Mode::Run;
  bool staged = false;  // render: as if staged policies were enforced
  bool json = false;    // render: --format json
};

// The exit code where the command line ends the matter (help, version, wrong usage: 2), after printing; else options are filled.
[[nodiscard]] std::optional<int> parse_options(int argc, char** argv, Options& options);

}  // namespace margay::daemon
