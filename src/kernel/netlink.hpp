// The Links, Routes and Conntrack ports over netlink.
//
// Each opens its socket at first use, in the network namespace the thread is in then, and stays with it. Both families go one
// way. A route's removal matches destination, priority, type, protocol and link, never its source hint; a route or neighbour that
// is gone already, or whose link is, counts as removed.
#pragma once

#include "margay/kernel/ports.hpp"
#include "netlink_socket.hpp"

namespace margay::kernel {

class NetlinkLinks final : public Links {
 public:
  NetlinkLinks();
  Result<std::vector<Link>> links() override;
  Result<std::vector<LinkAddress>> addresses() override;
  Status add_address(const LinkAddress& address) override;
  Status remove_address(const LinkAddress& address) override;

 private:
  NetlinkSocket socket_;
};

class NetlinkRoutes final : public Routes {
 public:
  NetlinkRoutes();
  Result<std::vector<Route>> routes(Family family) override;
  std::vector<Status> apply(const std::vector<Route>& remove, const std::vector<Route>& add) override;
  Result<std::vector<Neighbour>> neighbours(int link) override;
  Status set_neighbour(const Neighbour& neighbour) override;
  Status remove_neighbour(const Neighbour& neighbour) override;

 private:
  NetlinkSocket socket_;
};

class NetlinkConntrack final : public Conntrack {
 public:
  NetlinkConntrack();
  Status remove_flows(const std::vector<Addr>& addresses) override;

 private:
  NetlinkSocket socket_;
};

}  // namespace margay::kernel
