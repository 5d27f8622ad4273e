// Label names with a meaning of their own, and the prefixes under which labels of namespaces and service accounts are inherited.
#pragma once

#include <string_view>

namespace margay::model {

inline constexpr std::string_view kNamespaceLabel = "projectcalico.org/namespace";
inline constexpr std::string_view kServiceAccountLabel = "projectcalico.org/serviceaccount";
inline constexpr std::string_view kOrchestratorLabel = "projectcalico.org/orchestrator";
inline constexpr std::string_view kKubernetes = "k8s";  // that label's value for pods

inline constexpr std::string_view kNamespacePrefix = "pcns.";
inline constexpr std::string_view kServiceAccountPrefix = "pcsa.";

}  // namespace margay::model
