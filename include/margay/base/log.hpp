// Logging: level × domain × one line of text with key=value fields. The back end is src/base/log.cpp.
//
// Form: "level domain: what happened key=value key=\"two words\"" on standard error, with a journald priority prefix under
// systemd. Only managers, loops and mains log, once per event; pure code and ports return errors instead.
//   log::warning(kDomain, "policy is invalid, keeping its last valid form", {{"policy", name}, {"reason", error.text}});
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace margay::log {

enum class Level { Debug, Info, Warning, Error };

// A named constant per subsystem: constexpr log::Domain kDomain{"datastore"};
struct Domain {
  std::string_view name;
};

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string_view v) : key{k}, value{v} {}
  Field(std::string_view k, const std::string& v) : key{k}, value{v} {}
  Field(std::string_view k, const char* v) : key{k}, value{v} {}
  Field(std::string_view k, bool v) : key{k}, value{v ? "true" : "false"} {}
  template <class N>
  requires(std::integral<N> || std::floating_point<N>) Field(std::string_view k, N v) : key{k}, value{std::to_string(v)} {}
};

void set_level(Level level) noexcept;
[[nodiscard]] Level level() noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;
// Messages of level Error since the start of the process (felix_log_errors).
[[nodiscard]] unsigned long long error_count() noexcept;

void write(Level level, Domain domain, std::string_view message, std::initializer_list<Field> fields);

inline void debug(Domain domain, std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::Debug)) write(Level::Debug, domain, message, fields);
}
inline void info(Domain domain, std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::Info)) write(Level::Info, domain, message, fields);
}
inline void warning(Domain domain, std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::Warning)) write(Level::Warning, domain, message, fields);
}
inline void error(Domain domain, std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::Error, domain, message, fields);
}

}  // namespace margay::log
