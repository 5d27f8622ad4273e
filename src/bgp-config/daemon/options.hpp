// margay-bgp-config's command line.
#pragma once

#include <optional>
#include <string>

#include "margay/settings/settings.hpp"

namespace margay::bgp {

enum class Mode { Run, Once, Render };

struct Options {
  settings::Flags flags;
  Mode mode = Mode::Run;
  std::string output;  // render: the directory to write to
};

// The exit code where the command line ends the matter (help, version, wrong usage: 2), after printing; else options are filled.
[[nodiscard]] std::optional<int> parse_options(int argc, char** argv, Options& options);

}  // namespace margay::bgp
