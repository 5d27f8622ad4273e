#include "margay/base/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>
#include <memory>

namespace margay::log {
namespace {

struct State {
  Level level = Level::Info;
  unsigned long long errors = 0;
  // journald reads "<N>" at the start of a line as the priority; JOURNAL_STREAM says that our standard error goes there.
  bool journald = std::getenv("JOURNAL_STREAM") != nullptr;
  std::shared_ptr<spdlog::logger> logger;

  State() {
    logger = std::make_shared<spdlog::logger>("margay", std::make_shared<spdlog::sinks::stderr_sink_st>());
    logger->set_pattern(journald ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
  }
};

State& state() {
  static auto* const instance = new State;
  return *instance;
}

std::string_view text(Level level) {
  switch (level) {
    case Level::Debug: return "debug";
    case Level::Info: return "info";
    case Level::Warning: return "warning";
    case Level::Error: return "error";
  }
  return "error";
}

std::string_view priority(Level level) {
  switch (level) {
    case Level::Debug: return "<7>";
    case Level::Info: return "<6>";
    case Level::Warning: return "<4>";
    case Level::Error: return "<3>";
  }
  return "<3>";
}

// A value that is one word stands bare; anything else in quotes, with control characters escaped: a line stays a line.
void append_value(std::string& line, std::string_view value) {
  const bool bare = !value.empty() && value.find_first_of(" \t\n\r\"\\=") == std::string_view::npos;
  if (bare) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += ' ';
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

void set_level(Level level) noexcept { state().level = level; }
Level level() noexcept { return state().level; }
bool enabled(Level level) noexcept { return level >= state().level; }
unsigned long long error_count() noexcept { return state().errors; }

void write(Level level, Domain domain, std::string_view message, std::initializer_list<Field> fields) {
  State& s = state();
  if (level == Level::Error) ++s.errors;
  if (level < s.level) return;
  std::string line;
  line.reserve(160);
  if (s.journald) line += priority(level);
  line.append(text(level)).append(" ").append(domain.name).append(": ").append(message);
  for (const Field& field : fields) {
    line.append(" ").append(field.key).append("=");
    append_value(line, field.value);
  }
  s.logger->log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
}

}  // namespace margay::log
