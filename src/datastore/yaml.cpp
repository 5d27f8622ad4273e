#include "yaml.hpp"

#include <yaml.h>

#include <algorithm>
#include <cstring>

#include "yaml_builder.hpp"
#include "yaml_plain.hpp"
#include "yaml_scalar.hpp"

namespace margay::datastore {
namespace {

using nlohmann::json;

std::uint32_t line_of(const yaml_mark_t& mark) { return static_cast<std::uint32_t>(mark.line) + 1; }
std::uint32_t column_of(const yaml_mark_t& mark) { return static_cast<std::uint32_t>(mark.column) + 1; }
std::string_view view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view{} : std::string_view{reinterpret_cast<const char*>(text)};
}

// A List, or an XList: its items are documents of their own. Items of a typed list may leave kind and apiVersion to it.
void append(std::vector<Document>& out, Document document, const std::vector<std::uint32_t>& item_lines) {
  json& value = document.value;
  if (value.is_null()) return;
  const auto text = [&](const char* name) {
    const auto found = value.is_object() ? value.find(name) : value.end();
    return value.is_object() && found != value.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  const std::string kind = text("kind");
  const bool is_list = kind.size() >= 4 && kind.ends_with("List") && value.contains("items") && value["items"].is_array();
  if (!is_list) {
    out.push_back(std::move(document));
    return;
  }
  const std::string element = kind.substr(0, kind.size() - 4);
  const std::string api_version = text("apiVersion");
  std::size_t index = 0;
  for (json& item : value["items"]) {
    Document one;
    one.number = document.number;
    one.line = index < item_lines.size() ? item_lines[index] : document.line;
    one.first_line = document.first_line;
    one.end_line = document.end_line;
    one.explicit_start = document.explicit_start;
    one.list_item = true;
    ++index;
    if (item.is_object() && !element.empty()) {
      if (!item.contains("kind")) item["kind"] = element;
      if (!item.contains("apiVersion")) item["apiVersion"] = api_version;
    }
    one.value = std::move(item);
    out.push_back(std::move(one));
  }
}

struct Place {
  std::uint32_t line = 1, column = 1;
};

Place place_of(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  Place place;
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

class JsonHandler : public nlohmann::json_sax<json> {
 public:
  explicit JsonHandler(TreeBuilder& builder) : builder_{builder} {}
  bool null() override { return builder_.scalar(nullptr, 0); }
  bool boolean(bool value) override { return builder_.scalar(value, 0); }
  bool number_integer(json::number_integer_t value) override { return builder_.scalar(value, 0); }
  // As in YAML, an integer that fits is signed: equal values compare and hash alike.
  bool number_unsigned(json::number_unsigned_t value) override {
    if (value <= static_cast<std::uint64_t>(INT64_MAX)) return builder_.scalar(static_cast<std::int64_t>(value), 0);
    return builder_.scalar(value, 0);
  }
  bool number_float(json::number_float_t value, const std::string&) override { return builder_.scalar(value, 0); }
  bool string(std::string& value) override { return builder_.scalar(std::move(value), 0); }
  bool binary(json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return builder_.begin_map(0); }
  bool key(std::string& text) override { return builder_.key(text, 0); }
  bool end_object() override { return builder_.end(); }
  bool start_array(std::size_t) override { return builder_.begin_list(0); }
  bool end_array() override { return builder_.end(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    at = position;
    message = error.what();
    return false;
  }
  std::size_t at = 0;
  std::string message;

 private:
  TreeBuilder& builder_;
};

// Passes characters on and counts them: the SAX interface tells a place for syntax errors only.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  const char* at;
  const char** furthest;
  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    ++at;
    if (at > *furthest) *furthest = at;
    return *this;
  }
  CountingIterator operator++(int) {
    auto before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at == b.at; }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) { return a.at != b.at; }
};

// nullopt: not JSON; it may be YAML that starts with a brace.
std::optional<ParseResult> parse_json(std::string_view text, const YamlLimits& limits) {
  TreeBuilder builder{limits};
  builder.start_document();
  JsonHandler handler{builder};
  const char* furthest = text.data();
  const CountingIterator begin{text.data(), &furthest};
  const CountingIterator end{text.data() + text.size(), &furthest};
  ParseResult result;
  if (json::sax_parse(begin, end, &handler)) {
    Document document;
    document.value = builder.take();
    document.end_line = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    document.line = place_of(text, text.find('{')).line;
    append(result.documents, std::move(document), {});
    return result;
  }
  if (!builder.failed()) return std::nullopt;
  const Place place = place_of(text, static_cast<std::size_t>(furthest - text.data()));
  result.error = ParseError{1, place.line, place.column, builder.what, builder.hint};
  return result;
}

// nullopt: it is not of the plainest form.
std::optional<ParseResult> parse_plain(std::string_view text, const YamlLimits& limits) {
  TreeBuilder builder{limits};
  if (!read_plain_yaml(text, builder)) return std::nullopt;
  Document document;
  document.value = builder.take();
  document.end_line = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
  ParseResult result;
  append(result.documents, std::move(document), builder.item_lines());
  return result;
}

// ---- YAML -----------------------------------------------------------------------------------------------------------

class YamlReader {
 public:
  YamlReader(std::string_view text, const YamlLimits& limits) : text_{text}, builder_{limits} {
    ready_ = yaml_parser_initialize(&parser_) != 0;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~YamlReader() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  YamlReader(const YamlReader&) = delete;
  YamlReader& operator=(const YamlReader&) = delete;

  ParseResult read() {
    ParseResult result;
    if (!ready_) {
      result.error = ParseError{1, 1, 1, "out of memory", {}};
      return result;
    }
    while (true) {
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) == 0) {
        result.error = syntax_error();
        break;
      }
      const bool end = event.type == YAML_STREAM_END_EVENT;
      const bool good = handle(event, result.documents);
      if (!good) {
        result.error = ParseError{std::max(number_, 1u), line_of(event.start_mark), column_of(event.start_mark), builder_.what,
                                  builder_.hint};
      }
      yaml_event_delete(&event);
      if (end || !good) break;
    }
    if (result.error) result.documents.clear();
    return result;
  }

