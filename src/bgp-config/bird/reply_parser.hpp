// ReplyParser: bytes of BIRD's control socket, in pieces of any size, → replies and notices. Pure.
//
// Grammar (specification §4), a line each:
//   "NNNN-text"  more lines follow          "NNNN text"  the last line of a reply
//   " text"      as before, same code       "+text"      a notice: belongs to no reply, may come at any time
// A line that BIRD found too long (512 bytes) is there as "8000-<line overflow>"; it is a line like others, what it said is lost.
// The code of a continuation is the last one seen. Anything else is no BIRD: the parser fails and stays failed.
//
// Memory is bounded whoever is at the other end: a line, and all that was parsed and not taken yet, have limits.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "bird.hpp"

namespace margay::bgp {

class ReplyParser {
 public:
  struct Limits {
    std::size_t line = 64 * 1024;
    std::size_t held = 64 * 1024 * 1024;  // texts and what it takes to keep them
  };
  ReplyParser() = default;
  explicit ReplyParser(Limits limits) : limits_{limits} {}

  [[nodiscard]] Status feed(std::string_view bytes);
  // What is complete, in order of arrival; replies and notices apart.
  [[nodiscard]] std::optional<Reply> next_reply();
  [[nodiscard]] std::optional<std::string> next_notice();
  // Whether a reply has begun and not ended.
  [[nodiscard]] bool in_reply() const noexcept { return !current_.lines.empty() || !partial_.empty(); }

 private:
  [[nodiscard]] Status add_line(std::string_view line);
  [[nodiscard]] Status hold(std::size_t text);

  Limits limits_;
  std::string partial_;  // a line without its end
  Reply current_;
  int code_ = 0;
  std::deque<Reply> replies_;
  std::deque<std::string> notices_;
  std::size_t held_ = 0;
  bool failed_ = false;
};

}  // namespace margay::bgp
