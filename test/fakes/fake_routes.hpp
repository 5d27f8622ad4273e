// Kernel routes and neighbours in memory: a route needs its link up; adds replace by destination and priority; a link that goes
// takes its routes along.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeRoutes final : public kernel::Routes {
 public:
  explicit FakeRoutes(Fuse& fuse) : fuse_{fuse} {}

  std::vector<kernel::Route> table;  // both families
  std::map<std::pair<int, Addr>, Mac> neighbour_table;
  std::set<int> links_up;  // kept by FakeLinks

  Result<std::vector<kernel::Route>> routes(Family family) override {
    if (auto e = fuse_.before("routes.routes")) return *e;
    std::vector<kernel::Route> out;
    for (const auto& r : table) {
      if (r.destination.family() == family) out.push_back(r);
    }
    return out;
  }
  std::vector<Status> apply(const std::vector<kernel::Route>& remove, const std::vector<kernel::Route>& add) override {
    if (auto e = fuse_.before("routes.apply")) return std::vector<Status>(remove.size() + add.size(), Status{*e});
    std::vector<Status> out;
    for (const auto& r : remove) {
      const auto gone = std::erase_if(table, [&](const auto& x) {
        return x.destination == r.destination && x.priority == r.priority && x.link == r.link && x.protocol == r.protocol;
      });
      out.push_back(gone ? Status{} : Status{Error{ErrorCode::NotFound, "no such route"}});
      fuse_.after("routes.apply/remove");
    }
    for (const auto& r : add) {
      if (auto e = fuse_.before("routes.apply/" + r.destination.to_string())) {
        out.emplace_back(*e);
        continue;
      }
      if (r.link != 0 && !links_up.count(r.link)) {
        out.emplace_back(Error{ErrorCode::Unavailable, "network is down"});
        continue;
      }
      std::erase_if(table, [&](const auto& x) { return x.destination == r.destination && x.priority == r.priority; });
      table.push_back(r);
      out.emplace_back();
      fuse_.after("routes.apply/add");
    }
    return out;
  }
  Result<std::vector<kernel::Neighbour>> neighbours(int link) override {
    if (auto e = fuse_.before("routes.neighbours")) return *e;
    std::vector<kernel::Neighbour> out;
    for (const auto& [key, mac] : neighbour_table) {
      if (key.first == link) out.push_back({key.first, key.second, mac});
    }
    return out;
  }
  Status set_neighbour(const kernel::Neighbour& n) override {
    if (auto e = fuse_.before("routes.set_neighbour")) return *e;
    if (!links_up.count(n.link)) return Error{ErrorCode::Unavailable, "no such link"};
    neighbour_table[{n.link, n.address}] = n.mac;
    fuse_.after("routes.set_neighbour");
    return {};
  }
  Status remove_neighbour(const kernel::Neighbour& n) override {
    if (auto e = fuse_.before("routes.remove_neighbour")) return *e;
    if (neighbour_table.erase({n.link, n.address}) == 0) return Error{ErrorCode::NotFound, "no such neighbour"};
    fuse_.after("routes.remove_neighbour");
    return {};
  }

 private:
  Fuse& fuse_;
};

}  // namespace margay::fakes
