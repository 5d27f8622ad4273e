// The node under test: manifests through decoding, graph and dataplane into a kernel of fakes, and packets through what that
// kernel then holds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calc/graph.hpp"
#include "cluster.hpp"
#include "dataplane/dataplane.hpp"
#include "evaluate.hpp"
#include "fakes/fake_conntrack.hpp"
#include "fakes/fake_links.hpp"
#include "fakes/fake_routes.hpp"
#include "fakes/fake_sets.hpp"
#include "fakes/fake_sysctls.hpp"
#include "fakes/fake_tables.hpp"
#include "fakes/manual_clock.hpp"

namespace margay::pipeline {

class TestNode {
 public:
  TestNode();
  // Makes the datastore hold this cluster, as a watcher would tell it: only what differs. Throws std::runtime_error with what is
  // wrong: a valid manifest refused, an apply that fails.
  void hold(const Cluster& cluster);
  [[nodiscard]] Outcome run(const Packet& packet) const;
  [[nodiscard]] std::string chains(Family family) const;  // filter, and the sets, as text

 private:
  fakes::Fuse fuse_;
  fakes::FakeSets sets_{fuse_};
  fakes::FakeTables tables_{fuse_, sets_};
  fakes::FakeRoutes routes_{fuse_};
  fakes::FakeLinks links_{fuse_, routes_};
  fakes::FakeConntrack conntrack_{fuse_};
  fakes::FakeSysctls sysctls_{fuse_};
  fakes::ManualClock clock_;
  dataplane::Dataplane dataplane_;
  calc::Graph graph_;
  std::map<Key, std::string> held_;  // the manifest's text
  bool in_sync_ = false;
  std::vector<kernel::Evaluator> evaluators_;  // by family
};

}  // namespace margay::pipeline
