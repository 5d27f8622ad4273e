// FileEvents: what inotify said in one turn → which paths are to be looked at, and how soon.
//
// Events are hints: nothing is concluded from them but where to look. A rename within the tree is one step, so that what moved
// is never missing; a file counts when its writer closes it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "file_tree.hpp"
#include "inotify.hpp"

namespace margay::datastore {

struct Hints {
  std::vector<std::string> changed;       // to visit now; sorted, each once
  std::vector<std::string> renamed_away;  // to visit after those: they are at another place now
  std::vector<std::string> missing;       // to visit after a moment of quiet
  std::vector<std::string> fresh;         // made or changed without a writer closing it, or one is still at it
  bool root = false;                      // the root may be another
  bool lost = false;                      // events were lost
  bool any = false;
};

// Reads what the kernel has, without waiting; at most some 500 kB of it, the loop comes again.
[[nodiscard]] Hints read_hints(Inotify& inotify, const FileTree& tree);

}  // namespace margay::datastore
