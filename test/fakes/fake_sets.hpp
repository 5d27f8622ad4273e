// Kernel sets in memory: full sets refuse members, sets in use refuse to go, swaps need equal shapes.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeSets final : public kernel::Sets {
 public:
  struct Set {
    kernel::SetSpec spec;
    std::set<kernel::SetMember> members;
  };
  explicit FakeSets(Fuse& fuse) : fuse_{fuse} {}

  std::map<std::string, Set> sets;                  // the kernel's state: tests look at and meddle with it
  std::map<std::string, std::uint32_t> references;  // kept by FakeTables
  std::set<std::string> unreadable;                 // members() of these fails

  Result<std::vector<kernel::SetHeader>> list() override {
    if (auto e = fuse_.before("sets.list")) return *e;
    std::vector<kernel::SetHeader> out;
    for (const auto& [name, set] : sets) {
      if (name.starts_with("cali4") || name.starts_with("cali6")) out.push_back({set.spec, references_to(name)});
    }
    fuse_.after("sets.list");
    return out;
  }
  Result<std::vector<kernel::SetMember>> members(const kernel::SetSpec& spec) override {
    if (auto e = fuse_.before("sets.members")) return *e;
    if (unreadable.count(spec.name)) return Error{ErrorCode::Unsupported, "cannot read " + spec.name};
    const auto it = sets.find(spec.name);
    if (it == sets.end()) return Error{ErrorCode::NotFound, "no set " + spec.name};
    std::vector<kernel::SetMember> out(it->second.members.begin(), it->second.members.end());
    fuse_.after("sets.members");
    return out;
  }
  Status create(const kernel::SetSpec& spec) override {
    if (auto e = fuse_.before("sets.create")) return *e;
    if (!sets.emplace(spec.name, Set{spec, {}}).second) return Error{ErrorCode::AlreadyExists, spec.name};
    fuse_.after("sets.create");
    return {};
  }
  std::vector<Status> apply(const std::vector<Change>& changes) override {
    if (auto e = fuse_.before("sets.apply")) return std::vector<Status>(changes.size(), Status{*e});
    std::vector<Status> out;
    for (const Change& change : changes) {
      if (auto e = fuse_.before("sets.apply/" + change.spec->name)) {
        out.emplace_back(*e);
        continue;
      }
      out.push_back(apply_one(change));
      fuse_.after("sets.apply/" + change.spec->name);
    }
    fuse_.after("sets.apply");
    return out;
  }
  Status swap(const std::string& a, const std::string& b) override {
    if (auto e = fuse_.before("sets.swap")) return *e;
    const auto x = sets.find(a), y = sets.find(b);
    if (x == sets.end() || y == sets.end()) return Error{ErrorCode::NotFound, a + " or " + b};
    if (x->second.spec.type != y->second.spec.type || x->second.spec.family != y->second.spec.family) {
      return Error{ErrorCode::Invalid, "types differ"};
    }
    std::swap(x->second, y->second);
    std::swap(x->second.spec.name, y->second.spec.name);
    fuse_.after("sets.swap");
    return {};
  }
  Status destroy(const std::string& name) override {
    if (auto e = fuse_.before("sets.destroy")) return *e;
    if (references_to(name) > 0) return Error{ErrorCode::Busy, name + " is in use"};
    if (sets.erase(name) == 0) return Error{ErrorCode::NotFound, name};
    fuse_.after("sets.destroy");
    return {};
  }

 private:
  std::uint32_t references_to(const std::string& name) const {
    const auto it = references.find(name);
    return it == references.end() ? 0 : it->second;
  }
  Status apply_one(const Change& change) {
    if (change.create && !sets.count(change.spec->name)) sets.emplace(change.spec->name, Set{*change.spec, {}});
    const auto it = sets.find(change.spec->name);
    if (it == sets.end()) return Error{ErrorCode::NotFound, "no set " + change.spec->name};
    for (const auto& m : change.remove) it->second.members.erase(m);
    for (const auto& m : change.add) {
      if (it->second.members.size() >= it->second.spec.max_elements && !it->second.members.count(m)) {
        return Error{ErrorCode::NoSpace, change.spec->name + " is full"};
      }
      it->second.members.insert(m);
    }
    return {};
  }
  Fuse& fuse_;
};

}  // namespace margay::fakes
