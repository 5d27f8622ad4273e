// FileSource: the Watcher over a directory tree of manifests (contracts.md §4).
//
// How it works. Every directory of the tree has an inotify watch; whatever an event says, the path it names is looked at again
// ("visited"), and the syncer makes updates of the differences: events are hints, the tree is the truth. Symbolic links and
// the root itself are watched along their whole way (PathDeps), so ConfigMap-style swaps and a root that comes and goes are
// events too. Work is done in slices of a few milliseconds; each slice ends with one on_updates.
//
// Parts: read_hints (events → where to look), FileTree (visits), FileReader (one file → syncer and log), Syncer (what is in
// force), and here the loop, the timers, and whether the store is there, whole and in sync.
//
// Timing. What appears or changes is announced at once, when its writer has closed it. What disappears waits for 20 ms of quiet
// (40 at most): editors and `mv` delete and re-create, and a tree that vanishes is an outage, not a thousand deletions.
// A directory that comes back after an outage, or fills from empty, is given 500 ms of quiet before it counts as whole.
//
// Rejected: polling (contract; only where the kernel gives no more watches is the tree read again every 10 s); reading on
// IN_MODIFY (half-written files); libuv/inotify wrappers (recursion and links are the work, not the calls); fanotify
// (CAP_SYS_ADMIN).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "manifests.hpp"
#include "margay/datastore/watch.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::datastore {

struct FileSourceOptions {
  std::string directory;  // absolute
  std::string state_dir;  // empty: last valid forms do not survive a restart
  Decoder decoder;
  std::vector<std::pair<Key, Resource>> built_in;
  bool read_only_state = false;             // the state directory is another process's: used, not written
  std::chrono::milliseconds retry{10'000};  // of what failed for want of disk space, watches, rights
};

[[nodiscard]] std::unique_ptr<Watcher> make_file_source(FileSourceOptions options, boost::asio::io_context& io, WatchSink& sink);

}  // namespace margay::datastore
