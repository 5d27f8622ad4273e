// What all kinds have in common: metadata, labels and annotations.
#pragma once

#include <string_view>
#include <vector>

#include "fields.hpp"
#include "margay/model/labels.hpp"

namespace margay::model {

// Checks the labels and annotations of any object, for which decode() calls it once. A decoder can rely on their types.
void check_metadata(Field metadata);
// Checks the keys and values of a map of labels.
void check_labels(Field map);

using LabelPairs = std::vector<Labels::Pair>;
// Appends a map of labels, checked before, with a prefix to each key. Wrong entries are left out in silence.
void append_labels(Field map, std::string_view prefix, LabelPairs& out);

inline constexpr std::string_view kNamespaceLabel = "projectcalico.org/namespace";
inline constexpr std::string_view kOrchestratorLabel = "projectcalico.org/orchestrator";
inline constexpr std::string_view kServiceAccountLabel = "projectcalico.org/serviceaccount";
inline constexpr std::string_view kNamespacePrefix = "pcns.";
inline constexpr std::string_view kServiceAccountPrefix = "pcsa.";

// The labels of a workload endpoint: the user's, without those that imitate inherited ones, and Calico's own.
[[nodiscard]] Labels workload_labels(Field user, std::string_view ns, std::string_view orchestrator,
                                     std::string_view service_account);

}  // namespace margay::model
