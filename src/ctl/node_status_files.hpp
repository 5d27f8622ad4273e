// The status of this node's CalicoNodeStatus objects, which margay-bgp-config leaves in the runtime directory: on the file
// datastore nothing but people writes the objects themselves.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/result.hpp"

namespace margay::ctl {

// Puts <run_dir>/node-status/<name>.json in as the object's status if it is this node's and there is one; what is stored stays
// otherwise. An error says which file is wrong.
[[nodiscard]] Status join_node_status(nlohmann::json& object, const std::string& node, const std::string& run_dir);

}  // namespace margay::ctl
