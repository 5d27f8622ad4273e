#include "file_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "digest.hpp"
#include "fd.hpp"
#include "file_io.hpp"
#include "margay/base/log.hpp"

namespace margay::datastore {
namespace {

constexpr log::Domain kDomain{"datastore"};
constexpr std::size_t kMaxFile = YamlLimits{}.bytes;
constexpr const char* kKept = "what it last said validly stays in force";

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

bool is_below(const std::string& path, const std::string& prefix) { return path.starts_with(prefix); }

}  // namespace

FileReader::FileReader(std::string root, Decoder decoder, Syncer& syncer)
    : root_{std::move(root)}, decoder_{std::move(decoder)}, syncer_{syncer} {}

// ---- files ----------------------------------------------------------------------------------------------------------

FileReader::Found FileReader::read(const std::string& path, const std::string& full, bool force) {
  const auto fail = [&](std::string reason) {
    unreadable(path, std::move(reason));
    return Found::Manifests;
  };
  const Fd fd{::open(full.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ENXIO) return Found::NoFile;
    return fail(std::strerror(errno));
  }
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return fail(std::strerror(errno));
  if (!S_ISREG(st.st_mode)) {
    if (strange_.insert(path).second) log::warning(kDomain, "not a regular file, ignored", {{"file", full}});
    return Found::Nothing;
  }
  const std::uint64_t fingerprint = fingerprint_of(st);
  Syncer::File* file = syncer_.find(path);
  if (!force && file != nullptr && fingerprint != 0 && fingerprint == file->fingerprint) {
    syncer_.keep_unchanged(path);
    return Found::Manifests;
  }
  if (static_cast<std::size_t>(st.st_size) > kMaxFile)
    return fail("it has more than " + std::to_string(kMaxFile) + " bytes; split it into several files");
  if (!read_all(fd.get(), static_cast<std::size_t>(st.st_size), text_)) return fail(std::strerror(errno));
  const bool others_may_read = (st.st_mode & S_IROTH) != 0;
  const std::uint64_t digest = digest64(text_, others_may_read ? 1 : 0);
  if (file != nullptr && file->decoded_once && !file->broken && file->digest == digest) {
    file->fingerprint = fingerprint;
    syncer_.keep_unchanged(path);
    return Found::Manifests;
  }
  apply_text(path, others_may_read);
  file = syncer_.find(path);
  if (file != nullptr) {
    file->fingerprint = fingerprint;
    file->digest = digest;
  }
  return Found::Manifests;
}

void FileReader::apply_text(const std::string& path, bool others_may_read) {
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
  Reading reading = read_manifests(text_, decoder_, others_may_read);
  for (const std::string& kind : reading.foreign_kinds)
    if (foreign_kinds_.insert(kind).second)
      log::warning(kDomain, "manifests of this kind are ignored", {{"kind", kind}, {"file", root_ + "/" + path}});
  const bool all_valid = reading.all_valid();
  if (!all_valid) restore(path);
  if (reading.error) {
    const ParseError& error = *reading.error;
    std::string reason = "column " + std::to_string(error.column) + ": " + error.what;
    if (!error.hint.empty()) reason += "; " + error.hint;
    report({Notice::Level::Error,
            "the file cannot be read as manifests",
            path,
            error.document,
            error.line,
            {},
            {},
            std::move(reason),
            kKept});
    syncer_.keep_broken(path);
    return;
  }
  const bool says_something = !reading.manifests.empty();
  syncer_.apply(path, std::move(reading.manifests));
  keep_last_valid(path, all_valid, says_something);
}

void FileReader::unreadable(const std::string& path, std::string reason) {
  restore(path);
  report({Notice::Level::Error, "cannot read the file", path, 0, 0, {}, {}, std::move(reason), kKept});
  syncer_.keep_broken(path);
  if (Syncer::File* file = syncer_.find(path)) file->fingerprint = 0;
}

void FileReader::unreadable_below(const std::string& directory) {
  const std::string prefix = directory.empty() ? std::string{} : directory + "/";
  for (const std::string& path : log_.earlier_below(prefix)) {
    restore(path);
    if (syncer_.find(path) != nullptr) syncer_.keep_broken(path);
  }
  for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && is_below(at->first, prefix); ++at)
    syncer_.keep_unchanged(at->first);
}

void FileReader::gone(const std::string& path) {
  Syncer::File* const file = syncer_.find(path);
  if (file == nullptr) return;
  log_.forget(path, file->log_offset);
  syncer_.remove(path);
}

