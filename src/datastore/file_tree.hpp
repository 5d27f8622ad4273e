// FileTree: the directories of the tree, their watches, and the visits that make the syncer agree with what is there.
//
// A visit looks at one path, whatever is said to have happened to it, and believes only what it sees: a directory is watched and
// listed for scanning, a file is read, a link is followed and its way watched, and what is not there is taken away.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "file_reader.hpp"
#include "inotify.hpp"
#include "path_deps.hpp"

namespace margay::datastore {

class FileTree {
 public:
  // What a visit has to say to whoever asked for it.
  class Host {
   public:
    virtual ~Host() = default;
    // Not there, or not any more: to be visited again after a moment of quiet.
    virtual void on_missing(const std::string& path) = 0;
    // A manifest file is there, readable or not.
    virtual void on_manifests() = 0;
    virtual void on_watch_failed(const Error& error) = 0;
  };

  // `root` without a slash at its end; "" is the file system's root.
  FileTree(std::string root, Inotify& inotify, Syncer& syncer, FileReader& reader, Host& host);

  // `force`: read the file even if it looks as when it was last read. What is missing is told to the host if `patient`, and is
  // gone at once if not.
  void visit(const std::string& path, bool force, bool patient);
  // Forgets every directory and begins with the root again. The syncer's files stay.
  void begin_scan();
  void forget();
  // Visits what the directories seen so far hold, until it is all done or the time is up.
  void scan(std::chrono::steady_clock::time_point until);
  [[nodiscard]] bool scanning() const { return !scans_.empty(); }

  // The root itself: watches its way, also where it does not exist yet.
  void watch_root();
  [[nodiscard]] bool has_root(const struct stat& st) const;

  // ---- what an event is about
  [[nodiscard]] bool has_directory(const std::string& path) const { return dirs_.contains(path); }
  // True if something in this directory could not even be looked at: new rights are a reason to look again.
  [[nodiscard]] bool is_blocked(const std::string& path) const { return blocked_.contains(path); }
  [[nodiscard]] std::vector<std::string> directories_of(int wd) const;
  // Paths that depend on this entry by links, and whether the root does.
  struct Affected {
    std::vector<std::string> paths;
    bool root = false;
  };
  [[nodiscard]] Affected affected(int wd, std::string_view name) const;

  [[nodiscard]] std::string absolute(std::string_view path) const;

 private:
  // A directory by the path it is seen under; one inode may be seen under several.
  struct Dir {
    int wd = -1;
    dev_t dev = 0;
    ino_t ino = 0;
  };
  using Dirs = std::map<std::string, Dir>;
  struct Scan {
    std::string directory;
    std::vector<std::string> names;
    std::size_t next = 0;
  };

  void visit_directory(const std::string& path);
  void not_visible(const std::string& path, int error);
  void gone(const std::string& path, bool keep_deps = false);
  Dirs::iterator drop_directory(Dirs::iterator dir);
  void drop_below(const std::string& prefix);
  Dirs::iterator replaced(Dirs::iterator dir);
  [[nodiscard]] bool in_circle(const std::string& path, const struct stat& st) const;

  std::string root_;
  Inotify& inotify_;
  Syncer& syncer_;
  FileReader& reader_;
  Host& host_;
  PathDeps deps_;
  Dirs dirs_;
  std::unordered_map<int, std::vector<std::string>> by_wd_;
  std::vector<Scan> scans_;
  std::set<std::string> blocked_;
};

}  // namespace margay::datastore
