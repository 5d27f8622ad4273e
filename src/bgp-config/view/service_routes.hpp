// Service routes: what this node advertises of the cluster's ranges and of one service (specification §1.10). Pure.
#pragma once

#include "globals.hpp"

namespace margay::bgp::view {

// Ranges that every node advertises, if nothing is withheld. Sorted, distinct.
[[nodiscard]] std::vector<Cidr> advertised_ranges(const ServiceContext& context);
// Ranges that are never written into the kernel when learned, whoever advertises them.
[[nodiscard]] std::vector<Cidr> rejected_ranges(const ServiceContext& context, Family family);
// Ranges whose routes a route reflector passes on.
[[nodiscard]] std::vector<Cidr> reflected_ranges(const ServiceContext& context, Family family);
// Addresses of one service that this node advertises one by one: host prefixes, sorted, distinct.
[[nodiscard]] std::vector<Cidr> service_routes(const ServiceContext& context, const ServiceInputs& service);

}  // namespace margay::bgp::view