void FileReader::gone_below(const std::string& directory) {
  const std::string prefix = directory + "/";
  for (auto at = syncer_.files().lower_bound(prefix); at != syncer_.files().end() && is_below(at->first, prefix); ++at)
    log_.forget(at->first, at->second.log_offset);
  syncer_.remove_below(directory);
}

// ---- last valid forms -------------------------------------------------------------------------------------------------

Status FileReader::open_log(const std::string& directory, std::string_view subject, LastValidLog::Mode mode) {
  return log_.open(directory, subject, mode);
}

// A file that is wrong when first seen: what an earlier run kept of it goes first.
void FileReader::restore(const std::string& path) {
  if (!log_.is_open()) return;
  const Syncer::File* const file = syncer_.find(path);
  if (file != nullptr && (file->decoded_once || file->log_offset != 0)) return;
  const LastValidLog::Place place = log_.take_earlier(path);
  if (place.offset == 0) return;
  auto text = log_.read(place);
  if (!text) {
    log::error(kDomain, "the last valid form of a file is lost", {{"file", root_ + "/" + path}, {"reason", text.error().text}});
    return;
  }
  Reading reading = read_manifests(*text, decoder_);
  std::erase_if(reading.manifests, [](const Manifest& m) { return !m.id || !m.decoded.errors.empty(); });
  syncer_.apply(path, std::move(reading.manifests), true);
  Syncer::File& restored = *syncer_.find(path);
  restored.log_offset = place.offset;
  restored.log_digest = place.digest;
}

void FileReader::keep_last_valid(const std::string& path, bool all_valid, bool says_something) {
  if (!log_.is_writable()) return;
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
    composed = last_valid_text(text_, before, syncer_.kept_objects(file), decoder_);
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

bool FileReader::flush() {
  auto flushed = log_.flush();
  if (!flushed) {
    log::warning(kDomain, "cannot keep last valid forms, trying again in 10 s", {{"reason", flushed.error().text}});
    for (const std::string& path : unflushed_) {
      Syncer::File* const file = syncer_.find(path);
      if (file == nullptr) continue;
      file->log_offset = file->digest = 0;
      unsaved_.insert(path);
    }
  }
  unflushed_.clear();
  return flushed.has_value();
}

std::vector<std::string> FileReader::void_saved() {
  std::vector<std::string> out;
  for (const auto& [path, unused] : syncer_.files()) {
    if (path.empty()) continue;
    Syncer::File& file = *syncer_.find(path);
    file.fingerprint = file.digest = file.log_offset = 0;
    out.push_back(path);
  }
  return out;
}

void FileReader::compact_if_due() {
  if (!log_.wants_compaction()) return;
  std::vector<std::pair<std::string, LastValidLog::Place>> live;
  for (const auto& [path, file] : syncer_.files())
    if (file.log_offset != 0) live.emplace_back(path, LastValidLog::Place{file.log_offset, file.log_digest});
  const auto done = log_.compact([&](const LastValidLog::Visit& visit) {
    for (auto& [path, place] : live) visit(path, place);
  });
  if (!done) {
    log::warning(kDomain, "cannot compact the log of last valid forms", {{"reason", done.error().text}});
    return;
  }
  for (const auto& [path, place] : live)
    if (Syncer::File* file = syncer_.find(path)) file->log_offset = place.offset;
}

// ---- what people hear -------------------------------------------------------------------------------------------------

void FileReader::report(const Notice& n) const {
  const auto level = n.level == Notice::Level::Error ? log::Level::Error : log::Level::Warning;
  const std::string file = root_ + "/" + n.file;
  if (n.line == 0)
    return log::write(level, kDomain, n.what, {{"file", file}, {"reason", n.reason}, {"consequence", n.consequence}});
  if (n.object.empty())
    return log::write(
        level, kDomain, n.what,
        {{"file", file}, {"document", n.document}, {"line", n.line}, {"reason", n.reason}, {"consequence", n.consequence}});
  if (n.field.empty())
    return log::write(level, kDomain, n.what,
                      {{"file", file},
                       {"document", n.document},
                       {"line", n.line},
                       {"object", n.object},
                       {"reason", n.reason},
                       {"consequence", n.consequence}});
  log::write(level, kDomain, n.what,
             {{"file", file},
              {"document", n.document},
              {"line", n.line},
              {"object", n.object},
              {"field", n.field},
              {"reason", n.reason},
              {"consequence", n.consequence}});
}

}  // namespace margay::datastore
