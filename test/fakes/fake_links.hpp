// Links and their addresses in memory. Setting one up or down keeps FakeRoutes in step, as the kernel would.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fakes/fake_routes.hpp"
#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeLinks final : public kernel::Links {
 public:
  FakeLinks(Fuse& fuse, FakeRoutes& routes) : fuse_{fuse}, routes_{routes} {}

  std::map<int, kernel::Link> by_index;
  std::vector<kernel::LinkAddress> address_table;

  // Each answers the event the kernel would send.
  kernel::LinkEvent add(int index, std::string name, bool up = true) {
    by_index[index] = kernel::Link{index, std::move(name), up, std::nullopt};
    if (up) routes_.links_up.insert(index);
    else take_down(index);
    return {by_index[index], false};
  }
  kernel::LinkEvent remove(int index) {
    const kernel::Link link = by_index.at(index);
    by_index.erase(index);
    take_down(index);
    return {link, true};
  }
  Result<std::vector<kernel::Link>> links() override {
    if (auto e = fuse_.before("links.links")) return *e;
    std::vector<kernel::Link> out;
    for (const auto& [index, link] : by_index) out.push_back(link);
    return out;
  }
  Result<std::vector<kernel::LinkAddress>> addresses() override {
    if (auto e = fuse_.before("links.addresses")) return *e;
    return address_table;
  }

 private:
  void take_down(int index) {
    routes_.links_up.erase(index);
    std::erase_if(routes_.table, [&](const auto& r) { return r.link == index; });
    std::erase_if(routes_.neighbour_table, [&](const auto& n) { return n.first.first == index; });
  }
  Fuse& fuse_;
  FakeRoutes& routes_;
};

}  // namespace margay::fakes
