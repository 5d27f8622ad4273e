// margayctl: Margay's command line for operators. Only wiring; see command_line.hpp and verbs.hpp.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>

#include "command_line.hpp"
#include "session.hpp"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  margay::ctl::Command command;
  if (const auto code = margay::ctl::parse_command_line(argc, argv, command)) return *code;
  const bool coloured = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  margay::ctl::Session session{command.flags, std::cout, std::cerr, coloured};
  try {
    command.run(session);
  } catch (const std::exception& failure) {  // a bug, or no memory; what was written is whole all the same
    session.error(std::string{"margayctl failed: "} + failure.what());
  }
  std::cout.flush();
  if (!std::cout) session.error("standard output cannot be written");
  return session.exit_code();
}
