#include "last_valid_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "digest.hpp"
#include "file_io.hpp"

namespace margay::datastore {
namespace {

constexpr std::uint32_t kMagic = 0x4c564d31;  // "1MVL"
constexpr std::string_view kName = "last-valid.log";

}  // namespace

struct LastValidLog::Header {
  std::uint32_t magic = kMagic;
  std::uint32_t path_size = 0;
  std::uint32_t text_size = 0;
  std::uint32_t gone = 0;      // the file is no more
  std::uint64_t digest = 0;    // of the text
  std::uint64_t checksum = 0;  // of the above and the path

  [[nodiscard]] std::uint64_t sum(std::string_view path) const {
    Header copy = *this;
    copy.checksum = 0;
    return digest64(path, digest64({reinterpret_cast<const char*>(&copy), sizeof copy}));
  }
};

LastValidLog::~LastValidLog() { (void)flush(); }

Status LastValidLog::open(const std::string& directory, std::string_view subject, Mode mode) {
  path_ = directory + "/" + std::string{kName};
  subject_ = digest64(subject);
  if (mode == Mode::Read) {
    fd_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!is_open())
      return errno == ENOENT ? Error{ErrorCode::NotFound, path_ + " does not exist"} : system_error("open " + path_);
    load();
    return {};
  }
  Status status = open_for_writing(directory);
  if (!status) {
    fd_.reset();
    lock_fd_.reset();
  }
  return status;
}

Status LastValidLog::open_for_writing(const std::string& directory) {
  for (std::size_t slash = 1; slash != std::string::npos;) {
    slash = directory.find('/', slash + 1);
    if (::mkdir(directory.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) return system_error("create " + directory);
  }
  const std::string lock = directory + "/.last-valid.lock";
  lock_fd_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock_fd_.get() < 0) return system_error("open " + lock);
  if (::flock(lock_fd_.get(), LOCK_EX | LOCK_NB) != 0) return Error{ErrorCode::Busy, "another process uses " + directory};
  fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!is_open()) return system_error("open " + path_);
  load();
  if (end_ == 0) return start_file();
  return {};
}

// The first record has an empty path and the subject's digest.
Status LastValidLog::start_file() {
  if (::ftruncate(fd_.get(), 0) != 0) return system_error("truncate " + path_);
  earlier_.clear();
  end_ = dead_ = 0;
  buffer_.clear();
  add_record({}, {}, subject_, false);
  return flush();
}

void LastValidLog::load() {
  struct stat st {};
  end_ = dead_ = 0;
  if (::fstat(fd_.get(), &st) != 0 || st.st_size < static_cast<off_t>(sizeof(Header))) return;
  const auto size = static_cast<std::size_t>(st.st_size);
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd_.get(), 0);
  if (mapped == MAP_FAILED) return;
  ::madvise(mapped, size, MADV_SEQUENTIAL);
  const char* const data = static_cast<const char*>(mapped);
  std::size_t at = 0;
  bool first = true;
  while (size - at >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, data + at, sizeof header);
    const std::size_t whole = sizeof header + header.path_size + std::size_t{header.text_size};
    if (header.magic != kMagic || whole > size - at) break;
    const std::string_view path{data + at + sizeof header, header.path_size};
    if (header.sum(path) != header.checksum) break;
    if (first && (!path.empty() || header.digest != subject_)) break;
    if (!first) {
      const auto [entry, added] = earlier_.try_emplace(std::string{path});
      if (!added || header.gone != 0) dead_ += whole;
      if (header.gone != 0) earlier_.erase(entry);
      else entry->second = Place{at, header.digest};
    }
    first = false;
    at += whole;
  }
  ::munmap(mapped, size);
  end_ = at;
  if (is_writable() && at != size && ::ftruncate(fd_.get(), static_cast<off_t>(at)) != 0) end_ = 0;
}

LastValidLog::Place LastValidLog::take_earlier(std::string_view path) {
  if (earlier_.empty()) return {};
  const auto found = earlier_.find(std::string{path});
  if (found == earlier_.end()) return {};
  const Place place = found->second;
  earlier_.erase(found);
  return place;
}

std::vector<std::string> LastValidLog::earlier_below(std::string_view prefix) const {
  std::vector<std::string> out;
  for (const auto& [path, place] : earlier_)
    if (path.starts_with(prefix)) out.push_back(path);
  return out;
}

void LastValidLog::drop_earlier() {
  for (const auto& [path, place] : std::exchange(earlier_, {})) forget(path, place.offset);
}

