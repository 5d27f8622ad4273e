#include <array>

#include "margay/base/hash.hpp"
#include "margay/model/decode.hpp"

namespace margay {

std::string workload_interface_name(std::string_view prefix, std::string_view ns, std::string_view pod) {
  std::string text;
  text.reserve(ns.size() + pod.size() + 1);
  text.append(ns).append(1, '.').append(pod);
  const auto digest = sha1(text);
  return std::string{prefix} + hex(digest.data(), 6).substr(0, 11);
}

std::string workload_endpoint_name(std::string_view node, std::string_view orchestrator, std::string_view workload,
                                   std::string_view endpoint) {
  std::string out;
  out.reserve(node.size() + orchestrator.size() + workload.size() + endpoint.size() + 16);
  for (const std::string_view segment : {node, orchestrator, workload, endpoint}) {
    if (!out.empty()) out += '-';
    for (const char c : segment) out.append(c == '-' ? 2 : 1, c);
  }
  return out;
}

}  // namespace margay
