#include "file_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <set>

#include "fd.hpp"
#include "file_events.hpp"
#include "file_reader.hpp"
#include "file_tree.hpp"
#include "inotify.hpp"
#include "margay/base/log.hpp"
#include "syncer.hpp"

namespace margay::datastore {

namespace asio = boost::asio;
using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

namespace {

constexpr log::Domain kDomain{"datastore"};
constexpr auto kSlice = milliseconds{8};
constexpr auto kGoneQuiet = milliseconds{20};
constexpr auto kGoneAtMost = milliseconds{40};
constexpr auto kFreshQuiet = milliseconds{25};  // a file made without a close-write event: hard link, touch, chmod
constexpr auto kSettle = milliseconds{500};
constexpr unsigned kCatchUps = 16;

std::string without_slash(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path;
}

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

class FileSource final : public Watcher, private FileTree::Host {
 public:
  FileSource(FileSourceOptions options, asio::io_context& io, WatchSink& sink)
      : options_{std::move(options)},
        io_{io},
        sink_{sink},
        root_{without_slash(options_.directory)},
        syncer_{std::move(options_.built_in)},
        reader_{root_, std::move(options_.decoder), syncer_},
        tree_{root_, inotify_, syncer_, reader_, *this},
        descriptor_{io},
        gone_timer_{io},
        fresh_timer_{io},
        settle_timer_{io},
        retry_timer_{io} {}

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
    open_log();
    if (auto opened = inotify_.open(); !opened) {
      log::error(kDomain, "cannot watch the datastore", {{"reason", opened.error().text}, {"next", "retry in 10 s"}});
      set_state(SyncState::WaitForDatastore);
      return arm_retry();
    }
    descriptor_.assign(inotify_.fd());
    wait();
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
    const Hints hints = read_hints(inotify_, tree_);
    if (settling_ && hints.any) settle();
    if (hints.lost) {
      log::warning(kDomain, "file events were lost, reading the directory again", {{"directory", options_.directory}});
      check_root(true);
      return finish();
    }
    if (hints.root) check_root();
    for (const std::string& path : hints.missing) on_missing(path);
    for (const std::string& path : hints.fresh) note_fresh(path);
    if (present_) {
      for (const std::string& path : hints.changed) tree_.visit(path, true, !resyncing_);
      for (const std::string& path : hints.renamed_away) tree_.visit(path, false, false);
    }
    finish();
  }

  // Every handler ends here: scan on for one slice, tell the sink, go on later if there is more.
  void finish() {
    if (present_) tree_.scan(std::chrono::steady_clock::now() + kSlice);
    deliver();
    if (!present_) return;
    if (tree_.scanning()) {
      if (std::exchange(more_posted_, true)) return;
      post([this] {
        more_posted_ = false;
        seen_ = std::chrono::steady_clock::now();
        finish();
      });
    } else if (resyncing_) {
      scanned_all();
    } else {
      reader_.compact_if_due();
    }
  }

  void deliver() {
    // Late, so that what is renamed is not reported as being there twice.
    if (gone_.empty())
      for (const Notice& notice : syncer_.take_notices()) reader_.report(notice);
    const bool may_tell = state_known_ && state_ != SyncState::WaitForDatastore;
    if (may_tell && syncer_.has_dirty()) {
      auto updates = syncer_.take_updates(seen_);
      stats_.updates += updates.size();
      if (!updates.empty()) sink_.on_updates(std::move(updates));
    }
    if (!reader_.flush()) arm_retry();
  }

  // ---- what is looked at later ------------------------------------------------------------------------------------------

  void on_missing(const std::string& path) override {
    const auto now = std::chrono::steady_clock::now();
    if (gone_.empty()) gone_since_ = now;
    gone_.insert(path);
    arm_gone(std::min<SteadyTime>(now + kGoneQuiet, gone_since_ + kGoneAtMost) - now);
  }

  void arm_gone(std::chrono::steady_clock::duration delay) {
    after(gone_timer_, delay, [this] {
      if (tree_.scanning()) return arm_gone(kGoneQuiet);  // what went may be among what came
      seen_ = gone_since_;
      for (const std::string& path : std::exchange(gone_, {}))
        if (present_) tree_.visit(path, false, false);
      finish();
    });
  }

  void note_fresh(const std::string& path) {
    if (fresh_.empty()) {
      after(fresh_timer_, kFreshQuiet, [this] {
        seen_ = std::chrono::steady_clock::now();
        for (const std::string& fresh : std::exchange(fresh_, {}))
          if (present_ && !is_being_written(tree_.absolute(fresh))) tree_.visit(fresh, false, false);
        finish();
      });
    }
    fresh_.insert(path);
  }

  // ---- what is tried again ------------------------------------------------------------------------------------------------

  // Without the log the datastore works, but last valid forms do not survive a restart: said once, tried again.
  void open_log() {
    if (options_.state_dir.empty() || reader_.has_log()) return;
    const auto mode = options_.read_only_state ? LastValidLog::Mode::Read : LastValidLog::Mode::Write;
    auto opened = reader_.open_log(options_.state_dir, options_.directory, mode);
    if (opened || (options_.read_only_state && opened.error().code == ErrorCode::NotFound)) return;
    if (!std::exchange(log_failed_, true))
      log::warning(kDomain, "last valid forms are not kept over a restart",
                   {{"state_dir", options_.state_dir}, {"reason", opened.error().text}, {"next", "retry every 10 s"}});
    arm_retry();
  }

