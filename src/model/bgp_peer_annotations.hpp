// Annotations of a BGPPeer: what Calico's resource has no field for (docs/guide/bgp.md).
#pragma once

#include <optional>

#include "fields.hpp"
#include "margay/model/bgp.hpp"

namespace margay::model {

struct BgpPeerAnnotations {
  BgpPeerExtensions values;
  // Those that the spec can contradict, where the error then is.
  std::optional<Field> unnumbered, direct, hold_time;
};
[[nodiscard]] BgpPeerAnnotations read_bgp_peer_annotations(Field annotations);

}  // namespace margay::model
