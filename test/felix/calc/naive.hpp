// The calculation from scratch, as a person would do it with pen and paper: loops over everything, no index, no history.
// Written against policy-rendering §2-§4 and messages.hpp, not against the graph.
#pragma once

#include <map>

#include "margay/model/update.hpp"
#include "mirror.hpp"

namespace margay::calc::test {

using Resources = std::map<Key, Resource>;

[[nodiscard]] State compute(const Resources& resources, const Symbol& node);

}  // namespace margay::calc::test
