// KernelPorts: the real kernel behind every port of the dataplane.
#pragma once

#include "dataplane/plane.hpp"
#include "kernel/ipset_sets.hpp"
#include "kernel/iptc_tables.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netlink_monitor.hpp"
#include "kernel/procfs_sysctls.hpp"

namespace margay::daemon {

class KernelPorts {
 public:
  explicit KernelPorts(const Clock& clock) : clock_{clock} {}
  [[nodiscard]] dataplane::Ports all() { return {tables_, sets_, routes_, links_, conntrack_, sysctls_, clock_}; }

 private:
  const Clock& clock_;
  kernel::IptcTables tables_;
  kernel::IpsetSets sets_;
  kernel::NetlinkRoutes routes_;
  kernel::NetlinkLinks links_;
  kernel::NetlinkConntrack conntrack_;
  kernel::ProcfsSysctls sysctls_;
};

}  // namespace margay::daemon
