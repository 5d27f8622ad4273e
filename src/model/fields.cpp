#include "fields.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace margay::model {

using nlohmann::json;

namespace {

constexpr std::size_t kQuoted = 64;

bool plain_name(std::string_view key) noexcept {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kQuoted)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) out += fmt::format("\\x{:02x}", byte);
    else if (c == '"' || c == '\\') out.append(1, '\\').append(1, c);
    else out += c;
  }
  if (text.size() > kQuoted) out += "…";
  return out;
}

void append_key(std::string& path, std::string_view key) {
  if (plain_name(key)) {
    if (!path.empty()) path += '.';
    path += key;
  } else {
    path.append("[").append(printable(key)).append("]");
  }
}

// Iterative: a document may be nested deeper than the stack is.
struct Frame {
  const json* node;
  json::const_iterator next;
};

}  // namespace

std::string shown(std::string_view text) { return '"' + printable(text) + '"'; }

// ---- Reader ---------------------------------------------------------------------------------------------------------

Reader::Reader(const json& manifest, bool strict) : manifest_{manifest}, strict_{strict} {}

Field Reader::root() { return Field{this, manifest_.is_null() ? nullptr : &manifest_, nullptr, {}}; }

void Reader::error(std::string field, std::string reason) {
  if (errors_.size() >= kMaxErrors) return;
  const auto same = [&](const FieldError& e) { return e.field == field && e.reason == reason; };
  if (std::any_of(errors_.begin(), errors_.end(), same)) return;  // a field may be read twice
  if (errors_.size() + 1 == kMaxErrors) reason = "there are more errors";
  errors_.push_back({std::move(field), std::move(reason)});
}

std::string Reader::path_of(const json* value) const {
  if (value == nullptr || value == &manifest_) return {};
  std::vector<Frame> stack;
  const json* node = &manifest_;
  stack.push_back({node, node->cbegin()});
  while (!stack.empty()) {
    Frame& top = stack.back();
    if (!top.node->is_structured() || top.next == top.node->cend()) {
      stack.pop_back();
      if (!stack.empty()) ++stack.back().next;
      continue;
    }
    const json& child = *top.next;
    if (&child == value) {
      std::string path;
      for (const Frame& f : stack) {
        if (f.node->is_object()) append_key(path, f.next.key());
        else path += fmt::format("[{}]", f.next - f.node->cbegin());
      }
      return path;
    }
    if (child.is_structured() && !child.empty()) stack.push_back({&child, child.cbegin()});
    else ++top.next;
  }
  return "?";
}

void Reader::asked(const json* object, std::string_view name) { asked_[object].insert(name); }

void Reader::report_unknown_fields() {
  if (!strict_) return;
  std::vector<std::string> found;
  for (const auto& [object, names] : asked_) {
    if (names.contains("*")) continue;
    for (auto it = object->cbegin(); it != object->cend(); ++it)
      if (!names.contains(it.key())) found.push_back(path_of(&it.value()));
  }
  std::sort(found.begin(), found.end());
  for (std::string& path : found) error(std::move(path), "unknown field");
}

std::vector<FieldError> Reader::take_errors() { return std::exchange(errors_, {}); }

// ---- Field ----------------------------------------------------------------------------------------------------------

std::string Field::path() const {
  if (value_ != nullptr) return reader_->path_of(value_);
  std::string path = reader_->path_of(parent_);
  if (!path.empty() && !name_.empty()) path += '.';
  return path.append(name_);
}

// The limit is looked at here, so that a flood of errors costs no searches.
void Field::error(std::string reason) const {
  if (reader_->errors_.size() < Reader::kMaxErrors) reader_->error(path(), std::move(reason));
}

const Field& Field::require() const {
  if (!present()) error("is required");
  return *this;
}

void Field::wrong_type(std::string_view expected) const {
  const std::string_view actual = value_->is_number_integer() ? "an integer"
                                  : value_->is_number()       ? "a number"
                                  : value_->is_string()       ? "a text"
                                  : value_->is_boolean()      ? "a boolean"
                                  : value_->is_array()        ? "a list"
                                  : value_->is_object()       ? "an object"
                                  : value_->is_null()         ? "null"
                                                              : "something else";
  error(fmt::format("must be {}, not {}", expected, actual));
}

