#include "file_index.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "file_names.hpp"
#include "manifest_files.hpp"
#include "yaml.hpp"

namespace margay::datastore {

std::optional<std::vector<std::string>> FileIndex::files_of(const ObjectId& id) {
  if (!refresh()) return std::nullopt;
  std::vector<std::string> out{unreadable_.begin(), unreadable_.end()};
  if (const auto found = files_.find(id); found != files_.end())
    out.insert(out.end(), found->second.begin(), found->second.end());
  std::sort(out.begin(), out.end());
  return out;
}

// False: the tree changes as a whole faster than it is read, or cannot be followed.
bool FileIndex::refresh() {
  for (int attempt = 0; attempt < 2 && !unusable_; ++attempt) {
    if (stale_) build();
    take_events();
    struct stat st {};
    if (::stat(root_.c_str(), &st) != 0 || st.st_dev != dev_ || st.st_ino != ino_) stale_ = true;
    if (!stale_) return !unusable_;
  }
  return false;
}

void FileIndex::build() {
  files_.clear();
  objects_.clear();
  unreadable_.clear();
  directories_.clear();
  changed_.clear();
  fresh_directories_.clear();
  inotify_ = std::make_unique<Inotify>(IN_MODIFY);  // also what an editor has not closed yet
  struct stat st {};
  if (!inotify_->open() || ::stat(root_.c_str(), &st) != 0) {
    unusable_ = true;
    return;
  }
  dev_ = st.st_dev;
  ino_ = st.st_ino;
  stale_ = false;
  read_tree({});
}

void FileIndex::read_tree(const std::string& from) {
  const auto give_up = [this] {
    unusable_ = true;
    return false;
  };
  Walker walker;
  walker.on_directory = [&](const std::string& path) { return watch(path) || give_up(); };
  walker.on_link = [&](const std::string&) { return give_up(); };
  walker.on_unreadable = [&](const Error&) { return give_up(); };
  walker.on_file = [&](const std::string& path) {
    read_file(path);
    return !unusable_;
  };
  if (!walk_manifests(root_, from, walker)) unusable_ = true;
}

bool FileIndex::watch(const std::string& path) {
  const auto wd = inotify_->watch(path.empty() ? root_ : root_ + "/" + path);
  if (!wd) return wd.error().code == ErrorCode::NotFound;  // gone again; its parent's event is on its way
  const auto [known, fresh] = directories_.try_emplace(*wd, path);
  return fresh || known->second == path;  // one directory in two places: bind mounts
}

void FileIndex::take_events() {
  while (!inotify_->read([this](const Inotify::Event& event) { on_event(event); })) {
  }
  if (stale_ || unusable_) return;
  for (const std::string& path : std::exchange(fresh_directories_, {})) read_tree(path);
  for (const std::string& path : std::exchange(changed_, {})) read_file(path);
}

void FileIndex::on_event(const Inotify::Event& event) {
  const auto directory = directories_.find(event.wd);
  if (directory == directories_.end() || event.name.empty()) {  // an overflow, or about a directory itself
    stale_ = true;
    return;
  }
  if (is_ignored_name(event.name)) return;
  std::string path = join_path(directory->second, event.name);
  if ((event.mask & IN_ISDIR) != 0) {
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) fresh_directories_.insert(std::move(path));
    else stale_ = true;
    return;
  }
  // A link to a directory may have any name.
  struct stat st {};
  if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0 && ::lstat((root_ + "/" + path).c_str(), &st) == 0 && S_ISLNK(st.st_mode))
    unusable_ = true;
  if (is_manifest_name(event.name)) changed_.insert(std::move(path));
}

void FileIndex::read_file(const std::string& path) {
  forget(path);
  ++files_read_;
  struct stat st {};
  const auto text = read_whole(root_ + "/" + path, &st);
  if (!text) {
    if (text.error().code != ErrorCode::Unavailable) unreadable_.insert(path);
    return;
  }
  if (st.st_nlink > 1) unusable_ = true;
  std::vector<ObjectId> ids;
  for (const Document& document : parse_manifests(*text).documents)
    if (auto id = identify(document.value)) ids.push_back(std::move(*id));
  for (const ObjectId& id : ids) files_[id].insert(path);
  if (!ids.empty()) objects_.emplace(path, std::move(ids));
}

void FileIndex::forget(const std::string& path) {
  unreadable_.erase(path);
  const auto known = objects_.find(path);
  if (known == objects_.end()) return;
  for (const ObjectId& id : known->second) {
    const auto files = files_.find(id);
    if (files == files_.end()) continue;
    files->second.erase(path);
    if (files->second.empty()) files_.erase(files);
  }
  objects_.erase(known);
}

}  // namespace margay::datastore
