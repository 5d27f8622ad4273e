// Rules of Calico's policies and profiles (projectcalico.org/v3): validated, with the policy's namespace, namespace selectors
// and service accounts worked into each side's selector.
//
// The result is one selector a side, nested as Calico nests it: (namespace) && ((service account) && (selector)).
#pragma once

#include <string_view>
#include <vector>

#include "fields.hpp"
#include "margay/model/rule.hpp"

namespace margay::model {

// Every rule of the list, errors recorded in the reader. `ns` is the policy's namespace, empty for global policies and for
// profiles. When the reader has failed, the rules are good for nothing but their number.
[[nodiscard]] std::vector<Rule> decode_rules(Field list, Direction direction, std::string_view ns);

}  // namespace margay::model
