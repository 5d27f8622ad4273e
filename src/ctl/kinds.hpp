// What a person types for a kind ("np", "networkpolicies.networking.k8s.io", "tier/default") → kinds and names.
//
// Pure. A bare name that two kinds share is Calico's (contracts §7); the other needs its group or, in the core group, its
// version: `networkpolicy.networking.k8s.io`, `node.v1`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/model/decode.hpp"

namespace margay::ctl {

[[nodiscard]] std::optional<Kind> find_kind_word(std::string_view word);
// "np,gnp"; "all" is every kind. Invalid with a suggestion otherwise. No kind twice.
[[nodiscard]] Result<std::vector<Kind>> parse_kinds(std::string_view words);

struct Selection {
  Kind kind;
  std::string name;  // empty: all of them
  friend bool operator==(const Selection&, const Selection&) = default;
};
// KIND[,KIND] [NAME…] or KIND/NAME….
[[nodiscard]] Result<std::vector<Selection>> parse_selections(std::span<const std::string> arguments);

// The shortest word that means the kind and says its group: "networkpolicy.projectcalico.org", "pod", "node.v1".
[[nodiscard]] std::string kind_word(Kind kind);
[[nodiscard]] std::string object_word(const ObjectId& id);  // "networkpolicy.projectcalico.org/allow-web"
[[nodiscard]] std::string describe(const ObjectId& id);     // "NetworkPolicy default/allow-web"
// One kind a line with its short names, for --help.
[[nodiscard]] std::string kinds_help();
// Why no kind has this apiVersion and kind, with the likely right ones.
[[nodiscard]] std::string unknown_kind(std::string_view api_version, std::string_view kind);

}  // namespace margay::ctl
