#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "margay/settings/settings.hpp"

extern char** environ;

namespace margay::settings {

Environment read_environment() {
  Environment out;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Result<NodeFile> read_node_file(const std::string& path) {
  errno = 0;
  std::ifstream in{path, std::ios::binary};
  if (!in) {
    const int error = errno;
    const auto code = error == ENOENT ? ErrorCode::NotFound : error == EACCES ? ErrorCode::Permission : ErrorCode::Io;
    return Error{code, fmt::format("{}: {}", path, std::strerror(error))};
  }
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || (text.str().empty() && errno != 0)) return Error{ErrorCode::Io, fmt::format("{}: cannot be read", path)};
  return parse_node_file(path, text.str());
}

Result<Settings> read_settings(const Flags& flags) {
  const Environment environment = read_environment();
  const auto variable = environment.find("MARGAY_CONFIG");
  const bool in_environment = variable != environment.end() && !variable->second.empty();
  const bool named = flags.config.has_value() || in_environment;
  const std::string path = flags.config ? *flags.config : in_environment ? variable->second : std::string{kDefaultConfigFile};

  std::optional<NodeFile> file;
  auto read = read_node_file(path);
  if (read) {
    file = std::move(*read);
  } else if (named || read.error().code != ErrorCode::NotFound) {
    return std::move(read).error().in("configuration file");
  }
  char hostname[256] = {};
  if (::gethostname(hostname, sizeof hostname - 1) != 0) hostname[0] = 0;
  return resolve(flags, environment, file ? &*file : nullptr, hostname);
}

}  // namespace margay::settings
