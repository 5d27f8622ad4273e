#include "manifest_files.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "fd.hpp"
#include "file_io.hpp"
#include "file_names.hpp"
#include "yaml.hpp"

namespace margay::datastore {
namespace {

constexpr std::size_t kMaxDepth = 64;
using Inode = std::pair<dev_t, ino_t>;

struct Walk {
  const std::string& root;
  const Walker& walker;
  std::vector<Inode> above;

  bool directory(const std::string& path) {
    if (!walker.on_directory(path)) return false;
    const std::string full = path.empty() ? root : root + "/" + path;
    DIR* const dir = ::opendir(full.c_str());
    if (dir == nullptr) return errno == ENOENT ? true : walker.on_unreadable(system_error("read " + full));
    std::vector<std::pair<std::string, unsigned char>> entries;
    while (const dirent* entry = ::readdir(dir))
      if (!is_ignored_name(entry->d_name)) entries.emplace_back(entry->d_name, entry->d_type);
    ::closedir(dir);
    for (const auto& [name, type] : entries)
      if (!entry(join_path(path, name), name, type)) return false;
    return true;
  }

  bool entry(std::string path, const std::string& name, unsigned char type) {
    if (type == DT_REG) return !is_manifest_name(name) || walker.on_file(std::move(path));
    const std::string full = root + "/" + path;
    struct stat st {};
    if (type == DT_LNK || (type == DT_UNKNOWN && ::lstat(full.c_str(), &st) == 0 && S_ISLNK(st.st_mode)))
      if (!walker.on_link(path)) return false;
    if (::stat(full.c_str(), &st) != 0) return errno != EACCES || walker.on_unreadable(system_error("look at " + full));
    if (S_ISREG(st.st_mode)) return !is_manifest_name(name) || walker.on_file(std::move(path));
    const Inode id{st.st_dev, st.st_ino};
    if (!S_ISDIR(st.st_mode) || above.size() >= kMaxDepth || std::find(above.begin(), above.end(), id) != above.end())
      return true;
    above.push_back(id);
    const bool more = directory(path);
    above.pop_back();
    return more;
  }
};

}  // namespace

Result<std::string> read_whole(const std::string& path, struct stat* st) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (fd.get() < 0) return system_error("open " + path);
  struct stat own {};
  if (::fstat(fd.get(), &own) != 0) return system_error("stat " + path);
  if (!S_ISREG(own.st_mode)) return Error{ErrorCode::Invalid, path + " is not a regular file"};
  if (own.st_size > static_cast<off_t>(YamlLimits{}.bytes)) return Error{ErrorCode::Invalid, path + " is too large"};
  if (st != nullptr) *st = own;
  std::string text;
  if (!read_all(fd.get(), static_cast<std::size_t>(own.st_size), text)) return system_error("read " + path);
  return text;
}

Result<bool> walk_manifests(const std::string& root, const std::string& from, const Walker& walker) {
  struct stat st {};
  if (::stat(root.c_str(), &st) != 0) return system_error("the datastore " + root);
  if (!S_ISDIR(st.st_mode)) return Error{ErrorCode::Unavailable, "the datastore " + root + " is not a directory"};
  Walk walk{root, walker, {{st.st_dev, st.st_ino}}};
  return walk.directory(from);
}

}  // namespace margay::datastore
