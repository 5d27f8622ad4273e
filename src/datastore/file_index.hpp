// FileIndex: which files of a tree hold an object, kept true by inotify while others edit the tree.
//
// A directory is watched before it is read, and the kernel queues an event before the editor's system call returns: what is
// still unread in the queue is all that may have changed, so a lookup costs what was changed since the last one, not the tree.
// The index only says where to look; the reader believes the files. Events without a place (a directory that went, an
// overflow) make it read the tree anew.
//
// There is no index where inotify does not see every change: symbolic or hard links (changed at their other end), a directory
// that cannot be watched (no right, no watch left). Then nullopt, for good, and the caller looks at every file. What inotify does
// not see and the index cannot know: edits made on another host of a network file system; a writer through mmap until it lets go.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "inotify.hpp"
#include "margay/model/decode.hpp"

namespace margay::datastore {

class FileIndex {
 public:
  explicit FileIndex(std::string root) : root_{std::move(root)} {}

  // The files that hold it, or could not be read, relative and sorted.
  [[nodiscard]] std::optional<std::vector<std::string>> files_of(const ObjectId& id);
  // Files read so far, for tests of the cost.
  [[nodiscard]] unsigned long long files_read() const { return files_read_; }

 private:
  bool refresh();
  void build();
  void read_tree(const std::string& from);
  bool watch(const std::string& path);
  void take_events();
  void on_event(const Inotify::Event& event);
  void read_file(const std::string& path);
  void forget(const std::string& path);

  std::string root_;
  std::unique_ptr<Inotify> inotify_;
  std::unordered_map<int, std::string> directories_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
  std::map<ObjectId, std::set<std::string>> files_;
  std::unordered_map<std::string, std::vector<ObjectId>> objects_;
  std::set<std::string> unreadable_;
  std::set<std::string> changed_, fresh_directories_;
  bool stale_ = true, unusable_ = false;
  unsigned long long files_read_ = 0;
};

}  // namespace margay::datastore
