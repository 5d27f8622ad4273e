#include "yaml_plain.hpp"

#include <vector>

#include "yaml_scalar.hpp"

namespace margay::datastore {
namespace {

constexpr std::size_t kMaxLine = 900;  // libyaml takes no key further than 1024 characters from its colon

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_key_char(char c) { return is_alnum(c) || c == '.' || c == '/' || c == '_' || c == '-'; }

// A scalar without quotes that is nothing but itself in block context.
bool is_plain_value(std::string_view text) {
  const char first = text.front();
  const bool signed_word = (first == '-' || first == '+') && text.size() > 1 && is_alnum(text[1]);
  if (!is_alnum(first) && first != '.' && first != '/' && first != '_' && !signed_word) return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == ' ' && text[i - 1] == ':') return false;
    if (text[i] == '#' && text[i - 1] == ' ') return false;
  }
  return true;
}

class Reader {
 public:
  Reader(std::string_view text, TreeBuilder& builder) : text_{text}, builder_{builder} {}

  bool read() {
    if (text_.empty() || text_.back() != '\n' || !is_alnum(text_.front())) return false;
    builder_.start_document();
    while (!text_.empty()) {
      const std::size_t end = text_.find('\n');
      ++line_;
      if (!read_line(text_.substr(0, end))) return false;
      text_.remove_prefix(end + 1);
    }
    return pop_to(0, true) && builder_.end();
  }

 private:
  struct Frame {
    std::size_t indent;
    bool is_map;
  };

  bool read_line(std::string_view line) {
    if (line.size() > kMaxLine) return false;
    for (const char c : line)
      if (c < ' ' || c > '~') return false;
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string_view::npos) return false;
    line.remove_prefix(indent);
    if (line.starts_with("- ")) return read_item(line.substr(2), indent);
    if (frames_.empty()) return indent == 0 && open(0, true) && read_entry(line);
    if (pending_ && indent > frames_.back().indent) return open(indent, true) && read_entry(line);
    return pop_to(indent, true) && read_entry(line);
  }

  bool read_item(std::string_view line, std::size_t indent) {
    if (frames_.empty()) return false;
    if (pending_ && indent >= frames_.back().indent) {
      if (!open(indent, false)) return false;
    } else if (!pop_to(indent, false)) {
      return false;
    }
    if (key_length(line) == 0) return read_value(line);
    return open(indent + 2, true) && read_entry(line);
  }

  // Closes what a line that starts at `indent`, in a map or a list, has left behind; it must belong to what is open then.
  bool pop_to(std::size_t indent, bool is_map) {
    if (pending_) {
      pending_ = false;
      if (!builder_.scalar(nullptr, line_)) return false;
    }
    while (frames_.back().indent > indent || (is_map && !frames_.back().is_map && frames_.back().indent == indent)) {
      frames_.pop_back();
      if (frames_.empty() || !builder_.end()) return false;
    }
    return frames_.back().indent == indent && frames_.back().is_map == is_map;
  }

  bool open(std::size_t indent, bool is_map) {
    pending_ = false;
    frames_.push_back({indent, is_map});
    return is_map ? builder_.begin_map(line_) : builder_.begin_list(line_);
  }

  // Of the plain key that a colon ends at once; 0: there is none.
  static std::size_t key_length(std::string_view line) {
    std::size_t size = 0;
    while (size < line.size() && is_key_char(line[size])) ++size;
    const bool is_key = size > 0 && size < line.size() && line[size] == ':' && (size + 1 == line.size() || line[size + 1] == ' ');
    return is_key && line.front() != '-' ? size : 0;
  }

  bool read_entry(std::string_view line) {
    const std::size_t size = key_length(line);
    if (size == 0 || !plain_is_text(line.substr(0, size)) || !builder_.key(line.substr(0, size), line_)) return false;
    pending_ = size + 1 == line.size();
    return pending_ || read_value(line.substr(size + 2));
  }

  bool read_value(std::string_view text) {
    if (text.empty()) return false;
    if (text == "{}") return builder_.begin_map(line_) && builder_.end();
    if (text == "[]") return builder_.begin_list(line_) && builder_.end();
    const char first = text.front();
    if (first == '\'' || first == '"') {
      if (text.size() < 2 || text.back() != first) return false;
      const std::string_view inside = text.substr(1, text.size() - 2);
      if (inside.find(first) != std::string_view::npos || inside.find('\\') != std::string_view::npos) return false;
      return builder_.scalar(nlohmann::json(std::string{inside}), line_);
    }
    if (!is_plain_value(text)) return false;
    auto value = resolve_plain(text);
    return value && builder_.scalar(std::move(*value), line_);
  }

  std::string_view text_;
  TreeBuilder& builder_;
  std::vector<Frame> frames_;
  std::uint32_t line_ = 0;
  bool pending_ = false;  // a key waits for its value: deeper lines, or nothing
};

}  // namespace

bool read_plain_yaml(std::string_view text, TreeBuilder& builder) { return Reader{text, builder}.read(); }

}  // namespace margay::datastore
