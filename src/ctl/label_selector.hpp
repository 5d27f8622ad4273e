// -l SELECTOR: what a person types to choose objects by their labels. Pure.
//
// Both languages are understood: kubectl's (`app=web,tier!=front,env in (a,b),new,!old`) and Calico's
// (`app == 'web' && has(new)`). No text is valid in both with two meanings: Calico's values are quoted, kubectl's cannot be.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/result.hpp"
#include "margay/model/selector.hpp"

namespace margay::ctl {

[[nodiscard]] Result<Selector> parse_label_selector(std::string_view text);
// By the object's metadata.labels.
[[nodiscard]] bool selects(const Selector& selector, const nlohmann::json& object);

}  // namespace margay::ctl
