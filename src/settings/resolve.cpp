#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "margay/settings/settings.hpp"

namespace margay::settings {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

const std::string* find(const std::map<std::string, std::string>& map, std::string_view key) {
  const auto it = map.find(std::string{key});
  return it == map.end() || it->second.empty() ? nullptr : &it->second;
}

// The first of several variables that is set and not empty.
const std::string* first_of(const Environment& environment, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names)
    if (const std::string* value = find(environment, name)) return value;
  return nullptr;
}

// A node's name becomes a directory and a resource's name.
Status check_node_name(std::string_view name) {
  const auto ok = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; };
  if (name.empty()) return Error{ErrorCode::Invalid, "node name is empty; give --node"};
  if (name.size() > 253) return Error{ErrorCode::Invalid, "node name is longer than 253 characters"};
  if (name == "." || name == ".." || !std::all_of(name.begin(), name.end(), ok))
    return Error{ErrorCode::Invalid,
                 fmt::format("node name \"{}\" may hold only lower-case letters, digits, '-', '.' and '_'", name)};
  return {};
}

// Calico's own variables: a list of etcd endpoints as URLs, or the Kubernetes API.
Result<std::optional<std::string>> calico_url(const Environment& env) {
  const std::string* type = first_of(env, {"FELIX_DATASTORETYPE", "CALICO_DATASTORE_TYPE", "DATASTORE_TYPE"});
  const std::string* endpoints = first_of(env, {"FELIX_ETCDENDPOINTS", "CALICO_ETCD_ENDPOINTS", "ETCD_ENDPOINTS"});
  if (!type && !endpoints) return std::optional<std::string>{};
  const std::string kind = type ? lower(*type) : "etcdv3";
  if (kind == "kubernetes") return std::optional<std::string>{"kubernetes:"};
  if (kind != "etcdv3")
    return Error{ErrorCode::Invalid, fmt::format("DATASTORE_TYPE \"{}\" is neither etcdv3 nor kubernetes", *type)};
  if (!endpoints) {
    const std::string* addr = find(env, "FELIX_ETCDADDR");
    const std::string* scheme = find(env, "FELIX_ETCDSCHEME");
    return std::optional<std::string>{(scheme && lower(*scheme) == "https" ? "etcds://" : "etcd://") +
                                      (addr ? *addr : std::string{"127.0.0.1:2379"})};
  }
  std::string list;
  bool secure = false;
  std::string_view rest = *endpoints;
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && (one.back() == ' ' || one.back() == '/')) one.remove_suffix(1);
    const bool https = one.starts_with("https://");
    if (!https && !one.starts_with("http://"))
      return Error{ErrorCode::Invalid, fmt::format("ETCD_ENDPOINTS: \"{}\" does not start with http:// or https://", one)};
    if (!list.empty() && https != secure)
      return Error{ErrorCode::Invalid, "ETCD_ENDPOINTS mixes http:// and https://; use one of them"};
    secure = https;
    list.append(list.empty() ? "" : ",").append(one.substr(one.find("//") + 2));
  }
  return std::optional<std::string>{(secure ? "etcds://" : "etcd://") + list};
}

Status resolve_datastore(const Flags& flags, const Environment& env, const std::map<std::string, std::string>& file,
                         Datastore& out) {
  const auto from_file = [&](std::string_view key, std::string& to) {
    if (const std::string* value = find(file, key)) to = *value;
  };
  from_file("url", out.url);
  from_file("ca_file", out.ca_file);
  from_file("cert_file", out.cert_file);
  from_file("key_file", out.key_file);
  from_file("username", out.username);
  from_file("password_file", out.password_file);
  from_file("token_file", out.token_file);
  from_file("kubeconfig", out.kubeconfig);

  const auto from_env = [&](std::initializer_list<std::string_view> names, std::string& to) {
    if (const std::string* value = first_of(env, names)) to = *value;
  };
  from_env({"FELIX_ETCDCAFILE", "CALICO_ETCD_CA_CERT_FILE", "ETCD_CA_CERT_FILE"}, out.ca_file);
  from_env({"FELIX_ETCDCERTFILE", "CALICO_ETCD_CERT_FILE", "ETCD_CERT_FILE"}, out.cert_file);
  from_env({"FELIX_ETCDKEYFILE", "CALICO_ETCD_KEY_FILE", "ETCD_KEY_FILE"}, out.key_file);
  from_env({"CALICO_ETCD_USERNAME", "ETCD_USERNAME"}, out.username);
  from_env({"CALICO_ETCD_PASSWORD", "ETCD_PASSWORD"}, out.password);
  from_env({"FELIX_KUBECONFIG", "CALICO_KUBECONFIG", "KUBECONFIG"}, out.kubeconfig);

  if (flags.datastore) {
    out.url = *flags.datastore;
  } else if (const std::string* url = find(env, "MARGAY_DATASTORE")) {
    out.url = *url;
  } else {
    auto url_of_calico = calico_url(env);
    if (!url_of_calico) return std::move(url_of_calico).error();
    if (*url_of_calico) out.url = **url_of_calico;
  }
  return {};
}

