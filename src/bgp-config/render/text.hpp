// What BIRD's grammar asks of text: escapes it does not have, names it would not take, and a writer that knows its line.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "render.hpp"

namespace margay::bgp {

// BIRD's strings have no escape, and its lexer keeps a quoted text in a buffer that a long one overruns (2.0.12 aborts at 5,000
// bytes). Every byte that could end a string, or is not printable ASCII, becomes '?'; at most `limit` bytes are kept.
[[nodiscard]] std::string quotable(std::string_view text, std::size_t limit = 200);

// A symbol that no keyword, no name of ours (margay_…) and no other session's has: the name itself where it is one that the view
// makes, else one derived from its digest.
[[nodiscard]] std::string protocol_name(std::string_view name);

// Functions of a BGPFilter; derived from its name alone, so that a filter more or less renames no other.
[[nodiscard]] std::string filter_function(std::string_view filter, bool import, Family family);

// A community as BIRD writes it; none if it is out of bounds, so that no route can carry it. And the list that it is in.
[[nodiscard]] std::optional<std::string> community_text(const Community& community);
[[nodiscard]] const char* community_list(const Community& community) noexcept;

[[nodiscard]] std::string short_digest(std::string_view text);  // 16 hexadecimal digits

// Lines of one file and whose they are.
class Lines {
 public:
  // What follows is this resource's; an empty name: no one's.
  void own(const Key& owner) {
    if (!marks_.empty() && marks_.back().owner == owner) return;
    if (marks_.empty() && owner.name.empty()) return;
    if (!marks_.empty() && marks_.back().line == line_) marks_.back().owner = owner;
    else marks_.push_back({line_, owner});
  }
  void disown() { own(Key{}); }

  // `format` holds whole lines: it ends in '\n'.
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    const std::size_t from = text_.size();
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    count(from);
  }
  void add_text(std::string_view whole_lines) {
    const std::size_t from = text_.size();
    text_ += whole_lines;
    count(from);
  }
  void add_text(std::string_view whole_lines, unsigned lines) {  // counted before
    text_ += whole_lines;
    line_ += lines;
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  // A file named "<stem>-<digest of the text>.conf".
  [[nodiscard]] std::shared_ptr<const RenderedFile> file(std::string_view stem) &&;

 private:
  void count(std::size_t from) {
    for (std::size_t i = from; i < text_.size(); ++i) line_ += text_[i] == '\n';
  }
  std::string text_;
  std::vector<RenderedFile::Mark> marks_;
  unsigned line_ = 1;
};

// "[a+, b+, …]" with `suffix` behind each element, broken into lines; for a set that is not empty.
template <class Range>
[[nodiscard]] std::string set_of(const Range& elements, std::string_view suffix) {
  std::string out{"["};
  unsigned n = 0;
  for (const auto& element : elements) {
    if (n > 0) out += n % 8 == 0 ? ",\n    " : ", ";
    out += element.to_string();
    out += suffix;
    ++n;
  }
  out += ']';
  return out;
}

}  // namespace margay::bgp
