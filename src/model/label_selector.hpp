// Kubernetes' LabelSelector (matchLabels, matchExpressions) as text of our selector language.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fields.hpp"

namespace margay::model {

// The terms joined by " && ", each label with the prefix; empty if there are none. Nothing, and errors recorded, if wrong.
[[nodiscard]] std::optional<std::string> decode_label_selector(Field selector, std::string_view prefix = {});

}  // namespace margay::model