  void on_watch_failed(const Error& error) override {
    watch_failed_ = true;
    if (!std::exchange(watch_failure_told_, true))
      log::error(kDomain, "a directory is not watched: changes in it are seen late",
                 {{"reason", error.text}, {"next", "read again every 10 s"}});
    arm_retry();
  }

  void arm_retry() {
    if (std::exchange(retry_armed_, true)) return;
    after(retry_timer_, options_.retry, [this] {
      retry_armed_ = false;
      seen_ = std::chrono::steady_clock::now();
      if (inotify_.fd() < 0) return begin();
      std::set<std::string> again = reader_.take_unsaved();
      if (log_failed_) {
        open_log();
        if (reader_.has_log()) {
          log_failed_ = false;
          log::info(kDomain, "last valid forms are kept over a restart again", {{"state_dir", options_.state_dir}});
          for (std::string& path : reader_.void_saved()) again.insert(std::move(path));
        }
      }
      for (const std::string& path : again)
        if (present_) tree_.visit(path, true, !resyncing_);
      if (std::exchange(watch_failed_, false) && present_) {
        rescan();
        resync_announced_ = state_ == SyncState::InSync;  // readers need not know
      }
      finish();
    });
  }

  // ---- there, whole, in sync ----------------------------------------------------------------------------------------------

  // The root is looked at: there or not, the one that is known or another. `again`: read everything in any case.
  void check_root(bool again = false) {
    tree_.watch_root();
    struct stat st {};
    const bool there = ::stat(root_.empty() ? "/" : root_.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
    if (!there) {
      if (present_ || !state_known_) outage("the directory is not there");
      return;
    }
    if (!again && present_ && tree_.has_root(st) && !tree_.is_blocked("")) return;
    if (!again || !present_) needs_settling_ = state_known_ && !present_;
    present_ = true;
    rescan();
  }

  void outage(const char* why) {
    log::warning(kDomain, "the datastore is not there, keeping what is in force until it is",
                 {{"directory", options_.directory}, {"reason", why}});
    present_ = resyncing_ = settling_ = false;
    settle_timer_.cancel();
    gone_.clear();
    fresh_.clear();
    tree_.forget();
    set_state(SyncState::WaitForDatastore);
  }

  // Everything is read again; what is found unchanged costs a stat.
  void rescan() {
    gone_.clear();
    fresh_.clear();
    settling_ = resync_announced_ = found_ = false;
    resyncing_ = true;
    catch_ups_ = 0;
    syncer_.begin_resync();
    tree_.begin_scan();
  }

  void on_manifests() override {
    found_ = true;
    if (!resyncing_ || std::exchange(resync_announced_, true)) return;
    ++stats_.resyncs_started;
    set_state(SyncState::Resync);
  }

  void scanned_all() {
    // A file renamed between the listing and the reading was found under neither name; its event is here by now. Bounded, so that
    // a busy writer cannot keep us from being in sync.
    if (catch_ups_ < kCatchUps && inotify_.readable()) {
      ++catch_ups_;
      post([this] { on_events(); });
      return;
    }
    if (!found_) return empty();
    if (!needs_settling_) return in_sync();
    if (std::exchange(settling_, true)) return;
    settle();
  }

  void empty() {
    if (std::exchange(empty_reported_, true)) return;
    needs_settling_ = true;
    log::warning(kDomain, "the datastore is empty, which counts as an outage until there is a manifest",
                 {{"directory", options_.directory}});
    set_state(SyncState::WaitForDatastore);
  }

  // In sync after a while without events: a tree that is being filled is not whole.
  void settle() {
    after(settle_timer_, kSettle, [this] {
      if (!settling_) return;
      seen_ = std::chrono::steady_clock::now();
      in_sync();
      finish();
    });
  }

  void in_sync() {
    resyncing_ = settling_ = needs_settling_ = empty_reported_ = false;
    syncer_.end_resync();
    deliver();
    reader_.drop_earlier();
    set_state(SyncState::InSync);
    if (!watch_failed_) watch_failure_told_ = false;
    reader_.compact_if_due();
  }

  void set_state(SyncState state) {
    if (std::exchange(state_known_, true) && state == state_) return;
    state_ = state;
    sink_.on_state(state);
  }

  FileSourceOptions options_;
  asio::io_context& io_;
  WatchSink& sink_;
  const std::string root_;
  Syncer syncer_;
  FileReader reader_;
  Inotify inotify_;
  FileTree tree_;
  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer gone_timer_, fresh_timer_, settle_timer_, retry_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::set<std::string> gone_, fresh_;
  SteadyTime gone_since_{}, seen_ = std::chrono::steady_clock::now();
  WatchStats stats_;
  SyncState state_ = SyncState::WaitForDatastore;
  unsigned catch_ups_ = 0;
  bool state_known_ = false;
  bool present_ = false;                           // the root is there
  bool resyncing_ = false;                         // and not all of it has been seen yet
  bool resync_announced_ = false, found_ = false;  // a manifest was seen in this scan
  bool needs_settling_ = false, settling_ = false, empty_reported_ = false;
  bool more_posted_ = false, retry_armed_ = false, log_failed_ = false, watch_failed_ = false, watch_failure_told_ = false;
};

}  // namespace

std::unique_ptr<Watcher> make_file_source(FileSourceOptions options, asio::io_context& io, WatchSink& sink) {
  return std::make_unique<FileSource>(std::move(options), io, sink);
}

}  // namespace margay::datastore
