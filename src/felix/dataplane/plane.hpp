// Plane: the reconcilers of one IP family, in one place for managers to write to.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "dataplane/config.hpp"
#include "dataplane/route_reconciler.hpp"
#include "dataplane/set_reconciler.hpp"
#include "dataplane/table_reconciler.hpp"
#include "rules/names.hpp"

namespace margay::dataplane {

struct Ports {
  kernel::Tables& tables;
  kernel::Sets& sets;
  kernel::Routes& routes;
  kernel::Links& links;
  kernel::Conntrack& conntrack;
  kernel::Sysctls& sysctls;
  const Clock& clock;
};

struct Plane {
  Plane(Family f, const Config& config, const Ports& ports);

  Family family;
  std::array<TableReconciler, 4> tables;  // in the order of kernel::kTables, which is the order of applying
  SetReconciler sets;
  RouteReconciler routes;

  TableReconciler& operator[](kernel::Table table) { return tables[static_cast<std::size_t>(table)]; }
  const TableReconciler& operator[](kernel::Table table) const { return tables[static_cast<std::size_t>(table)]; }
};

// One per family in use: both, or IPv4 alone (Ipv6Support).
using Planes = std::vector<std::unique_ptr<Plane>>;
[[nodiscard]] Planes make_planes(const Config& config, const Ports& ports);

}  // namespace margay::dataplane
