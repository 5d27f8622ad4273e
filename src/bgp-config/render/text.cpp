#include "text.hpp"

#include <algorithm>

#include "margay/base/hash.hpp"

namespace margay::bgp {
namespace {

bool plain(char c) noexcept { return c >= 0x20 && c < 0x7f && c != '"'; }
bool word(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

std::string quotable(std::string_view text, std::size_t limit) {
  std::string out{text.substr(0, limit)};
  for (char& c : out)
    if (!plain(c)) c = '?';
  return out;
}

std::optional<std::string> community_text(const Community& c) {
  if (c.large) return fmt::format("({}, {}, {})", c.parts[0], c.parts[1], c.parts[2]);
  if (c.parts[0] > 0xffff || c.parts[1] > 0xffff) return std::nullopt;
  return fmt::format("({}, {})", c.parts[0], c.parts[1]);
}

const char* community_list(const Community& c) noexcept { return c.large ? "bgp_large_community" : "bgp_community"; }

std::string short_digest(std::string_view text) {
  const auto digest = sha256(text);
  return hex(digest.data(), 8);
}

std::string protocol_name(std::string_view name) {
  static constexpr std::string_view kPrefixes[] = {"Mesh_", "Global_", "Node_", "Local_Workload_"};
  const bool ours =
      std::any_of(std::begin(kPrefixes), std::end(kPrefixes), [&](std::string_view p) { return name.starts_with(p); });
  if (ours && name.size() <= 60 && std::all_of(name.begin(), name.end(), word)) return std::string{name};
  return "Peer_" + short_digest(name);
}

std::string filter_function(std::string_view filter, bool import, Family family) {
  return fmt::format("margay_f_{}_{}{}", short_digest(filter), import ? "in" : "out", digit(family));
}

std::shared_ptr<const RenderedFile> Lines::file(std::string_view stem) && {
  const auto digest = sha256(text_);
  auto file = std::make_shared<RenderedFile>();
  file->name = fmt::format("{}-{}.conf", stem, hex(digest.data(), 16));
  file->text = std::move(text_);
  file->marks = std::move(marks_);
  return file;
}

}  // namespace margay::bgp
