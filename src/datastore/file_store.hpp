// FileStore: the Store over a directory tree of manifests (contracts.md §4).
//
// One object per file under <plural>.<group>/[<namespace>/]<name>.yaml, or where it already lives, also inside a file of several
// documents or a List, whose other documents stay byte for byte (a List is written anew). Every change is made on a temporary
// file, synced, renamed, and the directory synced, under an exclusive flock on .margay.lock; so several processes at once are
// safe, and a crash or a full disk leaves the old or the new object whole.
// A revision is a digest of the object's JSON, with keys sorted: formatting does not change it. Blocking.
//
// Cost: an object at the layout's path is found at once; one that is not there may be anywhere. The first such search of a store
// (creating a new object, or asking for a missing one) reads every file of the tree and parses those that mention its name:
// 5.6 us of CPU a file measured (-O2, 20,000 files of 1 kB in the page cache). From the second on a FileIndex answers, so a batch
// costs the tree once and then what changes. list() reads all files, and parses those that mention the kind. Of an object in two
// files the one at the layout's path is changed, else the one whose path sorts first.
#pragma once

#include <memory>
#include <string>

#include "margay/base/result.hpp"
#include "margay/datastore/store.hpp"

namespace margay::datastore {

[[nodiscard]] std::unique_ptr<Store> make_file_store(const std::string& directory);

// The file an object is written to that is nowhere yet, relative to the directory.
[[nodiscard]] std::string layout_path(const ObjectId& id);

}  // namespace margay::datastore
