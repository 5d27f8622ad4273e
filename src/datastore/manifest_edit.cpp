#include "manifest_edit.hpp"

#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "yaml_write.hpp"

namespace margay::datastore {
namespace {

using nlohmann::json;

std::size_t offset_of_line(std::string_view text, std::uint32_t line) {
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < line; ++i) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return text.size();
    ++at;
  }
  return at;
}

std::string splice(const std::string& text, const Document& document, const std::string& with, bool drop) {
  const std::size_t begin = offset_of_line(text, document.first_line);
  const std::size_t end = offset_of_line(text, document.end_line);
  std::string out = text.substr(0, begin);
  // What follows starts with its own "---"; what precedes must not run into it.
  if (drop) return out + text.substr(end);
  if (document.explicit_start) out += "---\n";
  out += with;
  return out + text.substr(end);
}

// A JSON file stays one; but what only begins with a brace may have YAML documents behind it.
bool is_all_of_json(const std::string& text, const Document& document) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{' && document.first_line == 0 &&
         offset_of_line(text, document.end_line) == text.size();
}

std::string as_json(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

// The order of the items stays; what the list says of itself (its kind, its metadata) does not.
std::string edited_list(const std::string& text, const ParseResult& parsed, std::size_t index, const json* object) {
  json items = json::array();
  const Document& document = parsed.documents[index];
  for (std::size_t i = 0; i < parsed.documents.size(); ++i) {
    const Document& other = parsed.documents[i];
    if (!other.list_item || other.number != document.number) continue;
    if (i != index) items.push_back(other.value);
    else if (object != nullptr) items.push_back(*object);
  }
  const json whole{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}};
  if (is_all_of_json(text, document)) return as_json(whole);
  return splice(text, document, write_yaml(whole), false);
}

}  // namespace

std::string edited(const std::string& text, const ParseResult& parsed, std::size_t index, const json* object) {
  const Document& document = parsed.documents[index];
  if (document.list_item) return edited_list(text, parsed, index, object);
  if (object != nullptr && is_all_of_json(text, document)) return as_json(*object);
  return splice(text, document, object != nullptr ? write_yaml(*object) : std::string{}, object == nullptr);
}

}  // namespace margay::datastore
