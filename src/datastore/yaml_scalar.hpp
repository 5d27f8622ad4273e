// A plain YAML scalar → the value kubectl reads from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace margay::datastore {

// nullopt: an infinity or not-a-number, which JSON cannot say.
[[nodiscard]] std::optional<nlohmann::json> resolve_plain(std::string_view text);
// As resolve_plain would leave it a string: writers need quotes around anything else.
[[nodiscard]] bool plain_is_text(std::string_view text);

}  // namespace margay::datastore