 private:
  bool handle(const yaml_event_t& event, std::vector<Document>& out) {
    const std::uint32_t line = line_of(event.start_mark);
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        builder_.start_document();
        ++number_;
        line_ = 0;
        first_line_ = line - 1;
        explicit_start_ = event.data.document_start.implicit == 0;
        return true;
      case YAML_DOCUMENT_END_EVENT: {
        Document document;
        document.value = builder_.take();
        document.number = number_;
        document.line = std::max(line_, 1u);
        document.first_line = first_line_;
        document.explicit_start = explicit_start_;
        document.end_line = line - 1 + (event.start_mark.column > 0 ? 1 : 0);
        append(out, std::move(document), builder_.item_lines());
        return true;
      }
      case YAML_MAPPING_START_EVENT:
        note_line(line);
        return collection_tag(event.data.mapping_start.tag, "map") &&
               builder_.begin_map(line, view(event.data.mapping_start.anchor));
      case YAML_SEQUENCE_START_EVENT:
        note_line(line);
        return collection_tag(event.data.sequence_start.tag, "seq") &&
               builder_.begin_list(line, view(event.data.sequence_start.anchor));
      case YAML_MAPPING_END_EVENT:
      case YAML_SEQUENCE_END_EVENT: return builder_.end();
      case YAML_ALIAS_EVENT: return builder_.alias(view(event.data.alias.anchor), line);
      case YAML_SCALAR_EVENT: note_line(line); return scalar(event, line);
      default: return true;
    }
  }

  void note_line(std::uint32_t line) {
    if (line_ == 0) line_ = line;
  }

  bool collection_tag(const yaml_char_t* raw, std::string_view wanted) {
    const std::string_view tag = view(raw);
    if (tag.empty() || tag == "!" || tag == "tag:yaml.org,2002:" + std::string{wanted}) return true;
    return builder_.fail("the tag " + std::string{tag} + " is not understood", "remove the tag");
  }

  bool scalar(const yaml_event_t& event, std::uint32_t line) {
    const auto& data = event.data.scalar;
    const std::string_view text{reinterpret_cast<const char*>(data.value), data.length};
    const std::string_view anchor = view(data.anchor);
    const bool plain = data.style == YAML_PLAIN_SCALAR_STYLE;
    if (builder_.wants_key()) {
      if (data.tag == nullptr && plain) {
        if (text == "<<") return builder_.key(text, line, true);
        return plain_key(text, line);
      }
      return builder_.key(text, line);
    }
    if (data.tag != nullptr) return tagged(view(data.tag), text, line, anchor);
    if (!plain) return builder_.scalar(json(std::string{text}), line, anchor);
    auto value = resolve_plain(text);
    if (!value) return not_a_number(text);
    return builder_.scalar(std::move(*value), line, anchor);
  }

  bool plain_key(std::string_view text, std::uint32_t line) {
    // As kubectl: `on:` becomes "true", `080:` 80. What is not a scalar JSON can name is refused.
    const auto value = resolve_plain(text);
    if (!value) return not_a_number(text);
    if (value->is_string()) return builder_.key(text, line);
    if (value->is_null()) return builder_.fail("an empty key", "quote it if it is meant");
    return builder_.key(value->dump(), line);
  }

  bool not_a_number(std::string_view text) {
    return builder_.fail(std::string{text} + " is not a number a manifest can hold", "quote it if it is meant as text");
  }

  bool tagged(std::string_view tag, std::string_view text, std::uint32_t line, std::string_view anchor) {
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    if (tag == "!" || tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:timestamp")
      return builder_.scalar(json(std::string{text}), line, anchor);
    if (tag.starts_with(kPrefix)) {
      const std::string_view type = tag.substr(kPrefix.size());
      auto value = resolve_plain(text);
      if (!value) return not_a_number(text);
      const bool fits = (type == "int" && value->is_number_integer()) || (type == "float" && value->is_number()) ||
                        (type == "bool" && value->is_boolean()) || (type == "null" && value->is_null());
      if (fits) return builder_.scalar(std::move(*value), line, anchor);
      if (type == "int" || type == "float" || type == "bool" || type == "null")
        return builder_.fail("\"" + std::string{text} + "\" is not of the type !!" + std::string{type});
    }
    return builder_.fail("the tag " + std::string{tag} + " is not understood", "remove the tag");
  }

  ParseError syntax_error() {
    ParseError error;
    error.document = std::max(number_, 1u);
    if (parser_.error == YAML_READER_ERROR) {
      const Place place = place_of(text_, parser_.problem_offset);
      error.line = place.line;
      error.column = place.column;
      error.what = parser_.problem != nullptr ? parser_.problem : "unreadable text";
      error.hint = "the file must be UTF-8 text";
      return error;
    }
    if (parser_.error == YAML_MEMORY_ERROR) {
      error.what = "out of memory";
      return error;
    }
    error.line = line_of(parser_.problem_mark);
    error.column = column_of(parser_.problem_mark);
    error.what = parser_.problem != nullptr ? parser_.problem : "not YAML";
    if (parser_.context != nullptr) error.what += std::string{" "} + parser_.context;
    const std::size_t at = byte_offset(parser_.problem_mark);
    if (at < text_.size() && text_[at] == '\t') error.hint = "indent with spaces, not with tabs";
    return error;
  }

  // Marks count characters; the lines tell the byte.
  std::size_t byte_offset(const yaml_mark_t& mark) const {
    std::size_t at = 0;
    for (std::size_t line = 0; line < mark.line && at < text_.size(); ++line) {
      at = text_.find('\n', at);
      if (at == std::string_view::npos) return text_.size();
      ++at;
    }
    return at + mark.column;
  }

  std::string_view text_;
  yaml_parser_t parser_{};
  TreeBuilder builder_;
  std::uint32_t number_ = 0, line_ = 0;
  std::uint32_t first_line_ = 0;
  bool explicit_start_ = false;
  bool ready_ = false;
};

}  // namespace

std::string ParseError::text() const {
  std::string out = "document " + std::to_string(document) + ", line " + std::to_string(line) + ", column " +
                    std::to_string(column) + ": " + what;
  if (!hint.empty()) out += "; " + hint;
  return out;
}

ParseResult parse_manifests(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    ParseResult result;
    result.error = ParseError{
        1, 1, 1,
        "the file has " + std::to_string(text.size()) + " bytes, more than the " + std::to_string(limits.bytes) + " allowed",
        "split it into several files"};
    return result;
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  if (text[first] == '{') {
    if (auto result = parse_json(text, limits)) return std::move(*result);
  }
  if (auto result = parse_plain(text, limits)) return std::move(*result);
  return YamlReader{text, limits}.read();
}

}  // namespace margay::datastore
