// Manifests of any bytes, all the way: decode → View → Renderer. Whatever they say, the files are lines of printable ASCII with
// closed strings and blocks (that BIRD's parser takes them, test/bgp-config/resources asks BIRD), and the same made at once or
// step by step.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "margay/base/assert.hpp"
#include "margay/model/decode.hpp"
#include "render/render.hpp"
#include "view/view.hpp"
#include "yaml.hpp"

namespace {

using namespace margay;
using namespace margay::bgp;

void check(std::string_view text) {
  int depth = 0;
  bool quoted = false, comment = false;
  for (const char c : text) {
    MARGAY_ASSERT(c == '\n' || (c >= 0x20 && c < 0x7f));
    if (c == '\n') {
      MARGAY_ASSERT(!quoted);
      comment = false;
    } else if (c == '"' && !comment) {
      quoted = !quoted;
    } else if (!quoted && !comment) {
      if (c == '#') comment = true;
      if (c == '{') ++depth;
      if (c == '}') MARGAY_ASSERT(--depth >= 0);
    }
  }
  MARGAY_ASSERT(depth == 0 && !quoted);
}

std::string whole(const Rendered& rendered) {
  std::string out = rendered.main;
  for (const auto& part : rendered.parts) out += part->text;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed = datastore::parse_manifests({reinterpret_cast<const char*>(data), size});
  ViewOptions options;
  options.node = "me";
  View view{options};
  auto self = std::make_shared<Node>();
  self->ipv4 = Addr::parse("10.0.0.1");
  self->ipv4_net = Cidr::parse("10.0.0.1/24");
  self->ipv6 = Addr::parse("fd00::1");
  view.on_update({{Kind::Node, {}, "me"}, Ref<Node>{self}, {}});
  view.set_workloads({{"cali1", {*Cidr::parse("10.65.0.9/32"), *Cidr::parse("fd65::9/128")}, "p"}});
  Renderer renderer{"/run/bird"};
  for (const auto& document : parsed.documents) {
    const auto id = identify(document.value);
    if (!id) continue;
    auto decoded = decode(*id, document.value, {});
    if (!decoded.errors.empty() || !decoded.key) continue;
    view.on_update({*decoded.key, std::move(decoded.value), {}});
    const auto router = view.router();
    if (!router) continue;
    const Rendered rendered = renderer.render(**router);
    check(rendered.main);
    for (const auto& part : rendered.parts) check(part->text);
    MARGAY_ASSERT(whole(rendered) == whole(Renderer{"/run/bird"}.render(**router)));
  }
  return 0;
}
