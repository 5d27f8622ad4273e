#include "yaml_write.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "yaml_scalar.hpp"

namespace margay::datastore {
namespace {

using nlohmann::json;

// Text that may stand without quotes as a key or value in block style. Conservative: when in doubt, quote.
bool may_be_plain(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  constexpr std::string_view kFirst = "-?:,[]{}#&*!|>'\"%@`= \t";
  if (kFirst.find(text.front()) != std::string_view::npos || text.front() == '~' || text == "<<") return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c > 0x7e) return false;
    if (text[i] == ':' && i + 1 < text.size() && text[i + 1] == ' ') return false;
    if (text[i] == '#' && i > 0 && text[i - 1] == ' ') return false;
  }
  if (text.starts_with("---") || text.starts_with("...")) return false;
  return plain_is_text(text);
}

// JSON strings are YAML double-quoted scalars, but for characters that YAML wants escaped and JSON does not: DEL, C1, the BOM,
// non-characters, and Unicode's line and paragraph separators, which YAML 1.1 folds like any line break.
std::string quoted(const std::string& text) {
  const std::string raw = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto byte = [&](std::size_t at) { return at < raw.size() ? static_cast<unsigned char>(raw[at]) : 0u; };
    if (byte(i) == 0x7f) {
      out += "\\x7f";
    } else if (byte(i) == 0xc2 && byte(i + 1) < 0xa0) {
      constexpr char kDigits[] = "0123456789abcdef";
      const unsigned c = byte(++i);
      out.append("\\x").append(1, kDigits[c >> 4]).append(1, kDigits[c & 15]);
    } else if (byte(i) == 0xe2 && byte(i + 1) == 0x80 && (byte(i + 2) == 0xa8 || byte(i + 2) == 0xa9)) {
      out += byte(i + 2) == 0xa8 ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (byte(i) == 0xef && byte(i + 1) == 0xbb && byte(i + 2) == 0xbf) {
      out += "\\ufeff";
      i += 2;
    } else if (byte(i) == 0xef && byte(i + 1) == 0xbf && byte(i + 2) >= 0xbe) {
      out += byte(i + 2) == 0xbe ? "\\ufffe" : "\\uffff";
      i += 2;
    } else {
      out += raw[i];
    }
  }
  return out;
}

std::string scalar(const json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return may_be_plain(text) ? text : quoted(text);
  }
  return value.dump();
}

std::string key_text(const std::string& key) {
  if (may_be_plain(key)) return key;
  const std::string text = quoted(key);
  // A simple key has at most 1024 characters; longer ones need the explicit form.
  return text.size() < 1000 ? text : "? " + text + "\n";
}

bool is_leaf(const json& value) { return !value.is_structured() || value.empty(); }

bool is_block_text(const json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() < 2 || text.back() != '\n' || text[text.size() - 2] == '\n' || text.front() == ' ' || text.front() == '\n')
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

std::vector<const std::string*> ordered_keys(const json& object, bool top) {
  static constexpr std::array<std::string_view, 3> kFirst{"apiVersion", "kind", "metadata"};
  static constexpr std::array<std::string_view, 2> kFirstOfMetadata{"name", "namespace"};
  std::vector<const std::string*> keys;
  for (const auto& [key, value] : object.get_ref<const json::object_t&>()) keys.push_back(&key);
  const auto rank = [&](const std::string& key) -> std::size_t {
    if (top) return static_cast<std::size_t>(std::find(kFirst.begin(), kFirst.end(), key) - kFirst.begin());
    return static_cast<std::size_t>(std::find(kFirstOfMetadata.begin(), kFirstOfMetadata.end(), key) - kFirstOfMetadata.begin());
  };
  std::stable_sort(keys.begin(), keys.end(), [&](const auto* a, const auto* b) { return rank(*a) < rank(*b); });
  return keys;
}

class Writer {
 public:
  std::string out;

  void value_after_key(const json& value, std::size_t indent) {
    if (is_block_text(value)) {
      const auto& text = value.get_ref<const std::string&>();
      out += " |\n";
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        if (end > at) out.append(indent + 2, ' ').append(text, at, end - at);
        out += '\n';
        at = end + 1;
      }
      return;
    }
    if (is_leaf(value)) {
      out.append(" ").append(scalar(value)).append("\n");
      return;
    }
    out += '\n';
    block(value, value.is_array() ? indent : indent + 2, false);
  }

  // Writes a map or list whose first line is already indented if `inline_first`.
  void block(const json& value, std::size_t indent, bool inline_first, bool top = false) {
    bool first = inline_first;
    const auto start = [&] {
      if (!first) out.append(indent, ' ');
      first = false;
    };
    if (value.is_array()) {
      for (const json& element : value) {
        start();
        out += '-';
        if (is_leaf(element)) {
          value_after_key(element, indent);
        } else {
          out += ' ';
          block(element, indent + 2, true);
        }
      }
      return;
    }
    for (const std::string* key : ordered_keys(value, top)) {
      start();
      const std::string text = key_text(*key);
      out += text;
      if (text.ends_with('\n')) out.append(indent, ' ');
      out += ':';
      value_after_key(value.at(*key), indent);
    }
  }
};

}  // namespace

std::string write_yaml(const json& document) {
  Writer writer;
  if (is_leaf(document)) return scalar(document) + "\n";
  writer.block(document, 0, false, true);
  return std::move(writer.out);
}

}  // namespace margay::datastore
