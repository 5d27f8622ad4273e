#include "file_source.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "digest.hpp"
#include "inotify.hpp"
#include "last_valid_log.hpp"
#include "margay/base/log.hpp"
#include "path_deps.hpp"
#include "syncer.hpp"

namespace margay::datastore {

namespace asio = boost::asio;
using std::chrono::milliseconds;

bool is_hidden_name(std::string_view name) { return name.empty() || name.front() == '.'; }

bool is_manifest_name(std::string_view name) {
  if (is_hidden_name(name)) return false;
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

namespace {

constexpr log::Domain kDomain{"datastore"};
constexpr std::size_t kMaxFile = YamlLimits{}.bytes;
constexpr auto kSlice = milliseconds{8};
constexpr auto kGoneQuiet = milliseconds{20};
constexpr auto kGoneAtMost = milliseconds{40};
constexpr auto kFreshQuiet = milliseconds{25};  // a file made without a close-write event: hard link, touch, chmod
constexpr auto kSettle = milliseconds{500};
constexpr auto kRetry = std::chrono::seconds{10};
constexpr std::size_t kMaxDepth = 64;

bool ignored_name(std::string_view name) { return is_hidden_name(name) || name.ends_with("~") || name.ends_with(".tmp"); }

std::string join(std::string_view directory, std::string_view name) {
  std::string out;
  out.reserve(directory.size() + name.size() + 1);
  out.append(directory);
  if (!directory.empty()) out += '/';
  return out.append(name);
}

// 0 if the file changed so lately that a later change could leave the same times.
std::uint64_t fingerprint_of(const struct stat& st) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto age = (now.tv_sec - st.st_ctim.tv_sec) * 1000 + (now.tv_nsec - st.st_ctim.tv_nsec) / 1'000'000;
  if (age < 50) return 0;
  const std::uint64_t words[] = {static_cast<std::uint64_t>(st.st_dev),         st.st_ino,
                                 static_cast<std::uint64_t>(st.st_size),        static_cast<std::uint64_t>(st.st_mode),
                                 static_cast<std::uint64_t>(st.st_mtim.tv_sec), static_cast<std::uint64_t>(st.st_mtim.tv_nsec),
                                 static_cast<std::uint64_t>(st.st_ctim.tv_sec), static_cast<std::uint64_t>(st.st_ctim.tv_nsec)};
  return digest64({reinterpret_cast<const char*>(words), sizeof words});
}

class Fd {
 public:
  explicit Fd(int fd) : fd_{fd} {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// A lease is refused while somebody has the file open for writing. Breaking it would raise a signal: SIGURG is ignored by
// default, SIGIO would end the process.
bool is_being_written(const std::string& path) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (fd.get() < 0) return false;
  ::fcntl(fd.get(), F_SETSIG, SIGURG);
  if (::fcntl(fd.get(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(fd.get(), F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN;
}

class FileSource final : public Watcher {
 public:
  FileSource(FileSourceOptions options, asio::io_context& io, WatchSink& sink)
      : options_{std::move(options)},
        io_{io},
        sink_{sink},
        syncer_{std::move(options_.built_in)},
        deps_{inotify_},
        descriptor_{io},
        gone_timer_{io},
        fresh_timer_{io},
        settle_timer_{io},
        retry_timer_{io} {
    root_ = options_.directory;
    while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
    if (root_ == "/") root_.clear();
  }

  ~FileSource() override {
    if (descriptor_.is_open()) descriptor_.release();  // inotify_ closes it
  }

  void start() override {
    post([this] { begin(); });
  }

  [[nodiscard]] WatchStats stats() const override {
    WatchStats out = stats_;
    out.objects = syncer_.objects();
    out.invalid_objects = syncer_.invalid();
    return out;
  }

 private:
  // A directory of the tree by the path it is seen under; one inode may be seen under several.
  struct Dir {
    int wd = -1;
    dev_t dev = 0;
    ino_t ino = 0;
  };
  struct Scan {
    std::string directory;
    std::vector<std::string> names;
    std::size_t next = 0;
  };

  // ---- the loop -------------------------------------------------------------------------------------------------------

  template <class F>
  void post(F f) {
    asio::post(io_, [alive = std::weak_ptr<bool>{alive_}, f = std::move(f)] {
      if (!alive.expired()) f();
    });
  }

  template <class F>
  void after(asio::steady_timer& timer, asio::steady_timer::duration delay, F f) {
    timer.expires_after(delay);
    timer.async_wait([alive = std::weak_ptr<bool>{alive_}, f = std::move(f)](const boost::system::error_code& error) {
      if (!error && !alive.expired()) f();
    });
  }

  void begin() {
    if (!options_.state_dir.empty() && !log_.is_open()) {
      if (auto opened = log_.open(options_.state_dir, options_.directory); !opened)
        log::warning(kDomain, "last valid forms are not kept over a restart",
                     {{"state_dir", options_.state_dir}, {"reason", opened.error().text}});
    }
    if (inotify_.fd() < 0) {
      if (auto opened = inotify_.open(); !opened) {
        log::error(kDomain, "cannot watch the datastore", {{"reason", opened.error().text}, {"next", "retry in 10 s"}});
        set_state(SyncState::WaitForDatastore);
        after(retry_timer_, kRetry, [this] { begin(); });
        return;
      }
      descriptor_.assign(inotify_.fd());
      wait();
    }
    check_root();
    finish();
  }

  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, alive = std::weak_ptr<bool>{alive_}](const boost::system::error_code& error) {
                             if (error || alive.expired()) return;
                             on_events();
                             if (!alive.expired()) wait();
                           });
  }

  void on_events() {
    seen_ = std::chrono::steady_clock::now();
    to_visit_.clear();
    moved_from_.clear();
    for (int reads = 0; reads < 8; ++reads)
      if (inotify_.read([this](const Inotify::Event& event) { on_event(event); })) break;
    if (overflow_) {
      overflow_ = false;
      log::warning(kDomain, "file events were lost, reading the directory again", {{"directory", options_.directory}});
      moved_from_.clear();
      rescan();
      finish();
      return;
    }
    if (root_suspect_) check_root();
    for (const auto& [cookie, path] : moved_from_) note_gone(path);
    std::sort(to_visit_.begin(), to_visit_.end());
    to_visit_.erase(std::unique(to_visit_.begin(), to_visit_.end()), to_visit_.end());
    if (present_) {
      for (const std::string& path : to_visit_) visit(path, true);
      for (const std::string& path : renamed_away_) visit(path, false);
    }
    renamed_away_.clear();
    finish();
  }

  void on_event(const Inotify::Event& event) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      overflow_ = true;
      return;
    }
    for (std::string& subject : deps_.affected(event.wd, (event.mask & IN_IGNORED) != 0 ? std::string_view{} : event.name)) {
      if (subject == kRoot) root_suspect_ = true;
      else to_visit_.push_back(subject.substr(1));  // "/a/b.yaml"
    }
    const auto found = by_wd_.find(event.wd);
    if (found != by_wd_.end()) {
      for (const std::string& directory : found->second) {
        if (event.name.empty()) {
          if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) == 0) continue;
          if (directory.empty()) root_suspect_ = true;
          else note_gone(directory);
        } else if (!ignored_name(event.name)) {
          on_entry(event, join(directory, event.name));
        }
      }
    }
    if ((event.mask & IN_IGNORED) != 0) inotify_.ended(event.wd);
    if (settling_) settle();
  }

