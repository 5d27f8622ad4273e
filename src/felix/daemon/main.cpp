// margay-felix: command line and settings in, a mode's runner, its exit code out.
#include <cstdio>
#include <exception>

#include "daemon/config_map.hpp"
#include "daemon/felix.hpp"
#include "daemon/options.hpp"
#include "daemon/render.hpp"

int main(int argc, char** argv) {
  using namespace margay;
  using namespace margay::daemon;
  try {
    Options options;
    if (const auto code = parse_options(argc, argv, options)) return *code;
    auto settings = settings::read_settings(options.flags);
    std::string wrong = settings ? file_problem(*settings) : settings.error().text;
    if (!wrong.empty()) {
      std::fprintf(stderr, "margay-felix: %s\n", wrong.c_str());
      return 2;
    }
    switch (options.mode) {
      case Mode::Render: return run_render(options, *settings);
      case Mode::Cleanup: return run_cleanup(*settings);
      case Mode::Run:
      case Mode::Once: return run_felix(options, *settings);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "margay-felix: %s\n", error.what());
  }
  return 1;
}
