#include "file_tree.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "file_names.hpp"
#include "margay/base/log.hpp"

namespace margay::datastore {
namespace {

constexpr log::Domain kDomain{"datastore"};
constexpr std::size_t kMaxDepth = 64;
constexpr std::string_view kRoot = "root";  // as subject; those of the tree start with "/"

}  // namespace

FileTree::FileTree(std::string root, Inotify& inotify, Syncer& syncer, FileReader& reader, Host& host)
    : root_{std::move(root)}, inotify_{inotify}, syncer_{syncer}, reader_{reader}, host_{host}, deps_{inotify} {}

std::string FileTree::absolute(std::string_view path) const { return root_ + "/" + std::string{path}; }

// ---- the root -------------------------------------------------------------------------------------------------------

void FileTree::watch_root() {
  if (auto watched = deps_.watch(std::string{kRoot}, "", root_); !watched) host_.on_watch_failed(watched.error());
}

bool FileTree::has_root(const struct stat& st) const {
  const auto root = dirs_.find("");
  return root != dirs_.end() && root->second.dev == st.st_dev && root->second.ino == st.st_ino;
}

void FileTree::forget() {
  scans_.clear();
  blocked_.clear();
  deps_.forget_below("/");
  for (const auto& [path, dir] : dirs_) inotify_.drop(dir.wd);
  dirs_.clear();
  by_wd_.clear();
}

void FileTree::begin_scan() {
  forget();
  visit_directory("");
}

void FileTree::scan(std::chrono::steady_clock::time_point until) {
  unsigned visited = 0;
  while (!scans_.empty()) {
    Scan& scan = scans_.back();
    if (scan.next == scan.names.size()) {
      scans_.pop_back();
      continue;
    }
    visit(join_path(scan.directory, scan.names[scan.next++]), false, false);
    if (++visited % 16 == 0 && std::chrono::steady_clock::now() >= until) break;
  }
}

// ---- events -----------------------------------------------------------------------------------------------------------

std::vector<std::string> FileTree::directories_of(int wd) const {
  const auto found = by_wd_.find(wd);
  return found == by_wd_.end() ? std::vector<std::string>{} : found->second;
}

FileTree::Affected FileTree::affected(int wd, std::string_view name) const {
  Affected out;
  for (const std::string& subject : deps_.affected(wd, name)) {
    if (subject == kRoot) out.root = true;
    else out.paths.push_back(subject.substr(1));  // "/a/b.yaml"
  }
  return out;
}

// ---- visits -----------------------------------------------------------------------------------------------------------

void FileTree::visit(const std::string& path, bool force, bool patient) {
  const std::string full = absolute(path);
  struct stat st {};
  if (::lstat(full.c_str(), &st) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) not_visible(path, errno);
    else if (patient) host_.on_missing(path);
    else gone(path);
    return;
  }
  if (S_ISLNK(st.st_mode)) {
    const auto parent = parent_of(path);
    const std::string base = parent.empty() ? root_ : absolute(parent);
    if (auto watched = deps_.watch("/" + path, base, name_of(path)); !watched) host_.on_watch_failed(watched.error());
    if (::stat(full.c_str(), &st) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) not_visible(path, errno);
      else if (patient) host_.on_missing(path);
      else gone(path, true);
      return;
    }
  } else if (!deps_.empty()) {
    deps_.forget("/" + path);
  }
  if (S_ISDIR(st.st_mode)) {
    reader_.gone(path);
    return visit_directory(path);
  }
  if (dirs_.contains(path)) gone(path, true);
  if (!is_manifest_name(name_of(path))) return;
  switch (reader_.read(path, full, force)) {
    case FileReader::Found::Manifests: host_.on_manifests(); break;
    case FileReader::Found::NoFile: gone(path, true); break;
    case FileReader::Found::Nothing: break;
  }
}

