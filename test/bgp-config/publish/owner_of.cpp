// The renderer's part of publishing, by the words of its contract, so that these tests stand alone.
#include "render/render.hpp"

namespace margay::bgp {

std::optional<Key> owner_of(const Rendered& rendered, std::string_view file, unsigned line) {
  std::optional<Key> owner;
  for (const auto& part : rendered.parts)
    if (file.ends_with("/" + part->name))
      for (const auto& mark : part->marks)
        if (mark.line <= line) owner = mark.owner;
  return owner;
}

}  // namespace margay::bgp
