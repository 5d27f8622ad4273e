// FileReader: one file of the tree → the syncer, and what it last said validly → the log.
//
// Every way a file can be wrong ends here with the same promise: what it last said validly stays in force, after a restart too.
// Blocking. Logs what is wrong, once per event.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "last_valid_log.hpp"
#include "manifests.hpp"
#include "notice.hpp"
#include "syncer.hpp"

namespace margay::datastore {

class FileReader {
 public:
  // `root`: the directory, without a slash at its end. The syncer must outlive the reader.
  FileReader(std::string root, Decoder decoder, Syncer& syncer);

  // ---- the log of last valid forms; without one they do not survive a restart
  [[nodiscard]] Status open_log(const std::string& directory, std::string_view subject, LastValidLog::Mode mode);
  [[nodiscard]] bool has_log() const { return log_.is_open(); }
  // Writes what was kept since the last call. False: the disk would not take it; unsaved() holds the files.
  [[nodiscard]] bool flush();
  // The files whose last valid form could not be written; to be visited again.
  [[nodiscard]] std::set<std::string> take_unsaved() { return std::exchange(unsaved_, {}); }
  // All files read so far, to be visited again because their form is not in the log.
  [[nodiscard]] std::vector<std::string> void_saved();
  // The whole tree has been read: what the log knows beyond it is gone.
  void drop_earlier() { log_.drop_earlier(); }
  void compact_if_due();

  // ---- files, by their path in the tree; `full` is the path for system calls
  enum class Found { Manifests, Nothing, NoFile };
  // Makes the syncer agree with the file. `force`: even if it looks as when it was last read.
  Found read(const std::string& path, const std::string& full, bool force);
  // The file is there but cannot be read.
  void unreadable(const std::string& path, std::string reason);
  // The directory is there but cannot be read: all below it stays as it is, or as an earlier run left it.
  void unreadable_below(const std::string& directory);
  void gone(const std::string& path);
  void gone_below(const std::string& directory);

  void report(const Notice& notice) const;

 private:
  void apply_text(const std::string& path, bool others_may_read);
  void restore(const std::string& path);
  void keep_last_valid(const std::string& path, bool all_valid, bool says_something);

  std::string root_;
  Decoder decoder_;
  Syncer& syncer_;
  LastValidLog log_;
  std::string text_;
  std::vector<std::string> unflushed_;
  std::set<std::string> unsaved_, foreign_kinds_, strange_;
};

}  // namespace margay::datastore
