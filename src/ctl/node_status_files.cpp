#include "node_status_files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace margay::ctl {

using nlohmann::json;

Status join_node_status(json& object, const std::string& node, const std::string& run_dir) {
  const json spec = object.value("spec", json{}), metadata = object.value("metadata", json{});
  if (!spec.is_object() || spec.value("node", json{}) != node || !metadata.is_object()) return {};
  const json name = metadata.value("name", json{});
  if (!name.is_string() || name.get_ref<const std::string&>().find('/') != std::string::npos) return {};
  const std::string path = fmt::format("{}/node-status/{}.json", run_dir, name.get_ref<const std::string&>());
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    if (errno == ENOENT) return {};  // not reported yet, or no daemon runs
    return Error{errno == EACCES ? ErrorCode::Permission : ErrorCode::Io, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  json status = json::parse(std::string{std::istreambuf_iterator<char>{file}, {}}, nullptr, false);
  if (!status.is_object()) return Error{ErrorCode::Invalid, fmt::format("{}: is no JSON object; what is stored is shown", path)};
  object["status"] = std::move(status);
  return {};
}

}  // namespace margay::ctl