  void on_entry(const Inotify::Event& event, std::string path) {
    const bool is_dir = (event.mask & IN_ISDIR) != 0;
    if ((event.mask & IN_MOVED_FROM) != 0) {
      moved_from_[event.cookie] = std::move(path);
    } else if ((event.mask & IN_MOVED_TO) != 0) {
      // A rename within the tree is one step: the old path goes with the new one's coming.
      if (const auto from = moved_from_.find(event.cookie); !is_dir && from != moved_from_.end()) {
        renamed_away_.push_back(std::move(from->second));
        moved_from_.erase(from);
      }
      to_visit_.push_back(std::move(path));
    } else if ((event.mask & IN_DELETE) != 0) {
      note_gone(path);
    } else if ((event.mask & IN_CLOSE_WRITE) != 0) {
      to_visit_.push_back(std::move(path));
    } else if (is_dir) {
      if ((event.mask & IN_CREATE) != 0 || !dirs_.contains(path)) to_visit_.push_back(std::move(path));
    } else if (is_manifest_name(event.name) || (event.mask & IN_CREATE) != 0) {
      note_fresh(std::move(path));
    }
  }

  // What may be gone is looked at after a moment of quiet.
  void note_gone(const std::string& path) {
    const auto now = std::chrono::steady_clock::now();
    if (gone_.empty()) gone_since_ = now;
    gone_.insert(path);
    const auto latest = gone_since_ + kGoneAtMost;
    arm_gone(std::min<std::chrono::steady_clock::time_point>(now + kGoneQuiet, latest) - now);
  }

