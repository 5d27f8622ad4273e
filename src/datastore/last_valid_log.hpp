// LastValidLog: what each file last said validly, kept over a restart, in one append-only file of the state directory.
//
// A record is a path and the manifest text; the newest record of a path counts. Written only when the text differs from the
// newest record. Headers carry checksums, texts a digest: a torn tail ends the log, a damaged text is "not kept". The log is
// written anew when more than half of it is dead. Memory: none per file here; the caller keeps offset and digest.
// No fsync on append: the process may die at any point, and a power cut costs the records of its last seconds, whose files
// are valid on disk unless edited into nonsense within the same seconds (docs/decisions/0022-last-valid-log.md).
// Blocking; one process at a time writes (flock), others may read beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fd.hpp"
#include "margay/base/result.hpp"

namespace margay::datastore {

class LastValidLog {
 public:
  struct Place {
    std::uint64_t offset = 0;  // 0: nowhere
    std::uint64_t digest = 0;
  };

  LastValidLog() = default;
  ~LastValidLog();
  LastValidLog(const LastValidLog&) = delete;
  LastValidLog& operator=(const LastValidLog&) = delete;

  // Write: one process at a time (Busy: another has it); creates what is missing. Read: takes no lock and changes nothing, beside
  // a process that writes; NotFound if there is no log.
  enum class Mode { Write, Read };
  // `subject` names the datastore: a log of another one is discarded.
  [[nodiscard]] Status open(const std::string& directory, std::string_view subject, Mode mode = Mode::Write);
  [[nodiscard]] bool is_open() const { return fd_.get() >= 0; }
  [[nodiscard]] bool is_writable() const { return lock_fd_.get() >= 0; }

  // What an earlier run kept of this path; forgotten here once taken.
  [[nodiscard]] Place take_earlier(std::string_view path);
  // The paths of which an earlier run kept something that nobody took yet, beginning with `prefix`.
  [[nodiscard]] std::vector<std::string> earlier_below(std::string_view prefix) const;
  // What an earlier run kept of paths that nobody took: those files are gone.
  void drop_earlier();

  [[nodiscard]] Result<std::string> read(const Place& place);
  // Buffered; durable against the end of the process after flush().
  [[nodiscard]] Place append(std::string_view path, std::string_view text, std::uint64_t digest, std::uint64_t replaces);
  void forget(std::string_view path, std::uint64_t offset);
  // On failure the records since the last flush are lost; their places are void.
  [[nodiscard]] Status flush();
  [[nodiscard]] std::size_t buffered() const { return buffer_.size(); }

  [[nodiscard]] bool wants_compaction() const;
  // `live` calls back with every (path, place) in force and takes the new place.
  using Visit = std::function<void(std::string_view path, Place& place)>;
  [[nodiscard]] Status compact(const std::function<void(const Visit&)>& live);

 private:
  struct Header;
  void add_record(std::string_view path, std::string_view text, std::uint64_t digest, bool gone);
  void load();
  [[nodiscard]] Status start_file();
  [[nodiscard]] Status open_for_writing(const std::string& directory);

  std::string path_;
  std::uint64_t subject_ = 0;
  Fd fd_, lock_fd_;         // the lock is held while this may write
  std::uint64_t end_ = 0;   // bytes in the file
  std::uint64_t dead_ = 0;  // of which nobody needs
  std::string buffer_;
  std::unordered_map<std::string, Place> earlier_;
};

}  // namespace margay::datastore
