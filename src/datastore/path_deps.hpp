// PathDeps: which directory entries decide what a path means, watched.
//
// A path that is a symbolic link, or that does not exist yet, depends on every link and directory on its way: `a.yaml →
// ..data/a.yaml`, `..data → ..2024_1/`. Each step is one (watch, entry name) pair; an event on the pair means "look at that
// path again". What is missing is waited for in the directory where it would appear, so nothing is ever polled.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "inotify.hpp"

namespace margay::datastore {

class PathDeps {
 public:
  explicit PathDeps(Inotify& inotify) : inotify_{inotify} {}

  // Watches the way from directory `base` (absolute; "" is the root) along `rest`, on behalf of `subject`. Replaces what was
  // watched for it. The error is of a directory that cannot be watched; the others are.
  Status watch(const std::string& subject, const std::string& base, std::string_view rest);
  void forget(const std::string& subject);
  void forget_below(const std::string& prefix);  // subjects that start with it

  // The subjects that depend on this entry; all that depend on the watch if `name` is empty.
  [[nodiscard]] std::vector<std::string> affected(int wd, std::string_view name) const;
  [[nodiscard]] bool empty() const { return subjects_.empty(); }

 private:
  using Dependents = std::unordered_multimap<std::string, std::string>;  // entry name → subject
  Inotify& inotify_;
  std::unordered_map<int, Dependents> by_watch_;
  std::map<std::string, std::vector<std::pair<int, std::string>>> subjects_;
};

}  // namespace margay::datastore
