// Manifests of every kind that the view reads, drawn so that most are valid and many are odd.
#pragma once

#include <random>
#include <vector>

#include <nlohmann/json.hpp>

#include "view/view.hpp"

namespace margay::bgp::test {

using Rng = std::mt19937_64;

// A cluster, with a Node for "me".
[[nodiscard]] std::vector<nlohmann::json> draw_cluster(Rng& rng);
// One manifest; its name is that of another now and then.
[[nodiscard]] nlohmann::json draw_manifest(Rng& rng);
[[nodiscard]] std::vector<WorkloadStatus> draw_workloads(Rng& rng);
[[nodiscard]] ViewOptions draw_options(Rng& rng);

}  // namespace margay::bgp::test
