// /proc/sys in memory: any path exists unless listed as missing.
#pragma once

#include <map>
#include <set>
#include <string>

#include "fakes/fuse.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::fakes {

class FakeSysctls final : public kernel::Sysctls {
 public:
  explicit FakeSysctls(Fuse& fuse) : fuse_{fuse} {}
  std::map<std::string, std::string, std::less<>> values;
  std::set<std::string, std::less<>> missing;

  Status write(std::string_view path, std::string_view value) override {
    if (auto e = fuse_.before("sysctls.write")) return *e;
    if (missing.count(path)) return Error{ErrorCode::NotFound, std::string{path}};
    values[std::string{path}] = std::string{value};
    fuse_.after("sysctls.write");
    return {};
  }
  Result<std::string> read(std::string_view path) override {
    if (auto e = fuse_.before("sysctls.read")) return *e;
    const auto it = values.find(path);
    if (it == values.end()) return Error{ErrorCode::NotFound, std::string{path}};
    return it->second;
  }

 private:
  Fuse& fuse_;
};

}  // namespace margay::fakes
