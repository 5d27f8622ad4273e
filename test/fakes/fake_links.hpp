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
    std::erase_if(address_table, [&](const auto& a) { return a.index == index; });
    take_down(index);
    return {link, true};
  }
  // The last IPv4 address takes the link's routes and neighbours of the family along.
  kernel::AddressEvent drop_address(const kernel::LinkAddress& address) {
    const auto v4_of = [&](const auto& a) { return a.index == address.index && a.address.family == Family::V4; };
    const bool had = std::any_of(address_table.begin(), address_table.end(), v4_of);
    std::erase_if(address_table, [&](const auto& a) { return a.index == address.index && a.address == address.address; });
    if (had && std::none_of(address_table.begin(), address_table.end(), v4_of)) {
      std::erase_if(routes_.table,
                    [&](const auto& r) { return r.link == address.index && r.destination.family() == Family::V4; });
      std::erase_if(routes_.neighbour_table,
                    [&](const auto& n) { return n.first.first == address.index && n.first.second.family == Family::V4; });
    }
    return {address, true};
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
  Status add_address(const kernel::LinkAddress& address) override {
    if (auto e = fuse_.before("links.add_address")) return *e;
    if (!by_index.count(address.index)) return Error{ErrorCode::NotFound, "no such link"};
    for (const auto& a : address_table) {
      // As the kernel: IPv4 addresses are told apart by their prefix too.
      const bool same = a.address.family == Family::V6 || a.net == address.net;
      if (a.index == address.index && a.address == address.address && same) return Error{ErrorCode::AlreadyExists, "it is there"};
    }
    address_table.push_back(address);
    fuse_.after("links.add_address");
    return {};
  }
  Status remove_address(const kernel::LinkAddress& address) override {
    if (auto e = fuse_.before("links.remove_address")) return *e;
    drop_address(address);
    fuse_.after("links.remove_address");
    return {};
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
