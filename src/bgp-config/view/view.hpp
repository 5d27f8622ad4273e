// View: resources in, this node's Router out. Pure and incremental: an update marks the parts it can touch, router() makes those
// anew and says which differ.
//
// Never from a partial snapshot: the caller asks for a router only when in sync, and has a router at all only when this node is
// known (its Node resource), else the reason.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/model/update.hpp"
#include "router.hpp"

namespace margay::bgp {

struct ViewOptions {
  std::string node;
  std::string router_id;    // CALICO_ROUTER_ID: empty, "hash" or an address
  std::string cluster_ips;  // CALICO_ADVERTISE_CLUSTER_IPS: replaces serviceClusterIPs
  std::string secrets_namespace = "kube-system";
  std::uint32_t elevated_priority = 512;  // felix's, of both families
  bool wait_for_policy = false;           // hold a workload's own route back until its policy is in the kernel
  bool pod_cidrs_are_blocks = false;      // USE_POD_CIDR: host-local IPAM, the blocks are those of Node.status.podCIDRs
};

// One endpoint-status file of felix.
struct WorkloadStatus {
  std::string interface;
  std::vector<Cidr> nets;
  std::string bgp_peer;  // BGPPeer by whose localWorkloadSelector it is a peer; empty: none
  friend bool operator==(const WorkloadStatus&, const WorkloadStatus&) = default;
};

class View {
 public:
  explicit View(ViewOptions options);
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  void on_update(const Update& update);
  // All of them, whenever one changed.
  void set_workloads(std::vector<WorkloadStatus> workloads);
  // What BIRD refused: left out (a session, a filter and so the sessions that use it, a prefix) until its resource changes.
  void quarantine(const Key& owner, std::string reason);

  // The router as of now; valid until the next call. NotFound: no Node resource of this name; Invalid: no router id.
  [[nodiscard]] Result<const Router*> router();
  // Of the last router(): sorted, without duplicates.
  [[nodiscard]] const std::vector<Problem>& problems() const;
  // Kinds to watch.
  [[nodiscard]] static std::set<Kind> kinds();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace margay::bgp
