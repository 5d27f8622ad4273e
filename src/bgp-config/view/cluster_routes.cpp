#include "cluster_routes.hpp"

#include <fmt/format.h>

#include <array>

namespace margay::bgp::view {

namespace {

// Which routes to remote workloads one of the two writes: of pools without encapsulation, of IPIP pools. VXLAN's are always
// felix's.
struct Writer {
  ClusterRoutes value;
  std::string_view name;
  bool plain, ipip;
};

constexpr std::array<Writer, 4> kWriters = {{{ClusterRoutes::EnabledNoEncapOnly, "EnabledNoEncapOnly", true, false},
                                             {ClusterRoutes::Enabled, "Enabled", true, true},
                                             {ClusterRoutes::EnabledIpipOnly, "EnabledIPIPOnly", false, true},
                                             {ClusterRoutes::Disabled, "Disabled", false, false}}};

const Writer& writer(ClusterRoutes value) {
  for (const Writer& one : kWriters)
    if (one.value == value) return one;
  return kWriters[0];
}

const Writer& felix_writer(std::string_view text) {
  for (const Writer& one : kWriters)
    if (one.name == text) return one;
  return writer(ClusterRoutes::EnabledIpipOnly);
}

std::string_view partner(const Writer& of) {
  for (const Writer& one : kWriters)
    if (one.plain != of.plain && one.ipip != of.ipip) return one.name;
  return {};
}

}  // namespace

std::optional<std::string> contradiction(ClusterRoutes bird_value, std::string_view felix_text) {
  const Writer& bird = writer(bird_value);
  const Writer& felix = felix_writer(felix_text);
  std::string wrong;
  const auto judge = [&](const char* pools, bool by_bird, bool by_felix) {
    if (by_bird != by_felix) return;
    wrong += fmt::format("{}routes to workloads of pools {} are written {}", wrong.empty() ? "" : ", ", pools,
                         by_bird ? "both by BIRD and by felix" : "by nobody");
  };
  judge("without encapsulation", bird.plain, felix.plain);
  judge("with IPIP", bird.ipip, felix.ipip);
  if (wrong.empty()) return std::nullopt;
  return fmt::format("programClusterRoutes is {} here and {} in FelixConfiguration default: {}; set it to {} here or to {} there",
                     bird.name, felix.name, wrong, partner(felix), partner(bird));
}

}  // namespace margay::bgp::view