// There, but not to be looked at: a file keeps what it said, and so does all that is below it if it is a directory.
void FileTree::not_visible(const std::string& path, int error) {
  blocked_.insert(std::string{parent_of(path)});
  reader_.unreadable_below(path);
  if (!is_manifest_name(name_of(path))) return;
  reader_.unreadable(path, error == ELOOP ? "its symbolic links go round in a circle" : std::strerror(error));
  host_.on_manifests();
}

void FileTree::gone(const std::string& path, bool keep_deps) {
  if (!keep_deps) deps_.forget("/" + path);
  reader_.gone(path);
  const std::string prefix = path + "/";
  deps_.forget_below("/" + prefix);
  reader_.gone_below(path);
  if (const auto dir = dirs_.find(path); dir != dirs_.end()) drop_directory(dir);
  drop_below(prefix);
}

FileTree::Dirs::iterator FileTree::drop_directory(Dirs::iterator dir) {
  if (const auto watch = by_wd_.find(dir->second.wd); watch != by_wd_.end()) {
    std::erase(watch->second, dir->first);
    if (watch->second.empty()) by_wd_.erase(watch);
  }
  inotify_.drop(dir->second.wd);
  blocked_.erase(dir->first);
  return dirs_.erase(dir);
}

void FileTree::drop_below(const std::string& prefix) {
  for (auto at = dirs_.lower_bound(prefix); at != dirs_.end() && at->first.starts_with(prefix);) at = drop_directory(at);
}

void FileTree::visit_directory(const std::string& path) {
  const std::string full = absolute(path);
  const auto wd = inotify_.watch(full);
  if (!wd && wd.error().code == ErrorCode::NotFound) return gone(path);
  if (!wd) host_.on_watch_failed(wd.error());
  struct stat st {};
  if (::stat(full.c_str(), &st) != 0) {
    if (wd) inotify_.drop(*wd);
    return gone(path);
  }
  if (in_circle(path, st)) {
    if (wd) inotify_.drop(*wd);
    log::warning(kDomain, "a directory contains itself, or is too deep; it is left out", {{"directory", full}});
    return;
  }
  auto [at, added] = dirs_.try_emplace(path);
  if (!added && wd && at->second.wd == *wd && at->second.ino == st.st_ino && at->second.dev == st.st_dev) {
    inotify_.drop(*wd);  // known, and the same
  } else {
    if (!added) at = replaced(at);
    at->second = Dir{wd ? *wd : -1, st.st_dev, st.st_ino};
    if (wd) by_wd_[*wd].push_back(path);
  }
  blocked_.erase(path);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(full.c_str()), &::closedir};
  if (dir == nullptr) {
    log::error(kDomain, "cannot read a directory, keeping what its files said",
               {{"directory", full}, {"reason", std::strerror(errno)}});
    reader_.unreadable_below(path);
    drop_directory(at);  // so that a chmod is a reason to look again
    return;
  }
  Scan scan;
  scan.directory = path;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name{entry->d_name};
    if (is_ignored_name(name)) continue;
    if (entry->d_type == DT_REG && !is_manifest_name(name)) continue;
    scan.names.emplace_back(name);
  }
  std::sort(scan.names.begin(), scan.names.end());
  if (!scan.names.empty()) scans_.push_back(std::move(scan));
}

// Another directory has the name now: what the old one said and the new one does not, goes after the scan.
FileTree::Dirs::iterator FileTree::replaced(Dirs::iterator dir) {
  const std::string path = dir->first;
  const std::string prefix = path + "/";
  for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && at->first.starts_with(prefix); ++at)
    host_.on_missing(at->first);
  deps_.forget_below("/" + prefix);
  drop_directory(dir);
  drop_below(prefix);
  return dirs_.try_emplace(path).first;
}

bool FileTree::in_circle(const std::string& path, const struct stat& st) const {
  std::string_view up = path;
  std::size_t depth = 0;
  while (!up.empty()) {
    up = parent_of(up);
    if (++depth > kMaxDepth) return true;
    const auto found = dirs_.find(std::string{up});
    if (found != dirs_.end() && found->second.dev == st.st_dev && found->second.ino == st.st_ino) return true;
  }
  return false;
}

}  // namespace margay::datastore
