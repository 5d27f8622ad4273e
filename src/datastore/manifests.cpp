#include "manifests.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace margay::datastore {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace

Decoder model_decoder(DecodeOptions options, std::set<Kind> kinds) {
  Decoder out;
  out.identify = [](const json& manifest) { return margay::identify(manifest); };
  out.decode = [options = std::move(options)](const ObjectId& id, const json& manifest) {
    return margay::decode(id, manifest, options);
  };
  out.kinds = std::move(kinds);
  return out;
}

bool Reading::all_valid() const {
  return !error && std::all_of(manifests.begin(), manifests.end(),
                               [](const Manifest& m) { return m.foreign_kind || (m.id && m.decoded.errors.empty()); });
}

Reading read_manifests(std::string_view text, const Decoder& decoder, bool others_may_read) {
  Reading out;
  ParseResult parsed = parse_manifests(text);
  if (parsed.error) {
    out.error = std::move(parsed.error);
    return out;
  }
  out.manifests.reserve(parsed.documents.size());
  for (const Document& document : parsed.documents) {
    Manifest manifest;
    manifest.document = document.number;
    manifest.line = document.line;
    auto id = decoder.identify(document.value);
    if (!id) {
      manifest.reason = id.error().text;
      manifest.foreign_kind = id.error().code == ErrorCode::Unsupported;
      if (document.value.is_object()) {
        const auto metadata = document.value.find("metadata");
        if (metadata != document.value.end()) {
          manifest.name = text_at(*metadata, "name");
          manifest.ns = text_at(*metadata, "namespace");
        }
      }
      if (manifest.foreign_kind)
        out.foreign_kinds.push_back(text_at(document.value, "apiVersion") + " " + text_at(document.value, "kind"));
      out.manifests.push_back(std::move(manifest));
      continue;
    }
    if (!decoder.kinds.contains(id->kind)) continue;
    if (id->kind == Kind::Secret && others_may_read)
      manifest.decoded.errors.push_back({"",
                                         "everybody may read this file; a Secret is taken only from a file without that "
                                         "right (chmod o-rwx)"});
    else manifest.decoded = decoder.decode(*id, document.value);
    manifest.id = std::move(*id);
    out.manifests.push_back(std::move(manifest));
  }
  return out;
}

std::string last_valid_text(std::string_view now, std::string_view before, const std::vector<Key>& kept, const Decoder& decoder) {
  json items = json::array();
  const auto add = [&](std::string_view text, bool only_kept) {
    for (Document& document : parse_manifests(text).documents) {
      const auto id = decoder.identify(document.value);
      if (!id || !decoder.kinds.contains(id->kind)) continue;
      const bool is_kept = std::find(kept.begin(), kept.end(), Key{id->kind, id->ns, id->name}) != kept.end();
      if (is_kept != only_kept || !decoder.decode(*id, document.value).errors.empty()) continue;
      items.push_back(std::move(document.value));
    }
  };
  add(now, false);
  add(before, true);
  if (items.empty()) return {};
  return json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}}.dump(-1, ' ', false,
                                                                                        json::error_handler_t::replace);
}

}  // namespace margay::datastore
