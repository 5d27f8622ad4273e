// NodeStatus: CalicoNodeStatus resources of this node, filled in. Where the datastore is a directory the outcome lies in
// <run_dir>/node-status/<name>.json, for `margayctl get` to join.
//
// One reporter a resource: asks BIRD every period (0: once for each change of the resource), all or nothing; writes when
// something changed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/report.hpp"
#include "margay/model/update.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::bgp {

// The `status` object; pure. `routes`: null: not asked for or not to be had.
[[nodiscard]] std::string node_status_json(const CalicoNodeStatus& wanted, const Knowledge& knowledge,
                                           const std::vector<RouteStatus>* routes);

class NodeStatus {
 public:
  using Know = std::function<Knowledge()>;
  // `bird` outlives this.
  NodeStatus(boost::asio::io_context& io, Bird& bird, std::string directory, std::string node, Know know);
  ~NodeStatus();
  NodeStatus(const NodeStatus&) = delete;
  NodeStatus& operator=(const NodeStatus&) = delete;

  void on_update(const Update& update);  // of Kind::CalicoNodeStatus

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace margay::bgp
