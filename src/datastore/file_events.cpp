#include "file_events.hpp"

#include <sys/inotify.h>

#include <algorithm>
#include <utility>

#include "file_names.hpp"

namespace margay::datastore {
namespace {

class Turn {
 public:
  Turn(Inotify& inotify, const FileTree& tree) : inotify_{inotify}, tree_{tree} {}

  Hints read() {
    for (int reads = 0; reads < 8; ++reads)
      if (inotify_.read([this](const Inotify::Event& event) { on_event(event); })) break;
    for (auto& [cookie, path] : moved_from_) out_.missing.push_back(std::move(path));
    std::sort(out_.changed.begin(), out_.changed.end());
    out_.changed.erase(std::unique(out_.changed.begin(), out_.changed.end()), out_.changed.end());
    return std::move(out_);
  }

 private:
  void on_event(const Inotify::Event& event) {
    out_.any = true;
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      out_.lost = true;
      return;
    }
    const bool ended = (event.mask & IN_IGNORED) != 0;
    auto affected = tree_.affected(event.wd, ended ? std::string_view{} : event.name);
    out_.root = out_.root || affected.root;
    std::move(affected.paths.begin(), affected.paths.end(), std::back_inserter(out_.changed));
    for (const std::string& directory : tree_.directories_of(event.wd)) {
      if (event.name.empty()) on_directory(event, directory);
      else if (!is_ignored_name(event.name)) on_entry(event, join_path(directory, event.name));
    }
    if (ended) inotify_.ended(event.wd);
  }

  void on_directory(const Inotify::Event& event, const std::string& directory) {
    if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) == 0) return;
    if (directory.empty()) out_.root = true;
    else out_.missing.push_back(directory);
  }

  void on_entry(const Inotify::Event& event, std::string path) {
    const bool is_dir = (event.mask & IN_ISDIR) != 0;
    if ((event.mask & IN_MOVED_FROM) != 0) {
      moved_from_[event.cookie] = std::move(path);
    } else if ((event.mask & IN_MOVED_TO) != 0) {
      // The old path goes with the new one's coming.
      if (const auto from = moved_from_.find(event.cookie); !is_dir && from != moved_from_.end()) {
        out_.renamed_away.push_back(std::move(from->second));
        moved_from_.erase(from);
      }
      out_.changed.push_back(std::move(path));
    } else if ((event.mask & IN_DELETE) != 0) {
      out_.missing.push_back(std::move(path));
    } else if ((event.mask & IN_CLOSE_WRITE) != 0) {
      out_.changed.push_back(std::move(path));
    } else if (is_dir) {
      const bool is_news = (event.mask & IN_CREATE) != 0 || !tree_.has_directory(path) || tree_.is_blocked(path);
      if (is_news) out_.changed.push_back(std::move(path));
    } else if (is_manifest_name(event.name) || (event.mask & IN_CREATE) != 0) {
      out_.fresh.push_back(std::move(path));
    }
  }

  Inotify& inotify_;
  const FileTree& tree_;
  Hints out_;
  std::unordered_map<std::uint32_t, std::string> moved_from_;
};

}  // namespace

Hints read_hints(Inotify& inotify, const FileTree& tree) { return Turn{inotify, tree}.read(); }

}  // namespace margay::datastore
