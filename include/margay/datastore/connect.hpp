// connect: a datastore URL → its Watcher and Store. The only place that knows which back ends exist.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "margay/base/result.hpp"
#include "margay/datastore/store.hpp"
#include "margay/datastore/watch.hpp"
#include "margay/settings/settings.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::datastore {

struct Settings {
  settings::Datastore at;        // where it is, and who we are there
  std::string secrets_dir;       // where Secrets are read from when the datastore has no place for them (etcd); empty: nowhere
  std::string state_dir;         // where last valid forms are kept over a restart; empty: not kept
  bool read_only_state = false;  // state_dir is another process's: its last valid forms are used, nothing is written or locked
  DecodeOptions decode;
  std::set<Kind> kinds;  // manifest kinds to read
};

// Invalid: a URL nobody understands. Unsupported: a back end that this build does not have, with what to do instead.
[[nodiscard]] Result<std::unique_ptr<Watcher>> connect_watcher(const Settings& settings, boost::asio::io_context& io,
                                                               WatchSink& sink);
[[nodiscard]] Result<std::unique_ptr<Store>> connect_store(const Settings& settings);

}  // namespace margay::datastore
