// What the parts count, under Calico's metric names.
#pragma once

#include "calc/graph.hpp"
#include "control/exposition.hpp"
#include "dataplane/dataplane.hpp"
#include "margay/datastore/watch.hpp"

namespace margay::daemon {

struct Counted {
  std::string node;
  SyncState state = SyncState::WaitForDatastore;
  datastore::WatchStats watch;
  const calc::Graph* graph = nullptr;               // may be null
  const dataplane::Dataplane* dataplane = nullptr;  // null before in-sync
};
void expose_daemon(const Counted& counted, control::Exposition& out);

}  // namespace margay::daemon