Field Field::operator[](std::string_view name) const {
  if (value_ == nullptr) {
    if (name_.empty()) return Field{reader_, nullptr, parent_, name};
    reader_->absent_names_.push_back(std::string{name_}.append(".").append(name));
    return Field{reader_, nullptr, parent_, reader_->absent_names_.back()};
  }
  if (!value_->is_object()) {
    if (reader_->not_objects_.insert(value_).second) wrong_type("an object");
    return Field{reader_, nullptr, value_, name};
  }
  if (reader_->strict_) reader_->asked(value_, name);
  const auto it = value_->find(name);
  const bool absent = it == value_->end() || it->is_null() || (it->is_string() && it->get_ref<const std::string&>().empty());
  if (absent) return Field{reader_, nullptr, value_, name};
  return Field{reader_, &*it, value_, name};
}

void Field::known(std::initializer_list<std::string_view> names) const {
  if (!reader_->strict_ || !is_object()) return;
  for (const std::string_view name : names) reader_->asked(value_, name);
}

void Field::known_all() const {
  if (reader_->strict_ && is_object()) reader_->asked(value_, "*");
}

Field::Items Field::items(std::size_t limit) const {
  if (value_ == nullptr) return Items{reader_, nullptr, 0};
  if (!value_->is_array()) {
    wrong_type("a list");
    return Items{reader_, nullptr, 0};
  }
  if (value_->size() > limit) {
    error(fmt::format("has {} elements, at most {} are allowed", value_->size(), limit));
    return Items{reader_, nullptr, 0};
  }
  return Items{reader_, value_, value_->size()};
}

Field Field::Items::Iterator::operator*() const {
  const json& element = (*items_->list_)[at_];
  return Field{items_->reader_, &element, items_->list_, {}};
}

void Field::entries(const std::function<void(std::string_view, Field)>& visit) const {
  if (value_ == nullptr) return;
  if (!value_->is_object()) {
    if (reader_->not_objects_.insert(value_).second) wrong_type("an object");
    return;
  }
  known_all();
  for (auto it = value_->cbegin(); it != value_->cend(); ++it)
    visit(it.key(), Field{reader_, it->is_null() ? nullptr : &*it, value_, it.key()});
}

std::size_t Field::size() const noexcept { return value_ != nullptr && value_->is_structured() ? value_->size() : 0; }

void Field::texts(const std::function<void(std::string_view, std::string_view)>& visit) const {
  entries([&](std::string_view key, Field value) {
    // Null is an empty text, as Go decodes it into a map of strings.
    if (!value.present()) return visit(key, {});
    if (const auto text = value.text()) visit(key, *text);
  });
}

std::optional<std::string_view> Field::text() const {
  if (value_ == nullptr) return std::nullopt;
  if (!value_->is_string()) {
    wrong_type("a text");
    return std::nullopt;
  }
  const std::string& text = value_->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) {
    error("has a NUL byte");
    return std::nullopt;
  }
  return text;
}

std::optional<bool> Field::boolean() const {
  if (value_ == nullptr) return std::nullopt;
  if (!value_->is_boolean()) {
    wrong_type("true or false");
    return std::nullopt;
  }
  return value_->get<bool>();
}

std::optional<std::int64_t> Field::integer(std::int64_t min, std::int64_t max) const {
  if (value_ == nullptr) return std::nullopt;
  if (!value_->is_number_integer()) {
    wrong_type("an integer");
    return std::nullopt;
  }
  const bool huge = value_->is_number_unsigned() &&
                    value_->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::int64_t number = huge ? 0 : value_->get<std::int64_t>();
  if (huge || number < min || number > max) {
    error(fmt::format("{} is not between {} and {}", value_->dump(), min, max));
    return std::nullopt;
  }
  return number;
}

std::optional<double> Field::number() const {
  if (value_ == nullptr) return std::nullopt;
  if (!value_->is_number()) {
    wrong_type("a number");
    return std::nullopt;
  }
  const auto number = value_->get<double>();
  if (!std::isfinite(number)) {
    error("is not a finite number");
    return std::nullopt;
  }
  return number;
}

std::optional<std::variant<std::int64_t, std::string_view>> Field::int_or_text() const {
  if (value_ == nullptr) return std::nullopt;
  if (value_->is_string()) {
    if (const auto given = text()) return *given;
    return std::nullopt;
  }
  if (!value_->is_number_integer()) {
    wrong_type("an integer or a text");
    return std::nullopt;
  }
  if (const auto given = integer(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))
    return *given;
  return std::nullopt;
}

bool Field::is_object() const noexcept { return value_ != nullptr && value_->is_object(); }
bool Field::is_list() const noexcept { return value_ != nullptr && value_->is_array(); }
bool Field::is_text() const noexcept { return value_ != nullptr && value_->is_string(); }
bool Field::is_number() const noexcept { return value_ != nullptr && value_->is_number(); }

bool Field::same_text(std::string_view a, std::string_view b, Case rule) noexcept {
  if (rule == Case::Exact) return a == b;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace margay::model
