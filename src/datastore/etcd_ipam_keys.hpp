// Keys and values of address management in etcd, which are Calico's v1 keys still (datastore-model §1.2, §1.7) ↔ manifests of
// IPAMBlock, IPAMHandle and BlockAffinity as they are in Kubernetes.
//
// Pure. Sequence numbers are whole numbers of 64 bits. There is no place for labels, annotations, uid or creation time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/ip.hpp"
#include "margay/base/result.hpp"
#include "margay/model/decode.hpp"

namespace margay::datastore {

[[nodiscard]] bool has_ipam_keys(Kind kind) noexcept;  // the three kinds above
// Where all of a kind stand. (Under /calico/ipam/v2/host/ there are keys that are no affinities too: a host's own.)
[[nodiscard]] std::vector<std::string> ipam_prefixes(Kind kind);

// What the key is of; nothing if it is of none of the three.
[[nodiscard]] std::optional<ObjectId> ipam_id_of(std::string_view key);
[[nodiscard]] Result<nlohmann::json> ipam_manifest_of(std::string_view key, std::string_view value, std::int64_t mod_revision);

// The key that the manifest says. Invalid: it says none, or one of another name.
[[nodiscard]] Result<std::string> ipam_key_of(const ObjectId& id, const nlohmann::json& manifest);
// Invalid: labels and the like, which would be lost.
[[nodiscard]] Result<std::string> ipam_value_of(const ObjectId& id, const nlohmann::json& manifest);

// The keys an object of that name may have: a name does not say everything.
struct IpamKeys {
  std::vector<std::string> likely;
  bool others = false;  // it may have another one: only ipam_id_of of all of them tells
};
[[nodiscard]] IpamKeys ipam_keys_of(const ObjectId& id);

// Names as Kubernetes' custom resources have them.
[[nodiscard]] std::string block_name(const Cidr& block);                             // "192-168-11-0-26"
[[nodiscard]] std::string affinity_name(std::string_view owner, const Cidr& block);  // "node1-192-168-11-0-26"; at most 252

// What Calico's IPAM engine obeys in etcd; not the IPAMConfiguration of v3, which it never reads there.
inline constexpr std::string_view kIpamConfigKey = "/calico/ipam/v2/config";
// The value ↔ spec of an IPAMConfiguration. No value at all: Calico's defaults; a field that a value leaves out: false or 0.
[[nodiscard]] Result<nlohmann::json> ipam_config_of(std::optional<std::string_view> value);
[[nodiscard]] std::string ipam_config_value(const nlohmann::json& spec);

}  // namespace margay::datastore
