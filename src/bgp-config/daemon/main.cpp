// margay-bgp-config: command line and settings in, a mode's runner, its exit code out.
#include <cstdio>
#include <exception>

#include "daemon/daemon.hpp"
#include "daemon/options.hpp"
#include "daemon/render_once.hpp"

int main(int argc, char** argv) {
  using namespace margay;
  using namespace margay::bgp;
  try {
    Options options;
    if (const auto code = parse_options(argc, argv, options)) return *code;
    auto settings = settings::read_settings(options.flags);
    if (!settings) {
      std::fprintf(stderr, "margay-bgp-config: %s\n", settings.error().text.c_str());
      return 2;
    }
    return options.mode == Mode::Render ? run_render(options, *settings) : run_daemon(options, *settings);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "margay-bgp-config: %s\n", error.what());
  }
  return 1;
}
