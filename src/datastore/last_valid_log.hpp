// LastValidLog: what each file last said validly, kept over a restart, in one append-only file of the state directory.
//
// A record is a path and the manifest text; the newest record of a path counts. Written only when the text differs from the
// newest record. Headers carry checksums, texts a digest: a torn tail ends the log, a damaged text is "not kept". The log is
// written anew when more than half of it is dead. Memory: none per file here; the caller keeps offset and digest.
// No fsync on append: the process may die at any point, and a power cut costs the records of its last seconds, whose files
// are valid on disk unless edited into nonsense within the same seconds (docs/decisions/0022-last-valid-log.md).
// Blocking; one process at a time (flock).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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

  // `subject` names the datastore: a log of another one is discarded. Busy: another process has it.
  [[nodiscard]] Status open(const std::string& directory, std::string_view subject);
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

  // What an earlier run kept of this path; forgotten here once taken.
  [[nodiscard]] Place take_earlier(std::string_view path);
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

  std::string directory_, path_;
  std::uint64_t subject_ = 0;
  int fd_ = -1, lock_fd_ = -1;
  std::uint64_t end_ = 0;   // bytes in the file
  std::uint64_t dead_ = 0;  // of which nobody needs
  std::string buffer_;
  std::unordered_map<std::string, Place> earlier_;
};

}  // namespace margay::datastore
