// Fields: reading a manifest (JSON) into typed values, with the path of every error found.
//
// A Reader holds one manifest and what was found wrong with it. A Field is one value in it: a cheap, copyable cursor that
// may be absent (missing, null and empty text are the same, as in Go's structs; in maps an empty text is a value). A read of the
// wrong type records an error and returns nothing, so that a decoder reads on and the user gets all errors at once. No call
// throws, whatever the manifest holds.
//
//   Reader reader{manifest, strict};
//   Field spec = reader.root()["spec"];
//   if (auto text = spec["node"].require().text()) node = *text;
//   for (Field net : spec["nets"].items()) if (auto cidr = net.cidr()) nets.push_back(*cidr);
//
// Traps. A Field's name must outlive the reader (pass literals). Absence is silent: say require() where it is an error.
//
// Why no path is kept while reading: decoding is hot and errors are rare. A path is found when an error is recorded, by
// searching the document for the address of its value; that the number of errors is limited bounds the cost.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/base/ip.hpp"
#include "margay/model/decode.hpp"

namespace margay::model {

class Field;

// The text in double quotes, control characters escaped and cut at 64 bytes: for messages about hostile input.
[[nodiscard]] std::string shown(std::string_view text);

class Reader {
 public:
  // More errors than this are dropped, and the last one says so.
  static constexpr std::size_t kMaxErrors = 50;

  // `manifest` must outlive the reader. In strict mode unknown_fields() knows which fields were looked at.
  explicit Reader(const nlohmann::json& manifest, bool strict = false);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] Field root();
  [[nodiscard]] bool failed() const noexcept { return !errors_.empty(); }
  [[nodiscard]] bool strict() const noexcept { return strict_; }
  // For errors that are not about one field: `field` is the path.
  void error(std::string field, std::string reason);
  // Strict: one error for each field of an object that was read by name in which nobody asked for that field.
  void report_unknown_fields();
  [[nodiscard]] std::vector<FieldError> take_errors();

 private:
  friend class Field;
  [[nodiscard]] std::string path_of(const nlohmann::json* value) const;
  void asked(const nlohmann::json* object, std::string_view name);

  const nlohmann::json& manifest_;
  bool strict_;
  std::vector<FieldError> errors_;
  std::deque<std::string> absent_names_;                   // "spec.node", where spec is absent itself
  std::unordered_set<const nlohmann::json*> not_objects_;  // reported already
  std::unordered_map<const nlohmann::json*, std::unordered_set<std::string_view>> asked_;
};

// How the text of an enumerator may be spelled.
enum class Case : std::uint8_t { Exact, Any };

template <class E>
using Choice = std::pair<std::string_view, E>;

class Field {
 public:
  // False if missing, null or (but for map values and list elements) an empty text.
  [[nodiscard]] bool present() const noexcept { return value_ != nullptr; }
  explicit operator bool() const noexcept { return present(); }
  // Records "is required" if absent.
  const Field& require() const;
  void error(std::string reason) const;
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Reader& reader() const noexcept { return *reader_; }

  // A field of this object. Absent if this is absent; an error if this is not an object (once).
  [[nodiscard]] Field operator[](std::string_view name) const;
  // Strict: these fields are known, though nothing reads them. No names: everything in here is.
  void known(std::initializer_list<std::string_view> names) const;
  void known_all() const;

  // ---- lists and maps ------------------------------------------------------------------------------------------
  class Items;
  // The elements of a list; none (and an error) if this is present and not a list, or longer than `limit`.
  [[nodiscard]] Items items(std::size_t limit = std::numeric_limits<std::size_t>::max()) const;
  // Each key and value of an object used as a map, in key order.
  void entries(const std::function<void(std::string_view key, Field value)>& visit) const;
  [[nodiscard]] std::size_t size() const noexcept;  // of a list or object; 0 if absent or anything else
  // Every key and text of a map of texts (labels, annotations).
  void texts(const std::function<void(std::string_view key, std::string_view value)>& visit) const;

  // ---- scalars; nothing if absent, nothing and an error if wrong -------------------------------------------------
  // A NUL byte in a text is an error: no name, address or selector has one, and C interfaces would cut it.
  [[nodiscard]] std::optional<std::string_view> text() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::int64_t min, std::int64_t max) const;
  [[nodiscard]] std::optional<double> number() const;  // finite
  [[nodiscard]] std::optional<std::variant<std::int64_t, std::string_view>> int_or_text() const;
  [[nodiscard]] bool is_object() const noexcept;
  [[nodiscard]] bool is_list() const noexcept;
  [[nodiscard]] bool is_text() const noexcept;
  [[nodiscard]] bool is_number() const noexcept;

  template <class E>
  [[nodiscard]] std::optional<E> choice(std::span<const Choice<E>> choices, Case rule = Case::Exact) const {
    const std::optional<std::string_view> given = text();
    if (!given) return std::nullopt;
    for (const Choice<E>& c : choices)
      if (same_text(*given, c.first, rule)) return c.second;
    std::string all;
    for (const Choice<E>& c : choices) all.append(all.empty() ? "" : ", ").append(c.first);
    error(shown(*given) + " is not one of " + all);
    return std::nullopt;
  }
  template <class E, std::size_t N>
  [[nodiscard]] std::optional<E> choice(const Choice<E> (&choices)[N], Case rule = Case::Exact) const {
    return choice(std::span<const Choice<E>>{choices, N}, rule);
  }

  // ---- network values (fields_values.cpp) ------------------------------------------------------------------------
  [[nodiscard]] std::optional<Addr> addr() const;
  [[nodiscard]] std::optional<Addr> addr(Family family) const;
  [[nodiscard]] std::optional<Cidr> cidr() const;         // A/n, host bits masked away, or a bare address
  [[nodiscard]] std::optional<Cidr> masked_cidr() const;  // host bits are an error
  [[nodiscard]] std::optional<Mac> mac() const;
  // At most 1024 characters.
  [[nodiscard]] std::optional<Selector> selector() const;
  // The same without global(), which only a rule's namespaceSelector may have.
  [[nodiscard]] std::optional<Selector> plain_selector() const;
  // A name in any case, or 1-255, as text or number.
  [[nodiscard]] std::optional<Protocol> protocol() const;

 private:
  friend class Reader;
  Field(Reader* reader, const nlohmann::json* value, const nlohmann::json* parent, std::string_view name) noexcept
      : reader_{reader}, value_{value}, parent_{parent}, name_{name} {}
  [[nodiscard]] static bool same_text(std::string_view a, std::string_view b, Case rule) noexcept;
  void wrong_type(std::string_view expected) const;

  Reader* reader_;
  const nlohmann::json* value_;   // null: absent
  const nlohmann::json* parent_;  // if absent: the nearest object that is there
  std::string_view name_;         // if absent: the path below it
};

class Field::Items {
 public:
  class Iterator {
   public:
    Iterator(const Items* items, std::size_t at) noexcept : items_{items}, at_{at} {}
    Field operator*() const;
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.at_ == b.at_; }

   private:
    const Items* items_;
    std::size_t at_;
  };
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  friend class Field;
  Items(Reader* reader, const nlohmann::json* list, std::size_t size) noexcept : reader_{reader}, list_{list}, size_{size} {}
  Reader* reader_;
  const nlohmann::json* list_;
  std::size_t size_;
};

}  // namespace margay::model
