// The tables port on libiptc and libip6tc, under the xtables lock. Design and promises: docs/design/kernel-tables.md.
//
// Thread: one, which must stay in the network namespace it was in when the object first worked. Blocks for the kernel and, in
// apply and cleanup, for the lock, at most `lock_timeout`. Holds no copy of a table between calls.
#pragma once

#include <array>
#include <chrono>

#include "margay/kernel/ports.hpp"

namespace margay::kernel {

class IptcTables final : public Tables {
 public:
  explicit IptcTables(std::chrono::milliseconds lock_timeout = std::chrono::seconds{10}) : lock_timeout_{lock_timeout} {}
  IptcTables(const IptcTables&) = delete;
  IptcTables& operator=(const IptcTables&) = delete;
  ~IptcTables() override;

  Result<TableInfo> info(Family family, Table table) override;
  Result<TableState> read(Family family, Table table, const std::vector<Hooks>& wanted) override;
  Result<TableInfo> apply(Family family, Table table, const TableChange& change,
                          const std::optional<TableInfo>& expected) override;
  Status cleanup(Family family, Table table) override;

 private:
  Result<int> socket_of(Family family);
  std::chrono::milliseconds lock_timeout_;
  std::array<int, 2> sockets_{-1, -1};  // raw, for GET_INFO and set look-ups; opened at first use
};

}  // namespace margay::kernel
