#include "reply_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace margay::bgp {
namespace {

// What an empty line costs: millions of them are cheap to send.
constexpr std::size_t kLineCost = sizeof(ReplyLine) + 16;

std::size_t cost(const Reply& reply) {
  std::size_t sum = 0;
  for (const ReplyLine& line : reply.lines) sum += kLineCost + line.text.size();
  return sum;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

// The beginning of a foreign line, fit for a message.
std::string excerpt(std::string_view line) {
  std::string out{line.substr(0, 40)};
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

}  // namespace

std::string Reply::text() const {
  std::string out;
  for (const ReplyLine& line : lines) {
    if (!out.empty()) out += "; ";
    out += line.text;
  }
  return out;
}

Status ReplyParser::feed(std::string_view bytes) {
  if (failed_) return Error{ErrorCode::Invalid, "the connection is spoilt"};
  Status outcome;
  while (outcome && !bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > limits_.line) {
      outcome = Error{ErrorCode::Invalid, fmt::format("a line of more than {} bytes", limits_.line)};
    } else if (end == std::string_view::npos) {
      partial_ += piece;
      break;
    } else {
      if (partial_.empty()) {
        outcome = add_line(piece);
      } else {
        partial_ += piece;
        outcome = add_line(partial_);
        partial_.clear();
      }
      bytes.remove_prefix(end + 1);
    }
  }
  if (!outcome) {
    failed_ = true;
    partial_ = {};
    current_ = {};
  }
  return outcome;
}

Status ReplyParser::add_line(std::string_view line) {
  if (line.starts_with('+')) {
    if (Status held = hold(line.size() - 1); !held) return held;
    notices_.emplace_back(line.substr(1));
    return {};
  }
  bool last = false;
  if (line.starts_with(' ')) {
    line.remove_prefix(1);
  } else {
    const bool coded =
        line.size() >= 5 && std::all_of(line.begin(), line.begin() + 4, digit) && (line[4] == '-' || line[4] == ' ');
    if (!coded) return Error{ErrorCode::Invalid, fmt::format("not a line of BIRD: \"{}\"", excerpt(line))};
    code_ = 0;
    for (int i = 0; i < 4; ++i) code_ = code_ * 10 + (line[static_cast<std::size_t>(i)] - '0');
    last = line[4] == ' ';
    line.remove_prefix(5);
  }
  if (Status held = hold(line.size()); !held) return held;
  current_.lines.push_back({code_, std::string{line}});
  if (last) {
    current_.code = code_;
    replies_.push_back(std::exchange(current_, {}));
  }
  return {};
}

Status ReplyParser::hold(std::size_t text) {
  held_ += text + kLineCost;
  if (held_ > limits_.held) return Error{ErrorCode::Invalid, fmt::format("a reply of more than {} bytes", limits_.held)};
  return {};
}

std::optional<Reply> ReplyParser::next_reply() {
  if (replies_.empty()) return std::nullopt;
  Reply reply = std::move(replies_.front());
  replies_.pop_front();
  held_ -= cost(reply);
  return reply;
}

std::optional<std::string> ReplyParser::next_notice() {
  if (notices_.empty()) return std::nullopt;
  std::string notice = std::move(notices_.front());
  notices_.pop_front();
  held_ -= notice.size() + kLineCost;
  return notice;
}

}  // namespace margay::bgp
