// Settings of one node, from command line, environment and node configuration file: what every program of Margay starts with.
//
// Precedence, highest first: flag, environment, file, built-in default (contracts §1). Resolving is pure: the caller brings the
// environment and the file's text, so that tests and SIGHUP need no process state. Felix's own parameters travel as text, by
// source; src/felix/config types them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/log.hpp"
#include "margay/base/result.hpp"

namespace margay::settings {

// What the command line said. An absent value was not given.
struct Flags {
  std::optional<std::string> config, datastore, node, log_level;
};

using Environment = std::map<std::string, std::string>;
[[nodiscard]] Environment read_environment();

// The node configuration file: section → key → value, as written. Keys keep their case; comparing them is the reader's matter.
struct NodeFile {
  std::string path;  // for messages
  std::map<std::string, std::map<std::string, std::string>> sections;
};

// Invalid: a line that is no INI, an unknown section or an unknown key of [node], [datastore] or [bgp]; says file and line or
// key. Keys of [felix] are judged by whoever types them.
[[nodiscard]] Result<NodeFile> parse_node_file(std::string_view path, std::string_view text);
// NotFound: no such file. Permission, Io, Invalid otherwise.
[[nodiscard]] Result<NodeFile> read_node_file(const std::string& path);

struct Datastore {
  std::string url = "file:///etc/margay/resources";
  std::string ca_file, cert_file, key_file, username, password, password_file, token_file, kubeconfig;
  friend bool operator==(const Datastore&, const Datastore&) = default;
};

struct Bgp {
  std::string bird_socket = "/run/bird/bird.ctl";
  std::string bird_config_dir = "/etc/bird/margay";
  std::uint16_t health_port = 9198, metrics_port = 9194;
  std::string secrets_dir = "/etc/margay/secrets";
  bool wait_for_policy = false;  // a workload's own route is advertised only once its policy is in the kernel
  friend bool operator==(const Bgp&, const Bgp&) = default;
};

struct Settings {
  std::string node;                     // lower-cased hostname by default
  std::string state_dir;                // /var/lib/margay/<node>
  std::string run_dir;                  // /run/margay/<node>
  std::optional<log::Level> log_level;  // absent: nobody said; LogSeverityScreen or info decides
  Datastore datastore;
  Bgp bgp;
  std::map<std::string, std::string> felix_environment;  // FELIX_<NAME> without the prefix
  std::map<std::string, std::string> felix_file;         // [felix]
  std::string file_path;                                 // the file read, or empty
  friend bool operator==(const Settings&, const Settings&) = default;
};

inline constexpr std::string_view kDefaultConfigFile = "/etc/margay/margay.conf";

// `file`: already read, or null if there is none. `hostname`: of this machine.
[[nodiscard]] Result<Settings> resolve(const Flags& flags, const Environment& environment, const NodeFile* file,
                                       std::string_view hostname);

// All of it: which file, reading it, the environment, the hostname. A file that was named must exist; the default one need not.
[[nodiscard]] Result<Settings> read_settings(const Flags& flags);

[[nodiscard]] std::optional<log::Level> parse_log_level(std::string_view text) noexcept;  // debug info warning error

}  // namespace margay::settings
