// System calls on files that every part of the file datastore makes: whole reads, whole writes, and what errno means.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "margay/base/result.hpp"

namespace margay::datastore {

[[nodiscard]] Error system_error(const std::string& what, int error = errno);

// Replaces `text` by what is left to read, `expected` bytes or so. False: see errno; EFBIG if the file grew beyond what any
// manifest file may have.
[[nodiscard]] bool read_all(int fd, std::size_t expected, std::string& text);
// False: see errno.
[[nodiscard]] bool write_all_at(int fd, std::string_view data, std::uint64_t at);

}  // namespace margay::datastore
