// Objects as an aligned table, as calicoctl prints them (datastore-model §5.4). Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/model/key.hpp"

namespace margay::ctl {

struct TableOptions {
  bool wide = false;
  bool show_namespace = false;      // a NAMESPACE column, for kinds that have one
  std::string name_prefix;          // put before each NAME, as kubectl does when it shows several kinds
  std::string as_number = "64512";  // of the cluster, for nodes that have none of their own
};

// Columns at least 5 wide, 3 blanks between, nothing after the last; one line a row. Control characters become '?'.
[[nodiscard]] std::string align(const std::vector<std::vector<std::string>>& rows);
[[nodiscard]] std::string table_of(Kind kind, const std::vector<nlohmann::json>& objects, const TableOptions& options);

}  // namespace margay::ctl
