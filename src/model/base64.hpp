// Base64 (RFC 4648 §4) as Kubernetes reads the data of Secrets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace margay::model {

// Line breaks between the characters are allowed, padding is required, as in Go. Nothing if the text is anything else.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace margay::model
