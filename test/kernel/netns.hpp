// A private network namespace for the whole of a live test's process, made before main and gone with it.
//
// Exits 77 with the reason where that is not possible. Commands run inside it; the xtables lock is a file of this process.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace margay::test {

struct Shell {
  int status = -1;
  std::string output;
};
inline Shell sh(const std::string& command) {
  Shell result;
  FILE* pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (!pipe) return result;
  char buffer[4096];
  while (std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) result.output.append(buffer, got);
  result.status = ::pclose(pipe);
  return result;
}

inline bool enter_private_netns(const char* needs) {
  const auto skip = [](const char* why) {
    std::printf("SKIP: %s\n", why);
    std::fflush(stdout);
    ::_exit(77);
  };
  if (::geteuid() != 0) skip("needs root");
  if (::unshare(CLONE_NEWNET) != 0) skip("cannot make a network namespace");
  static std::string lock = "/tmp/margay-test-" + std::to_string(::getpid()) + ".lock";
  ::setenv("XTABLES_LOCKFILE", lock.c_str(), 1);
  std::atexit([] { ::unlink(lock.c_str()); });
  if (const Shell found = sh(needs); found.status != 0) skip(("missing: " + found.output).c_str());
  return true;
}

}  // namespace margay::test