  void arm_gone(std::chrono::steady_clock::duration delay) {
    after(gone_timer_, delay, [this] {
      if (!scans_.empty()) return arm_gone(kGoneQuiet);  // what went may be among what came
      seen_ = gone_since_;
      for (const std::string& path_gone : std::exchange(gone_, {})) {
        if (!present_) break;
        visit(path_gone, false);
      }
      finish();
    });
  }

  void note_fresh(std::string path) {
    if (fresh_.empty()) {
      after(fresh_timer_, kFreshQuiet, [this] {
        seen_ = std::chrono::steady_clock::now();
        for (const std::string& path_fresh : std::exchange(fresh_, {}))
          if (present_ && !is_being_written(absolute(path_fresh))) visit(path_fresh, false);
        finish();
      });
    }
    fresh_.insert(std::move(path));
  }

  // ---- the root -------------------------------------------------------------------------------------------------------

  void check_root() {
    root_suspect_ = false;
    if (auto watched = deps_.watch(std::string{kRoot}, "", root_); !watched) watch_failed(watched.error());
    struct stat st {};
    const bool there = ::stat(root_.empty() ? "/" : root_.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
    if (!there) {
      if (present_ || !state_known_) outage("the directory is not there");
      return;
    }
    const auto root = dirs_.find("");
    if (present_ && root != dirs_.end() && root->second.dev == st.st_dev && root->second.ino == st.st_ino) return;
    const bool came_back = state_known_ && !present_;
    present_ = true;
    needs_settling_ = came_back;
    rescan();
  }

  void outage(const char* why) {
    log::warning(kDomain, "the datastore is not there, keeping what is in force until it is",
                 {{"directory", options_.directory}, {"reason", why}});
    present_ = false;
    in_sync_ = false;
    resyncing_ = false;
    settling_ = false;
    settle_timer_.cancel();
    scans_.clear();
    gone_.clear();
    fresh_.clear();
    forget_directories();
    set_state(SyncState::WaitForDatastore);
  }

  void forget_directories() {
    std::vector<std::string> subjects;
    deps_.forget_below("/");
    for (const auto& [path, dir] : dirs_) inotify_.drop(dir.wd);
    dirs_.clear();
    by_wd_.clear();
  }

  // Everything is read again; what is found unchanged costs a stat.
  void rescan() {
    forget_directories();
    scans_.clear();
    gone_.clear();
    fresh_.clear();
    settling_ = false;
    resyncing_ = true;
    in_sync_ = false;
    resync_announced_ = false;
    found_ = 0;
    syncer_.begin_resync();
    visit_directory("", true);
  }

  void announce_resync() {
    if (resync_announced_) return;
    resync_announced_ = true;
    ++stats_.resyncs_started;
    set_state(SyncState::Resync);
  }

  void scanned_all() {
    if (found_ == 0) {
      if (!empty_reported_) outage_empty();
      return;
    }
    if (needs_settling_) {
      if (!settling_) {
        settling_ = true;
        settle();
      }
      return;
    }
    in_sync();
  }

  void outage_empty() {
    empty_reported_ = true;
    needs_settling_ = true;
    log::warning(kDomain, "the datastore is empty, which counts as an outage until there is a manifest",
                 {{"directory", options_.directory}});
    set_state(SyncState::WaitForDatastore);
  }

  void settle() {
    after(settle_timer_, kSettle, [this] {
      if (!settling_) return;
      settling_ = false;
      needs_settling_ = false;
      seen_ = std::chrono::steady_clock::now();
      in_sync();
      finish();
    });
  }

  void in_sync() {
    resyncing_ = false;
    in_sync_ = true;
    empty_reported_ = false;
    needs_settling_ = false;
    syncer_.end_resync();
    deliver();
    log_.drop_earlier();
    set_state(SyncState::InSync);
    if (log_.wants_compaction()) compact();
  }

  void set_state(SyncState state) {
    if (state_known_ && state == state_) return;
    state_known_ = true;
    state_ = state;
    sink_.on_state(state);
  }

  // ---- visiting -------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::string absolute(std::string_view path) const {
    return path.empty() ? root_ + "/" : root_ + "/" + std::string{path};
  }