Result<std::string> LastValidLog::read(const Place& place) {
  if (place.offset == 0 || !is_open()) return Error{ErrorCode::NotFound, "nothing is kept"};
  if (!buffer_.empty())
    if (auto flushed = flush(); !flushed) return flushed.error();
  Header header;
  if (::pread(fd_.get(), &header, sizeof header, static_cast<off_t>(place.offset)) != static_cast<ssize_t>(sizeof header) ||
      header.magic != kMagic || header.digest != place.digest)
    return Error{ErrorCode::Io, path_ + " is damaged"};
  std::string text(header.text_size, '\0');
  const auto at = static_cast<off_t>(place.offset + sizeof header + header.path_size);
  if (::pread(fd_.get(), text.data(), text.size(), at) != static_cast<ssize_t>(text.size()) || digest64(text) != header.digest)
    return Error{ErrorCode::Io, path_ + " is damaged"};
  return text;
}

void LastValidLog::add_record(std::string_view path, std::string_view text, std::uint64_t digest, bool gone) {
  Header header;
  header.path_size = static_cast<std::uint32_t>(path.size());
  header.text_size = static_cast<std::uint32_t>(text.size());
  header.gone = gone ? 1 : 0;
  header.digest = digest;
  header.checksum = header.sum(path);
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header).append(path).append(text);
}

LastValidLog::Place LastValidLog::append(std::string_view path, std::string_view text, std::uint64_t digest,
                                         std::uint64_t replaces) {
  if (!is_writable()) return {};
  if (replaces != 0) dead_ += sizeof(Header) + path.size() + text.size();  // about what the old one takes
  const Place place{end_ + buffer_.size(), digest};
  add_record(path, text, digest, false);
  return place;
}

void LastValidLog::forget(std::string_view path, std::uint64_t offset) {
  if (!is_writable() || offset == 0) return;
  dead_ += 2 * (sizeof(Header) + path.size());
  add_record(path, {}, 0, true);
}

Status LastValidLog::flush() {
  if (!is_writable() || buffer_.empty()) return {};
  if (!write_all_at(fd_.get(), buffer_, end_)) {
    Error error = system_error("write " + path_);
    if (::ftruncate(fd_.get(), static_cast<off_t>(end_)) != 0) error.text += " (and its tail stays)";
    buffer_.clear();
    return error;
  }
  // Start the writing without waiting for it.
  ::sync_file_range(fd_.get(), static_cast<off_t>(end_), static_cast<off_t>(buffer_.size()), SYNC_FILE_RANGE_WRITE);
  end_ += buffer_.size();
  buffer_.clear();
  if (buffer_.capacity() > (std::size_t{1} << 16)) buffer_.shrink_to_fit();
  return {};
}

bool LastValidLog::wants_compaction() const {
  constexpr std::uint64_t kSmall = std::uint64_t{4} << 20;
  return is_writable() && earlier_.empty() && dead_ > kSmall && dead_ > end_ / 2;
}

Status LastValidLog::compact(const std::function<void(const Visit&)>& live) {
  if (auto flushed = flush(); !flushed) return flushed;
  const std::string temporary = path_ + ".tmp";
  Fd fresh{::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (fresh.get() < 0) return system_error("open " + temporary);
  std::vector<std::pair<Place*, Place>> moved;  // applied only when the new file is in place
  std::uint64_t end = 0;
  bool good = true;
  std::string out;  // not buffer_, which read() writes to the old file
  const auto add = [&](std::string_view path, std::string_view text, std::uint64_t digest) {
    add_record(path, text, digest, false);
    out += buffer_;
    buffer_.clear();
  };
  const auto write_out = [&] {
    good = good && write_all_at(fresh.get(), out, end);
    end += out.size();
    out.clear();
  };
  add({}, {}, subject_);
  live([&](std::string_view path, Place& place) {
    const auto text = read(place);
    if (!text) {
      moved.emplace_back(&place, Place{});
      return;
    }
    moved.emplace_back(&place, Place{end + out.size(), place.digest});
    add(path, *text, place.digest);
    if (out.size() > (std::size_t{1} << 20)) write_out();
  });
  write_out();
  if (!good || ::fdatasync(fresh.get()) != 0 || ::rename(temporary.c_str(), path_.c_str()) != 0) {
    Error error = system_error("write " + temporary);
    ::unlink(temporary.c_str());
    return error;
  }
  fd_ = std::move(fresh);
  end_ = end;
  dead_ = 0;
  for (auto& [place, now] : moved) *place = now;
  return {};
}

}  // namespace margay::datastore
