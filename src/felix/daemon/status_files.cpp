#include "daemon/status_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "margay/base/log.hpp"

namespace margay::daemon {
namespace {

constexpr log::Domain kDomain{"status"};

// Go's url.PathEscape: what may stand in a path segment stays, all else becomes %XX.
std::string path_escape(std::string_view text) {
  static constexpr std::string_view kPlain = "$&+:=@-_.~";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || kPlain.find(c) != std::string_view::npos)
      out += c;
    else out += fmt::format("%{:02X}", u);
  }
  return out;
}

Error failure(std::string_view what, const std::string& path) {
  const auto code = errno == ENOSPC ? ErrorCode::NoSpace : errno == EACCES ? ErrorCode::Permission : ErrorCode::Io;
  return Error{code, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

}  // namespace

std::string status_file_name(const WorkloadEndpoint& endpoint) {
  return path_escape(endpoint.orchestrator) + " " + path_escape(endpoint.workload) + " " + path_escape(endpoint.endpoint);
}

std::string status_file_json(const WorkloadEndpoint& endpoint, std::string_view bgp_peer) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  if (!endpoint.interface_name.empty()) out["ifaceName"] = endpoint.interface_name.str();
  if (endpoint.mac) out["mac"] = endpoint.mac->to_string();
  for (const Family family : kFamilies) {
    std::vector<std::string> nets;
    for (const Cidr& net : endpoint.nets)
      if (net.family() == family) nets.push_back(net.to_string());
    if (!nets.empty()) out[family == Family::V4 ? "ipv4Nets" : "ipv6Nets"] = nets;
  }
  if (!bgp_peer.empty()) out["bgpPeerName"] = bgp_peer;
  return out.dump();
}

void StatusFiles::in_force(const Key& id, const WorkloadEndpoint& endpoint, std::string_view bgp_peer) {
  File file{status_file_name(endpoint), status_file_json(endpoint, bgp_peer)};
  const auto [it, fresh] = wanted_.try_emplace(id);
  if (!fresh && it->second.name == file.name && it->second.json == file.json) return;
  if (!fresh) disown(id, it->second.name);
  owners_[file.name].insert(id);
  dirty_.insert(file.name);
  it->second = std::move(file);
}

void StatusFiles::not_in_force(const Key& id) {
  const auto it = wanted_.find(id);
  if (it == wanted_.end()) return;
  disown(id, it->second.name);
  wanted_.erase(it);
}

void StatusFiles::disown(const Key& id, const std::string& name) {
  const auto owners = owners_.find(name);
  owners->second.erase(id);
  if (owners->second.empty()) owners_.erase(owners);
  dirty_.insert(name);
}

bool StatusFiles::publish() {
  if (!pending()) return true;
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  Status outcome;
  if (error) outcome = Error{ErrorCode::Io, fmt::format("create {}: {}", directory_, error.message())};

  for (auto it = dirty_.begin(); outcome && it != dirty_.end();) {
    const auto owners = owners_.find(*it);
    const std::string path = directory_ + "/" + *it;
    if (owners != owners_.end()) outcome = write(path, wanted_.at(*owners->second.begin()).json);
    else if (::unlink(path.c_str()) != 0 && errno != ENOENT) outcome = failure("remove", path);
    if (outcome) it = dirty_.erase(it);
  }
  if (outcome && complete_ && !swept_) {
    outcome = sweep();
    swept_ = outcome.has_value();
  }
  tell(outcome);
  return outcome.has_value();
}

Status StatusFiles::write(const std::string& path, const std::string& json) {
  {
    std::ifstream in{path, std::ios::binary};
    std::stringstream before;
    if (in && (before << in.rdbuf()) && before.str() == json) return {};
  }
  // A reader sees the whole file or none: written beside it, then renamed. The runtime directory is memory; nothing to sync.
  const std::string temporary = directory_ + "/.new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return failure("create", temporary);
  const bool written = ::write(fd, json.data(), json.size()) == static_cast<ssize_t>(json.size());
  if (::close(fd) != 0 || !written) {
    Error error = failure("write", temporary);
    ::unlink(temporary.c_str());
    return error;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failure("rename to", path);
  return {};
}

Status StatusFiles::sweep() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{directory_, error}) {
    const std::string name = entry.path().filename().string();
    if (owners_.contains(name) || entry.is_directory(error)) continue;
    if (::unlink(entry.path().c_str()) != 0 && errno != ENOENT) return failure("remove", entry.path().string());
  }
  if (error) return Error{ErrorCode::Io, fmt::format("read {}: {}", directory_, error.message())};
  return {};
}

void StatusFiles::tell(const Status& status) {
  if (status) {
    told_ = false;
  } else if (!told_) {
    log::warning(kDomain, "cannot publish endpoint status, trying again; who waits for a workload to be secured goes on waiting",
                 {{"reason", status.error().text}});
    told_ = true;
  }
}

}  // namespace margay::daemon
