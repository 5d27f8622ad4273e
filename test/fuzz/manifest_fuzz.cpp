// Manifest files of any bytes: parse → identify → decode, and every document that parses is written as YAML that reads back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "manifests.hpp"
#include "margay/base/assert.hpp"
#include "yaml.hpp"
#include "yaml_write.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace margay;
  using namespace margay::datastore;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  static const Decoder decoder = [] {
    std::set<Kind> kinds;
    for (const KindInfo& kind : all_kinds()) kinds.insert(kind.kind);
    return model_decoder({}, kinds);
  }();
  const Reading reading = read_manifests(text, decoder);
  MARGAY_ASSERT(!reading.error || reading.manifests.empty());
  const ParseResult parsed = parse_manifests(text);
  MARGAY_ASSERT(!parsed.error || (parsed.error->line >= 1 && !parsed.error->what.empty()));
  for (const Document& document : parsed.documents) {
    MARGAY_ASSERT(document.line >= 1 && document.number >= 1 && document.first_line <= document.end_line);
    if (document.list_item || !document.value.is_object() || document.value.empty()) continue;
    const ParseResult again = parse_manifests(write_yaml(document.value));
    MARGAY_ASSERT(!again.error && again.documents.size() == 1 && again.documents[0].value == document.value);
  }
  return 0;
}
