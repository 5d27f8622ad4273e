// The manifest files of a tree as a writer meets them: which there are, and the whole text of one. Nothing is kept.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <string>

#include "margay/base/result.hpp"

namespace margay::datastore {

// Unavailable: not there. Permission: no right. Invalid: not a regular file, or larger than a manifest file may be.
[[nodiscard]] Result<std::string> read_whole(const std::string& path, struct stat* st = nullptr);

// What a walk tells. Paths are relative to the root, the root itself is "".
struct Walker {
  std::function<bool(const std::string& path)> on_directory = [](const std::string&) { return true; };  // before it is listed
  std::function<bool(std::string path)> on_file = [](std::string) { return true; };                     // a manifest, by its name
  std::function<bool(const std::string& path)> on_link = [](const std::string&) { return true; };       // before it is followed
  std::function<bool(Error)> on_unreadable = [](Error) { return true; };                                // a directory
};

// Everything below `from`, links followed, circles left out. A visitor that answers false ends the walk; so does the answer.
// Unavailable: the root is not there.
[[nodiscard]] Result<bool> walk_manifests(const std::string& root, const std::string& from, const Walker& walker);

}  // namespace margay::datastore
