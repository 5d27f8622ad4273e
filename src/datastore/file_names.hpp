// Which names of a directory tree the file datastore looks at (contracts.md §4), and its relative paths. Pure.
#pragma once

#include <string>
#include <string_view>

namespace margay::datastore {

[[nodiscard]] inline bool is_hidden_name(std::string_view name) { return name.empty() || name.front() == '.'; }

// *.yaml, *.yml, *.json; not hidden.
[[nodiscard]] inline bool is_manifest_name(std::string_view name) {
  return !is_hidden_name(name) && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

// Neither read nor descended into.
[[nodiscard]] inline bool is_ignored_name(std::string_view name) {
  return is_hidden_name(name) || name.ends_with("~") || name.ends_with(".tmp");
}

// Paths are relative to the root, without slashes at their ends; the root is "".
[[nodiscard]] inline std::string join_path(std::string_view directory, std::string_view name) {
  std::string out;
  out.reserve(directory.size() + name.size() + 1);
  out.append(directory);
  if (!directory.empty()) out += '/';
  return out.append(name);
}
[[nodiscard]] inline std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}
[[nodiscard]] inline std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace margay::datastore
