#include "session_names.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "margay/base/hash.hpp"

namespace margay::bgp::view {

namespace {

std::string_view prefix(Session::Origin origin) {
  switch (origin) {
    case Session::Origin::Mesh: return "Mesh_";
    case Session::Origin::Global: return "Global_";
    case Session::Origin::Node: return "Node_";
    case Session::Origin::LocalWorkload: return "Local_Workload_";
  }
  return "";
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

std::string session_name(Session::Origin origin, const std::optional<Addr>& peer, std::string_view interface,
                         std::uint16_t written_port) {
  std::string exact = peer ? peer->to_string() : std::string{};
  // Two addresses never share a text of '_' alone, unless one is IPv6 with dots in it.
  bool ambiguous = !peer || (peer->family == Family::V6 && exact.find('.') != std::string::npos);
  if (!interface.empty()) {
    ambiguous = ambiguous || !std::all_of(interface.begin(), interface.end(), is_word);
    if (peer) exact += '%';
    exact += interface;
  }
  std::string name{prefix(origin)};
  std::transform(exact.begin(), exact.end(), std::back_inserter(name), [](char c) { return is_word(c) ? c : '_'; });
  if (written_port != 0) name += fmt::format("_port_{}", written_port);
  if (!ambiguous && name.size() <= kMaxSessionName) return name;
  constexpr std::size_t kHash = 8;
  name.resize(std::min(name.size(), kMaxSessionName - kHash - 1));
  const auto digest = sha256(fmt::format("{} {}", exact, written_port));
  return name + '_' + hex(digest.data(), kHash / 2);
}

}  // namespace margay::bgp::view
