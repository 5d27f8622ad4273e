// The text of a manifest file with one of its objects changed or taken out, and everything else byte for byte. Pure.
#pragma once

#include <cstddef>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "yaml.hpp"

namespace margay::datastore {

// `parsed` is what `text` parses to, `index` the document among it; null takes it out. A List is written anew.
[[nodiscard]] std::string edited(const std::string& text, const ParseResult& parsed, std::size_t index,
                                 const nlohmann::json* object);

}  // namespace margay::datastore