Status resolve_port(const NodeFile& file, std::string_view key, std::uint16_t& out) {
  const auto section = file.sections.find("bgp");
  if (section == file.sections.end()) return {};
  const std::string* text = find(section->second, key);
  if (!text) return {};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out);
  if (error != std::errc{} || end != text->data() + text->size())
    return Error{ErrorCode::Invalid, fmt::format("{}: [bgp] {} = \"{}\" is no port between 0 and 65535", file.path, key, *text)};
  return {};
}

}  // namespace

std::optional<log::Level> parse_log_level(std::string_view text) noexcept {
  const std::string word = lower(text);
  if (word == "debug" || word == "trace") return log::Level::Debug;
  if (word == "info") return log::Level::Info;
  if (word == "warning" || word == "warn") return log::Level::Warning;
  if (word == "error" || word == "fatal" || word == "panic") return log::Level::Error;
  return std::nullopt;
}

Result<Settings> resolve(const Flags& flags, const Environment& environment, const NodeFile* file, std::string_view hostname) {
  static const std::map<std::string, std::string> kNothing;
  const auto section = [&](const char* name) -> const std::map<std::string, std::string>& {
    if (!file) return kNothing;
    const auto it = file->sections.find(name);
    return it == file->sections.end() ? kNothing : it->second;
  };
  Settings out;
  if (file) out.file_path = file->path;

  const auto& node = section("node");
  if (flags.node) {
    out.node = *flags.node;
  } else if (const auto* name = first_of(environment, {"MARGAY_NODE", "FELIX_FELIXHOSTNAME", "NODENAME"})) {
    out.node = *name;
  } else if (const auto* from_file = find(node, "name")) {
    out.node = *from_file;
  } else {
    out.node = lower(hostname);
  }
  if (auto status = check_node_name(out.node); !status) return std::move(status).error();

  const auto directory = [&](std::string_view key, std::string_view parent) {
    const std::string* value = find(node, key);
    return value ? *value : fmt::format("{}/{}", parent, out.node);
  };
  out.state_dir = directory("state_dir", "/var/lib/margay");
  out.run_dir = directory("run_dir", "/run/margay");

  struct Source {
    std::string name;
    const std::string* text;
  };
  const Source sources[] = {{"--log-level", flags.log_level ? &*flags.log_level : nullptr},
                            {"MARGAY_LOG_LEVEL", find(environment, "MARGAY_LOG_LEVEL")},
                            {file ? file->path + ": [node] log_level" : std::string{}, find(node, "log_level")}};
  for (const Source& source : sources) {
    if (!source.text) continue;
    const auto level = parse_log_level(*source.text);
    if (!level)
      return Error{ErrorCode::Invalid,
                   fmt::format("{}: \"{}\" is none of debug, info, warning, error", source.name, *source.text)};
    if (!out.log_level) out.log_level = level;
  }

  if (auto status = resolve_datastore(flags, environment, section("datastore"), out.datastore); !status)
    return std::move(status).error();

  const auto& bgp = section("bgp");
  if (const auto* value = find(bgp, "bird_socket")) out.bgp.bird_socket = *value;
  if (const auto* value = find(bgp, "bird_config_dir")) out.bgp.bird_config_dir = *value;
  if (const auto* value = find(bgp, "secrets_dir")) out.bgp.secrets_dir = *value;
  if (const auto* value = find(bgp, "wait_for_policy")) {
    if (*value != "true" && *value != "false")
      return Error{ErrorCode::Invalid,
                   fmt::format("{}: [bgp] wait_for_policy = \"{}\" is neither true nor false", file->path, *value)};
    out.bgp.wait_for_policy = *value == "true";
  }
  if (file) {
    if (auto status = resolve_port(*file, "health_port", out.bgp.health_port); !status) return std::move(status).error();
    if (auto status = resolve_port(*file, "metrics_port", out.bgp.metrics_port); !status) return std::move(status).error();
  }

  // Names a daemon handles itself, and those that say where the datastore is, are no Felix parameters.
  static constexpr std::string_view kOwn[] = {"felixhostname", "datastoretype", "etcdendpoints", "etcdaddr",  "etcdscheme",
                                              "etcdcafile",    "etcdcertfile",  "etcdkeyfile",   "kubeconfig"};
  for (const auto& [name, value] : environment) {
    const std::string key = lower(name);
    if (!key.starts_with("felix_")) continue;
    const std::string parameter = name.substr(6);
    if (std::find(std::begin(kOwn), std::end(kOwn), key.substr(6)) == std::end(kOwn)) out.felix_environment[parameter] = value;
  }
  out.felix_file = section("felix");
  return out;
}

}  // namespace margay::settings
