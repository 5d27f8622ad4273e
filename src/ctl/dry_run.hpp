// DryRun: a Store that reads another and keeps every change to itself, so that a write is judged whole and nothing is written.
//
// Later reads see earlier changes: a policy whose tier is created in the same run is as good as it would be.
#pragma once

#include <memory>

#include "margay/datastore/store.hpp"

namespace margay::ctl {

[[nodiscard]] std::unique_ptr<datastore::Store> make_dry_run(std::unique_ptr<datastore::Store> store);

}  // namespace margay::ctl
