#include "margay/base/log.hpp"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "support/catch.hpp"

using namespace margay;

namespace {

// What one call writes to standard error.
template <class F>
std::string captured(F&& write) {
  std::fflush(stderr);
  const int saved = dup(2);
  std::FILE* file = std::tmpfile();
  dup2(fileno(file), 2);
  write();
  std::fflush(stderr);
  dup2(saved, 2);
  close(saved);
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("an event is one line, whatever its fields hold") {
  const auto line = captured([] {
    log::warning(log::Domain{"test"}, "it happened", {{"word", "bare"}, {"text", "two \"words\"\nand more"}, {"count", 3}});
  });
  CHECK(line.find("warning test: it happened word=bare text=\"two \\\"words\\\"\\nand more\" count=3\n") != std::string::npos);
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
}

TEST_CASE("levels below the threshold are silent, errors are counted") {
  const auto before = log::error_count();
  CHECK(captured([] { log::debug(log::Domain{"test"}, "unseen"); }).empty());
  CHECK(captured([] { log::error(log::Domain{"test"}, "seen"); }).find("error test: seen") != std::string::npos);
  CHECK(log::error_count() == before + 1);
}
