// What `node init` writes: ClusterInformation, the tiers, and the Node with its address and AS (datastore-model §6.1, §6.2).
// Pure.
//
// Nothing that is set is changed unless it is said so; what is there and complete is answered as it is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "margay/model/decode.hpp"
#include "node_address.hpp"

namespace margay::ctl {

// `stored`: null if there is none. `guid`: 32 hex digits, used where there is none yet. An explicit datastoreReady false stays.
[[nodiscard]] nlohmann::json cluster_information(const nlohmann::json* stored, std::string_view guid);

struct NodeAddress {
  Candidate address;
  bool prefix_matters = true;  // false: whatever prefix length is stored stays
};
struct NodeValues {
  std::array<std::optional<NodeAddress>, 2> addresses;  // by Family
  std::optional<std::uint32_t> as_number;
};

// The Node with these values. AlreadyExists, naming each, if it has others and `overwrite` is not set; Invalid if what is stored
// does not decode.
[[nodiscard]] Result<nlohmann::json> node_with(const nlohmann::json* stored, const std::string& name, const NodeValues& values,
                                               bool overwrite);
// The Node that already has one of these addresses: two speakers of one address find no peer.
struct Owner {
  std::string node;
  Addr addr;
};
[[nodiscard]] std::optional<Owner> address_owner(const std::vector<nlohmann::json>& nodes, const std::string& but,
                                                 const NodeValues& values);

// "64512" or "1.10" (RFC 5396); Invalid otherwise, and for 0.
[[nodiscard]] Result<std::uint32_t> parse_as_number(std::string_view text);
// The Node as it counts, if it decodes.
[[nodiscard]] std::optional<Node> decoded_node(const nlohmann::json& object);

}  // namespace margay::ctl