  // Looks at a path of the tree and makes the syncer agree with it. `force`: even if it looks as when it was last read.
  void visit(const std::string& path, bool force) {
    const std::string full = absolute(path);
    struct stat st {};
    if (::lstat(full.c_str(), &st) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) unreadable(path, std::strerror(errno));
      else if (force && !resyncing_) note_gone(path);
      else gone(path);
      return;
    }
    if (S_ISLNK(st.st_mode)) {
      const auto slash = path.rfind('/');
      const std::string parent = slash == std::string::npos ? std::string{} : path.substr(0, slash);
      const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
      std::string base = root_;
      if (!parent.empty()) base += "/" + parent;
      if (auto watched = deps_.watch("/" + path, base, name); !watched) watch_failed(watched.error());
      if (::stat(full.c_str(), &st) != 0) {
        if (errno == ELOOP) unreadable(path, "its symbolic links go round in a circle");
        else if (force && !resyncing_) note_gone(path);
        else gone(path, true);
        return;
      }
    } else if (!deps_.empty()) {
      deps_.forget("/" + path);
    }
    if (S_ISDIR(st.st_mode)) {
      if (syncer_.find(path) != nullptr) syncer_.remove(path);
      visit_directory(path, force);
      return;
    }
    if (dirs_.contains(path)) gone(path, true);
    const auto slash = path.rfind('/');
    const std::string_view name = slash == std::string::npos ? std::string_view{path} : std::string_view{path}.substr(slash + 1);
    if (is_manifest_name(name)) read_file(path, full, force);
  }

  void gone(const std::string& path, bool keep_deps = false) {
    if (!keep_deps) deps_.forget("/" + path);
    if (Syncer::File* file = syncer_.find(path)) {
      log_.forget(path, file->log_offset);
      syncer_.remove(path);
    }
    if (!dirs_.contains(path)) return;
    const std::string prefix = path + "/";
    deps_.forget_below("/" + prefix);
    for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && at->first.starts_with(prefix); ++at)
      log_.forget(at->first, at->second.log_offset);
    syncer_.remove_below(path);
    drop_directory(dirs_.find(path));
    for (auto at = dirs_.lower_bound(prefix); at != dirs_.end() && at->first.starts_with(prefix);) at = drop_directory(at);
  }

  std::map<std::string, Dir>::iterator drop_directory(std::map<std::string, Dir>::iterator dir) {
    if (const auto watch = by_wd_.find(dir->second.wd); watch != by_wd_.end()) {
      std::erase(watch->second, dir->first);
      if (watch->second.empty()) by_wd_.erase(watch);
    }
    inotify_.drop(dir->second.wd);
    return dirs_.erase(dir);
  }

  void visit_directory(const std::string& path, bool) {
    const std::string full = absolute(path);
    const auto wd = inotify_.watch(full);
    if (!wd && wd.error().code == ErrorCode::NotFound) return gone(path);
    if (!wd) watch_failed(wd.error());
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
    Scan scan;
    scan.directory = path;
    DIR* const dir = ::opendir(full.c_str());
    if (dir == nullptr) {
      log::error(kDomain, "cannot read a directory, keeping what its files said",
                 {{"directory", full}, {"reason", std::strerror(errno)}});
      keep_below(path);
      drop_directory(at);  // so that a chmod is a reason to look again
      return;
    }
    while (const dirent* entry = ::readdir(dir)) {
      const std::string_view name{entry->d_name};
      if (ignored_name(name)) continue;
      if (entry->d_type == DT_REG && !is_manifest_name(name)) continue;
      scan.names.emplace_back(name);
    }
    ::closedir(dir);
    std::sort(scan.names.begin(), scan.names.end());
    if (!scan.names.empty()) scans_.push_back(std::move(scan));
  }

  // Another directory has the name now: what the old one said and the new one does not, goes after the scan.
  std::map<std::string, Dir>::iterator replaced(std::map<std::string, Dir>::iterator dir) {
    const std::string path = dir->first;
    const std::string prefix = path + "/";
    for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && at->first.starts_with(prefix); ++at)
      note_gone(at->first);
    deps_.forget_below("/" + prefix);
    drop_directory(dir);
    for (auto at = dirs_.lower_bound(prefix); at != dirs_.end() && at->first.starts_with(prefix);) at = drop_directory(at);
    return dirs_.try_emplace(path).first;
  }

  void keep_below(const std::string& path) {
    const std::string prefix = path.empty() ? std::string{} : path + "/";
    for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && at->first.starts_with(prefix); ++at)
      syncer_.keep_unchanged(at->first);
  }

  [[nodiscard]] bool in_circle(const std::string& path, const struct stat& st) const {
    std::string up = path;
    std::size_t depth = 0;
    while (!up.empty()) {
      const auto slash = up.rfind('/');
      up.erase(slash == std::string::npos ? 0 : slash);
      if (++depth > kMaxDepth) return true;
      const auto found = dirs_.find(up);
      if (found != dirs_.end() && found->second.dev == st.st_dev && found->second.ino == st.st_ino) return true;
    }
    return false;
  }

  // ---- reading --------------------------------------------------------------------------------------------------------

  void read_file(const std::string& path, const std::string& full, bool force) {
    const Fd fd{::open(full.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (fd.get() < 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ENXIO) return gone(path, true);
      return unreadable(path, std::strerror(errno));
    }
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return unreadable(path, std::strerror(errno));
    if (!S_ISREG(st.st_mode)) {
      if (strange_.insert(path).second) log::warning(kDomain, "not a regular file, ignored", {{"file", full}});
      return;
    }
    ++found_;
    announce_if_resyncing();
    const std::uint64_t fingerprint = fingerprint_of(st);
    Syncer::File* file = syncer_.find(path);
    if (!force && file != nullptr && fingerprint != 0 && fingerprint == file->fingerprint) return syncer_.keep_unchanged(path);
    if (static_cast<std::size_t>(st.st_size) > kMaxFile)
      return unreadable(path, "it has more than " + std::to_string(kMaxFile) + " bytes; split it into several files");
    if (!read_text(fd.get(), static_cast<std::size_t>(st.st_size))) return unreadable(path, std::strerror(errno));
    const bool others_may_read = (st.st_mode & S_IROTH) != 0;
    const std::uint64_t digest = digest64(text_, others_may_read ? 1 : 0);
    if (file != nullptr && file->decoded_once && !file->broken && file->digest == digest) {
      file->fingerprint = fingerprint;
      return syncer_.keep_unchanged(path);
    }
    apply_text(path, digest, others_may_read);
    file = syncer_.find(path);
    if (file != nullptr) {
      file->fingerprint = fingerprint;
      file->digest = digest;
    }
  }

  bool read_text(int fd, std::size_t expected) {
    text_.resize(expected + 1);
    std::size_t size = 0;
    while (true) {
      const ssize_t got = ::read(fd, text_.data() + size, text_.size() - size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return false;
      if (got == 0) break;
      size += static_cast<std::size_t>(got);
      if (size == expected) break;
      if (size > kMaxFile) {
        errno = EFBIG;
        return false;
      }
      if (size == text_.size()) text_.resize(size * 2);
    }
    text_.resize(size);
    return true;
  }

  void apply_text(const std::string& path, std::uint64_t digest, bool others_may_read) {
    if (text_.find_first_not_of(" \t\r\n") == std::string::npos) {
      restore(path);
      Syncer::File* const file = syncer_.find(path);
      if (file != nullptr && file->first_claim != Syncer::kNone) {
        report({Notice::Level::Error,
                "the file is empty",
                path,
                0,
                0,
                {},
                {},
                "it may be half-written",
                "what it said before stays in force; delete the file to remove its objects"});
        syncer_.keep_broken(path);
        return;
      }
    }
    Reading reading = read_manifests(text_, options_.decoder, others_may_read);
    for (const std::string& kind : reading.foreign_kinds)
      if (foreign_kinds_.insert(kind).second)
        log::warning(kDomain, "manifests of this kind are ignored", {{"kind", kind}, {"file", absolute(path)}});
    const bool all_valid = reading.all_valid();
    if (!all_valid) restore(path);
    if (reading.error) {
      const ParseError& error = *reading.error;
      std::string reason = error.what;
      if (!error.hint.empty()) reason += "; " + error.hint;
      report({Notice::Level::Error,
              "the file cannot be read as manifests",
              path,
              error.document,
              error.line,
              {},
              {},
              "column " + std::to_string(error.column) + ": " + reason,
              "what it last said validly stays in force"});
      syncer_.keep_broken(path);
      return;
    }
    const bool says_something = !reading.manifests.empty();
    syncer_.apply(path, std::move(reading.manifests));
    keep_last_valid(path, digest, all_valid, says_something);
  }

  // A file that is wrong when first seen: what an earlier run kept of it goes first.
  void restore(const std::string& path) {
    if (!log_.is_open()) return;
    const Syncer::File* const file = syncer_.find(path);
    if (file != nullptr && (file->decoded_once || file->log_offset != 0)) return;
    const LastValidLog::Place place = log_.take_earlier(path);
    if (place.offset == 0) return;
    auto text = log_.read(place);
    if (!text) {
      log::error(kDomain, "the last valid form of a file is lost", {{"file", absolute(path)}, {"reason", text.error().text}});
      return;
    }
    Reading reading = read_manifests(*text, options_.decoder);
    std::erase_if(reading.manifests, [](const Manifest& m) { return !m.id || !m.decoded.errors.empty(); });
    syncer_.apply(path, std::move(reading.manifests), true);
    Syncer::File& restored = *syncer_.find(path);
    restored.log_offset = place.offset;
    restored.log_digest = place.digest;
  }

  void keep_last_valid(const std::string& path, std::uint64_t, bool all_valid, bool says_something) {
    if (!log_.is_open()) return;
    Syncer::File& file = *syncer_.find(path);
    if (file.log_offset == 0) {
      const auto earlier = log_.take_earlier(path);
      file.log_offset = earlier.offset;
      file.log_digest = earlier.digest;
    }
    std::string composed;
    std::string_view text = text_;
    if (!all_valid) {
      std::string before;
      if (file.log_offset != 0)
        if (auto kept = log_.read({file.log_offset, file.log_digest})) before = std::move(*kept);
      composed = last_valid_text(text_, before, syncer_.kept_objects(file), options_.decoder);
      text = composed;
      says_something = !composed.empty();
    }
    if (!says_something) {
      if (file.log_offset != 0) log_.forget(path, std::exchange(file.log_offset, 0));
      return;
    }
    const std::uint64_t digest = digest64(text);
    if (file.log_offset != 0 && file.log_digest == digest) return;
    const auto place = log_.append(path, text, digest, file.log_offset);
    file.log_offset = place.offset;
    file.log_digest = place.digest;
    unflushed_.push_back(path);
  }

  void flush_log() {
    auto flushed = log_.flush();
    if (!flushed) {
      log::warning(kDomain, "cannot keep last valid forms, trying again in 10 s", {{"reason", flushed.error().text}});
      for (const std::string& path : unflushed_) unsaved_.insert(path);
      for (const std::string& path : unflushed_)
        if (Syncer::File* file = syncer_.find(path))
          *file = [&] {
            Syncer::File changed = *file;
            changed.log_offset = 0;
            changed.digest = 0;
            return changed;
          }();
      arm_retry();
    }
    unflushed_.clear();
  }

  void arm_retry() {
    if (retry_armed_) return;
    retry_armed_ = true;
    after(retry_timer_, kRetry, [this] {
      retry_armed_ = false;
      for (const std::string& path : std::exchange(unsaved_, {}))
        if (present_) visit(path, true);
      if (std::exchange(watch_failed_, false) && present_) rescan();
      finish();
    });
  }

  void compact() {
    const auto done = log_.compact([this](const LastValidLog::Visit& visit_place) {
      for (const auto& [path, file] : syncer_.files()) {
        if (file.log_offset == 0) continue;
        compacting_.emplace_back(path, LastValidLog::Place{file.log_offset, file.log_digest});
      }
      for (auto& [path, place] : compacting_) visit_place(path, place);
    });
    if (!done) {
      log::warning(kDomain, "cannot compact the log of last valid forms", {{"reason", done.error().text}});
    } else {
      for (const auto& [path, place] : compacting_)
        if (Syncer::File* file = syncer_.find(path)) file->log_offset = place.offset;
    }
    compacting_.clear();
    compacting_.shrink_to_fit();
  }

  void unreadable(const std::string& path, std::string reason) {
    restore(path);
    report({Notice::Level::Error,
            "cannot read the file",
            path,
            0,
            0,
            {},
            {},
            std::move(reason),
            "what it last said validly stays in force"});
    ++found_;
    announce_if_resyncing();
    syncer_.keep_broken(path);
    if (Syncer::File* file = syncer_.find(path)) file->fingerprint = 0;
  }

  void announce_if_resyncing() {
    if (resyncing_) announce_resync();
  }

  void watch_failed(const Error& error) {
    if (!watch_failed_)
      log::error(kDomain, "a directory is not watched: changes in it are seen late",
                 {{"reason", error.text}, {"next", "retry in 10 s"}});
    watch_failed_ = true;
    arm_retry();
  }

  // ---- ends of turns --------------------------------------------------------------------------------------------------

  // Every handler ends here: scan on for one slice, tell the sink, go on later if there is more.
  void finish() {
    const auto until = std::chrono::steady_clock::now() + kSlice;
    unsigned visited = 0;
    while (present_ && !scans_.empty()) {
      Scan& scan = scans_.back();
      if (scan.next == scan.names.size()) {
        scans_.pop_back();
        continue;
      }
      const std::string path = join(scan.directory, scan.names[scan.next++]);
      visit(path, false);
      if (++visited % 16 == 0 && std::chrono::steady_clock::now() >= until) break;
    }
    deliver();
    if (!present_) return;
    if (!scans_.empty()) {
      if (!more_posted_) {
        more_posted_ = true;
        post([this] {
          more_posted_ = false;
          seen_ = std::chrono::steady_clock::now();
          finish();
        });
      }
    } else if (resyncing_) {
      scanned_all();
    }
  }

  void deliver() {
    // Late, so that what is renamed is not reported as being there twice.
    if (gone_.empty())
      for (const Notice& notice : syncer_.take_notices()) report(notice);
    const bool may_tell = state_known_ && state_ != SyncState::WaitForDatastore;
    if (may_tell && syncer_.has_dirty()) {
      auto updates = syncer_.take_updates(seen_);
      stats_.updates += updates.size();
      if (!updates.empty()) sink_.on_updates(std::move(updates));
    }
    flush_log();
  }

  void report(const Notice& notice) {
    const std::string file = absolute(notice.file);
    const auto level = notice.level == Notice::Level::Error ? log::Level::Error : log::Level::Warning;
    const auto& n = notice;
    if (n.line == 0) log::write(level, kDomain, n.what, {{"file", file}, {"reason", n.reason}, {"consequence", n.consequence}});
    else if (n.object.empty())
      log::write(
          level, kDomain, n.what,
          {{"file", file}, {"document", n.document}, {"line", n.line}, {"reason", n.reason}, {"consequence", n.consequence}});
    else if (n.field.empty())
      log::write(level, kDomain, n.what,
                 {{"file", file},
                  {"document", n.document},
                  {"line", n.line},
                  {"object", n.object},
                  {"reason", n.reason},
                  {"consequence", n.consequence}});
    else
      log::write(level, kDomain, n.what,
                 {{"file", file},
                  {"document", n.document},
                  {"line", n.line},
                  {"object", n.object},
                  {"field", n.field},
                  {"reason", n.reason},
                  {"consequence", n.consequence}});
  }

  static constexpr std::string_view kRoot = "root";  // as subject; those of the tree start with "/"

  FileSourceOptions options_;
  asio::io_context& io_;
  WatchSink& sink_;
  std::string root_;
  Syncer syncer_;
  LastValidLog log_;
  Inotify inotify_;
  PathDeps deps_;
  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer gone_timer_, fresh_timer_, settle_timer_, retry_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::map<std::string, Dir> dirs_;
  std::unordered_map<int, std::vector<std::string>> by_wd_;
  std::vector<Scan> scans_;
  std::vector<std::string> to_visit_, renamed_away_, unflushed_;
  std::unordered_map<std::uint32_t, std::string> moved_from_;
  std::set<std::string> gone_, fresh_, unsaved_, foreign_kinds_, strange_;
  std::vector<std::pair<std::string, LastValidLog::Place>> compacting_;
  std::chrono::steady_clock::time_point gone_since_{}, seen_ = std::chrono::steady_clock::now();
  std::string text_;
  WatchStats stats_;
  SyncState state_ = SyncState::WaitForDatastore;
  std::size_t found_ = 0;  // manifest files seen in this scan
  bool state_known_ = false, present_ = false, in_sync_ = false, resyncing_ = false, resync_announced_ = false;
  bool needs_settling_ = false, settling_ = false, empty_reported_ = false;
  bool overflow_ = false, root_suspect_ = false, more_posted_ = false, retry_armed_ = false, watch_failed_ = false;
};

}  // namespace

std::unique_ptr<Watcher> make_file_source(FileSourceOptions options, asio::io_context& io, WatchSink& sink) {
  return std::make_unique<FileSource>(std::move(options), io, sink);
}

}  // namespace margay::datastore
