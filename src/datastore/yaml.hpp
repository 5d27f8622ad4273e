// Manifest text (YAML, several documents, `List` kinds, JSON) → JSON documents with the line each starts at.
//
// Plain scalars are typed as kubectl types them (sigs.k8s.io/yaml): `yes`, `no`, `on`, `off`, `y`, `n` are booleans, `0777` is
// octal, keys become strings (docs/decisions/0021-yaml-typing.md). Pure; nothing throws. Stricter than kubectl where leniency
// hides a mistake: duplicate keys, unknown tags, infinities, and anything beyond Limits are errors.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace margay::datastore {

struct YamlLimits {
  std::size_t bytes = std::size_t{32} << 20;  // of one file
  std::size_t depth = 100;                    // nested maps and lists
  // What aliases may expand to in one file: a node weighs 1, plus 1 for every 16 bytes of text.
  std::size_t alias_weight = 200'000;
};

struct Document {
  nlohmann::json value;
  std::uint32_t number = 1;  // document of the file, from 1; the items of a List share their document's
  std::uint32_t line = 1;    // where it starts
  // Lines (from 0, end excluded) of the whole document, its `---` included if it has one; JSON: all.
  std::uint32_t first_line = 0, end_line = 0;
  bool explicit_start = false;
  bool list_item = false;
};

struct ParseError {
  std::uint32_t document = 1, line = 1, column = 1;
  std::string what;                        // "found a tab", "the key \"spec\" is there twice (first on line 3)"
  std::string hint;                        // what to do; may be empty
  [[nodiscard]] std::string text() const;  // "document 1, line 3, column 1: …; …"
};

struct ParseResult {
  std::vector<Document> documents;  // without empty documents; empty on error
  std::optional<ParseError> error;
};

[[nodiscard]] ParseResult parse_manifests(std::string_view text, const YamlLimits& limits = {});

}  // namespace margay::datastore
