// The text of one file → its manifests, identified and decoded.
//
// Pure. The decoder is passed in, so that this part can be tested without the model, and the model without it.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "margay/model/decode.hpp"
#include "syncer.hpp"
#include "yaml.hpp"

namespace margay::datastore {

struct Decoder {
  std::function<Result<ObjectId>(const nlohmann::json&)> identify;
  std::function<Decoded(const ObjectId&, const nlohmann::json&)> decode;
  std::set<Kind> kinds;  // others that are known are skipped without a word
};

// margay::identify and margay::decode.
[[nodiscard]] Decoder model_decoder(DecodeOptions options, std::set<Kind> kinds);

struct Reading {
  std::vector<Manifest> manifests;
  std::optional<ParseError> error;         // then no manifests
  std::vector<std::string> foreign_kinds;  // "apps/v1 Deployment"
  [[nodiscard]] bool all_valid() const;
};

// `others_may_read`: the file's mode lets everybody read it, so Secrets in it are refused.
[[nodiscard]] Reading read_manifests(std::string_view text, const Decoder& decoder, bool others_may_read = false);

// The text that says what is in force of a file with invalid documents: the valid ones of `now`, and `kept` from `before`.
// Empty if that is nothing.
[[nodiscard]] std::string last_valid_text(std::string_view now, std::string_view before, const std::vector<Key>& kept,
                                          const Decoder& decoder);

}  // namespace margay::datastore
