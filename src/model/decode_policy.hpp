// Calico's tiers and policies (projectcalico.org/v3), and what all policy kinds share: types, and the closed form.
#pragma once

#include <optional>

#include "fields.hpp"
#include "margay/model/decode.hpp"

namespace margay::model {

void decode_tier(const ObjectId& id, Field root, Decoded& out);
// NetworkPolicy, GlobalNetworkPolicy, StagedNetworkPolicy, StagedGlobalNetworkPolicy.
void decode_policy(const ObjectId& id, Field root, Decoded& out);

// Which directions a policy governs.
struct Governed {
  bool ingress = true;
  bool egress = false;
};
// `types`, or what is meant where they are not given. Unreadable types govern both. A type given twice is an error in Calico's
// policies, but not in Kubernetes'.
[[nodiscard]] Governed decode_types(Field types, Field ingress_rules, Field egress_rules, bool unique);

// Publishes the policy under the object's key. Errors recorded: in its closed form, if `selector` is known, else not at all.
void finish_policy(const ObjectId& id, Field root, const std::optional<Selector>& selector, Governed governed, Policy policy,
                   Decoded& out);

// stagedAction. True if it is Delete; then nothing but `kept` may be set in spec.
[[nodiscard]] bool decode_staged_delete(Field spec, std::string_view kept);

}  // namespace margay::model
