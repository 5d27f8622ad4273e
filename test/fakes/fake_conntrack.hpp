// Connection tracking in memory: which addresses have entries, and which were removed when.
#pragma once

#include <set>
#include <vector>

#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeConntrack final : public kernel::Conntrack {
 public:
  explicit FakeConntrack(Fuse& fuse) : fuse_{fuse} {}
  std::set<Addr> flows;       // addresses that have entries
  std::vector<Addr> removed;  // every address asked for, in order

  Status remove_flows(const std::vector<Addr>& addresses) override {
    if (auto e = fuse_.before("conntrack.remove_flows")) return *e;
    for (const auto& a : addresses) {
      flows.erase(a);
      removed.push_back(a);
    }
    fuse_.after("conntrack.remove_flows");
    return {};
  }

 private:
  Fuse& fuse_;
};

}  // namespace margay::fakes
