#include "file_store.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "fd.hpp"
#include "file_index.hpp"
#include "file_io.hpp"
#include "manifest_edit.hpp"
#include "manifest_files.hpp"
#include "margay/base/hash.hpp"
#include "yaml.hpp"
#include "yaml_write.hpp"

namespace margay::datastore {
namespace {

using nlohmann::json;

Revision revision_of(const json& object) {
  const auto digest = sha256(object.dump(-1, ' ', false, json::error_handler_t::replace));
  return base64url(digest.data(), 18);
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

// One object in one file.
struct Found {
  std::string path;  // relative
  std::string text;  // of the file
  struct stat st {};
  std::size_t index = 0;  // among the file's documents
  ParseResult parsed;
  [[nodiscard]] const Document& document() const { return parsed.documents[index]; }
};

class FileStore final : public Store {
 public:
  explicit FileStore(const std::string& directory) : root_{without_slash(directory)}, index_{root_} {}

  Result<StoredObject> get(const ObjectId& id) override {
    auto found = find(id);
    if (!found) return found.error();
    if (!*found) return missing(id);
    return stored(id, **found);
  }

  Result<Listing> list(Kind kind, std::string_view ns) override {
    Listing out;
    std::set<ObjectId> seen;  // of an object in two files, the one whose path sorts first counts
    const auto files = all_files(&out.unreadable);
    if (!files) return files.error();
    auto searched = search(*files, info(kind).name, &out.unreadable,
                           [&](const std::string& file, const std::string& text, const struct stat&) {
                             for (const Document& document : parse_manifests(text).documents) {
                               auto id = identify(document.value);
                               if (!id || id->kind != kind || (!ns.empty() && id->ns != ns) || !seen.insert(*id).second) continue;
                               out.objects.push_back({*id, revision_of(document.value),
                                                      document.value.dump(-1, ' ', false, json::error_handler_t::replace),
                                                      root_ + "/" + file + ":" + std::to_string(document.line)});
                             }
                             return true;
                           });
    if (!searched) return searched.error();
    std::sort(out.objects.begin(), out.objects.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return out;
  }

  Result<Revision> put_if(const ObjectId& id, std::string_view text, const std::optional<Revision>& expected) override {
    json object = json::parse(text, nullptr, false);
    if (object.is_discarded()) return Error{ErrorCode::Invalid, "not JSON"};
    if (const auto named = identify(object); !named || *named != id)
      return Error{ErrorCode::Invalid, named ? "the object is not the one named" : named.error().text};
    auto lock = take_lock();
    if (!lock) return lock.error();
    auto found = find(id);
    if (!found) return found.error();
    if (expected && !expected->empty() && !*found) return missing(id);
    if (expected && expected->empty() && *found) return Error{ErrorCode::AlreadyExists, describe(id) + " exists"};
    if (expected && *found && !expected->empty() && revision_of((*found)->document().value) != *expected)
      return Error{ErrorCode::Conflict, describe(id) + " was changed by somebody else; read it again"};
    if (*found && (*found)->document().value == object) return revision_of(object);
    Status written;
    if (*found) {
      written = write_file((*found)->path, edited((*found)->text, (*found)->parsed, (*found)->index, &object),
                           mode_for(id, &(*found)->st), &(*found)->st);
    } else {
      written = write_file(layout_path(id), write_yaml(object), mode_for(id, nullptr), nullptr, id.kind == Kind::Secret);
    }
    if (!written) return std::move(written).error().in("write " + describe(id));
    return revision_of(object);
  }

  Status remove_if(const ObjectId& id, const std::optional<Revision>& expected) override {
    auto lock = take_lock();
    if (!lock) return lock.error();
    auto found = find(id);
    if (!found) return found.error();
    if (!*found) return missing(id);
    if (expected && revision_of((*found)->document().value) != *expected)
      return Error{ErrorCode::Conflict, describe(id) + " was changed by somebody else; read it again"};
    // An error elsewhere in the file gives no documents at all, so what is found stands in a file that parses.
    Status done = (*found)->parsed.documents.size() == 1 && !(*found)->document().list_item
                      ? remove_file((*found)->path)
                      : write_file((*found)->path, edited((*found)->text, (*found)->parsed, (*found)->index, nullptr),
                                   (*found)->st.st_mode & 07777, &(*found)->st);
    if (!done) return std::move(done).error().in("remove " + describe(id));
    return {};
  }

 private:
  static std::string describe(const ObjectId& id) {
    return std::string{info(id.kind).name} + " " + (id.ns.empty() ? std::string{} : id.ns + "/") + id.name;
  }
  static Error missing(const ObjectId& id) { return Error{ErrorCode::NotFound, describe(id) + " does not exist"}; }

  StoredObject stored(const ObjectId& id, const Found& found) const {
    const json& value = found.document().value;
    return {id, revision_of(value), value.dump(-1, ' ', false, json::error_handler_t::replace),
            root_ + "/" + found.path + ":" + std::to_string(found.document().line)};
  }

  Result<Fd> take_lock() const {
    const std::string path = root_ + "/.margay.lock";
    Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660)};
    if (fd.get() < 0) return system_error("open " + path);
    while (::flock(fd.get(), LOCK_EX) != 0)
      if (errno != EINTR) return system_error("lock " + path);
    return fd;
  }

  // ---- the tree -------------------------------------------------------------------------------------------------------------

  // Every manifest file of the tree, sorted; directories without the right to read them go to `unreadable`, or are an error.
  Result<std::vector<std::string>> all_files(std::vector<Error>* unreadable) {
    std::vector<std::string> paths;
    Status failed;
    Walker walker;
    walker.on_file = [&](std::string path) {
      paths.push_back(std::move(path));
      return true;
    };
    walker.on_unreadable = [&](Error error) {
      if (unreadable != nullptr && error.code == ErrorCode::Permission) unreadable->push_back(std::move(error));
      else failed = std::move(error);
      return failed.has_value();
    };
    if (auto walked = walk_manifests(root_, {}, walker); !walked) return walked.error();
    if (!failed) return failed.error();
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  // Those of the files whose text may mention `word`, until `visit` answers false. Reading is six times cheaper than parsing, so
  // files without the word are not parsed; a backslash may hide it in an escape.
  template <class Visit>
  Status search(const std::vector<std::string>& paths, std::string_view word, std::vector<Error>* unreadable, Visit visit) {
    struct stat st {};
    for (const std::string& path : paths) {
      auto text = read_whole(root_ + "/" + path, &st);
      if (!text) {
        if (text.error().code != ErrorCode::Permission) continue;
        if (unreadable == nullptr) return text.error();  // it may hold the object
        unreadable->push_back(std::move(text).error());
        continue;
      }
      if (text->find(word) == std::string::npos && text->find('\\') == std::string::npos) continue;
      if (!visit(path, *text, st)) break;
    }
    return {};
  }

  // Where an object may be that is not in its own place. The first search of a store reads the files, which is all that a short
  // process needs; from the second on an index pays.
  Result<std::vector<std::string>> files_to_search(const ObjectId& id) {
    if (std::exchange(searched_, true))
      if (auto known = index_.files_of(id)) return std::move(*known);
    return all_files(nullptr);
  }

  static std::optional<std::size_t> index_of(const ParseResult& parsed, const ObjectId& id) {
    for (std::size_t i = 0; i < parsed.documents.size(); ++i)
      if (const auto named = identify(parsed.documents[i].value); named && *named == id) return i;
    return std::nullopt;
  }

  // Its own place first, then anywhere.
  Result<std::optional<Found>> find(const ObjectId& id) {
    const std::string own = layout_path(id);
    Found found;
    found.path = own;
    auto text = read_whole(root_ + "/" + own, &found.st);
    if (text) {
      found.text = std::move(*text);
      found.parsed = parse_manifests(found.text);
      if (const auto index = index_of(found.parsed, id)) {
        found.index = *index;
        return std::optional<Found>{std::move(found)};
      }
    } else if (text.error().code != ErrorCode::Unavailable) {
      return std::move(text).error().in("the place of " + describe(id) + " is taken");
    }
    const std::optional<ParseError> in_the_way = found.parsed.error;
    const bool other = !found.parsed.documents.empty();
    std::optional<Found> elsewhere;
    const auto files = files_to_search(id);
    if (!files) return files.error();
    auto searched = search(*files, id.name, nullptr, [&](const std::string& path, std::string& content, const struct stat& st) {
      if (path == own) return true;
      ParseResult parsed = parse_manifests(content);
      const auto index = index_of(parsed, id);
      if (!index) return true;
      elsewhere = Found{path, std::move(content), st, *index, std::move(parsed)};
      return false;
    });
    if (!searched) return searched.error();
    if (elsewhere) return elsewhere;
    // Nowhere; but what stands in its place and is not it must not be overwritten.
    if (in_the_way || other)
      return Error{ErrorCode::Invalid, root_ + "/" + own + " is in the way of " + describe(id) + ": " +
                                           (in_the_way ? in_the_way->text() : "it holds something else") + "; mend or remove it"};
    return std::optional<Found>{};
  }

  // ---- writing --------------------------------------------------------------------------------------------------------------

  // A new file may be read by the group and others, but not one with secrets; a changed one keeps what it has.
  static mode_t mode_for(const ObjectId& id, const struct stat* before) {
    mode_t mode = before != nullptr ? before->st_mode & 0777 : 0644;
    if (id.kind == Kind::Secret) mode = before != nullptr ? mode & ~static_cast<mode_t>(07) : 0640;
    return mode;
  }

  Status make_directories(const std::string& directory) const {
    if (directory.empty()) return {};
    for (std::size_t slash = 0; slash != std::string::npos;) {
      slash = directory.find('/', slash + 1);
      const std::string part = root_ + "/" + directory.substr(0, slash);
      if (::mkdir(part.c_str(), 0755) == 0) {
        if (auto synced = sync_directory(parent_of(part)); !synced) return synced;
      } else if (errno != EEXIST) {
        return system_error("create " + part);
      }
    }
    return {};
  }

  static Status sync_directory(const std::string& path) {
    const Fd fd{::open(path.empty() ? "/" : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) return system_error("sync " + path);
    return {};
  }

  // `secret`: a new file goes to the group that bgp-config is in, where there is one.
  Status write_file(const std::string& path, const std::string& text, mode_t mode, const struct stat* before,
                    bool secret = false) {
    // Where the path is a symbolic link the file behind it is changed, not the link.
    std::string full = root_ + "/" + path;
    if (char* const real = ::realpath(full.c_str(), nullptr)) {
      full = real;
      ::free(real);
    } else if (auto made = make_directories(parent_of(path)); !made) {
      return made;
    }
    const std::string directory = parent_of(full);
    const std::string temporary = directory + "/." + full.substr(directory.size() + 1) + ".tmp";
    ::unlink(temporary.c_str());  // of a writer that died; we hold the lock
    {
      const Fd fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
      if (fd.get() < 0) return system_error("create " + temporary);
      const auto failed = [&](const char* what) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return system_error(std::string{what} + " " + temporary, error);
      };
      std::string_view rest = text;
      while (!rest.empty()) {
        const ssize_t n = ::write(fd.get(), rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("write");
        rest.remove_prefix(static_cast<std::size_t>(n));
      }
      // Owner before mode: chown clears set-id bits; without the right to give away, our own stays.
      if (before != nullptr && (before->st_uid != ::geteuid() || before->st_gid != ::getegid()))
        (void)!::fchown(fd.get(), before->st_uid, before->st_gid);
      if (secret)
        if (const group* readers = ::getgrnam("margay")) (void)!::fchown(fd.get(), static_cast<uid_t>(-1), readers->gr_gid);
      if (::fchmod(fd.get(), mode) != 0) return failed("chmod");
      if (::fsync(fd.get()) != 0) return failed("sync");
    }
    if (::rename(temporary.c_str(), full.c_str()) != 0) {
      const int error = errno;
      ::unlink(temporary.c_str());
      return system_error("rename " + temporary, error);
    }
    return sync_directory(directory);
  }

  Status remove_file(const std::string& path) {
    const std::string full = root_ + "/" + path;
    if (::unlink(full.c_str()) != 0) return system_error("remove " + full);
    return sync_directory(parent_of(full));
  }

  std::string root_;
  FileIndex index_;
  bool searched_ = false;
};

}  // namespace

std::string layout_path(const ObjectId& id) {
  const KindInfo& kind = info(id.kind);
  std::string out{kind.plural};
  if (!kind.group.empty()) out.append(".").append(kind.group);
  if (kind.namespaced) out.append("/").append(id.ns);
  return out.append("/").append(id.name).append(".yaml");
}

std::unique_ptr<Store> make_file_store(const std::string& directory) { return std::make_unique<FileStore>(directory); }

}  // namespace margay::datastore
