#include "bgp_fields.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "quantity.hpp"

namespace margay::model {

std::optional<std::uint32_t> read_seconds(Field field, std::uint32_t min, std::uint32_t max) {
  const auto text = field.text();
  if (!text) return std::nullopt;
  const auto nanoseconds = parse_go_duration(*text);
  if (!nanoseconds) {
    field.error(shown(*text) + " is not a duration, like \"90s\" or \"1m30s\"");
    return std::nullopt;
  }
  constexpr std::int64_t kSecond = 1000000000;
  const std::int64_t seconds = *nanoseconds / kSecond + (*nanoseconds % kSecond >= kSecond / 2 ? 1 : 0);
  if (*nanoseconds < 0 || seconds < min) {
    field.error(fmt::format("{} is less than {} s", shown(*text), min));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(std::min<std::int64_t>(seconds, max));
}

std::optional<Community> read_community(Field field) {
  const auto text = field.text();
  if (!text) return std::nullopt;
  const auto parsed = Community::parse(*text);
  if (!parsed) field.error(shown(*text) + " is not a community: \"a:b\" with numbers up to 65535, or \"a:b:c\" up to 4294967295");
  return parsed;
}

std::optional<std::uint32_t> read_priority(Field field) {
  const auto number = field.integer(1, 2147483646);
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::optional<SecretRef> read_password(Field field) {
  const Field reference = field["secretKeyRef"];
  if (!reference.present()) return std::nullopt;
  reference.known({"optional"});
  const auto name = reference["name"].require().text();
  const auto key = reference["key"].require().text();
  if (!name || !key) return std::nullopt;
  return SecretRef{std::string{*name}, std::string{*key}};
}

std::string read_interface_pattern(Field field) {
  const auto text = field.text();
  if (!text) return {};
  const bool good = text->size() <= 15 && std::all_of(text->begin(), text->end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             std::string_view{"_.-*?"}.find(c) != std::string_view::npos;
                    });
  if (good) return std::string{*text};
  field.error(shown(*text) + " is not a pattern of interface names: at most 15 letters, digits, '_', '.', '-', '*' and '?'");
  return {};
}

const char* wrong_neighbour(const Addr& addr) noexcept {
  static const Cidr mapped = *Cidr::parse("::ffff:0:0/96");
  if (addr == Addr{addr.family, {}}) return "is the address of no host";
  if (mapped.contains(addr)) return "is an IPv4 address in IPv6 form; write the IPv4 address";
  return nullptr;
}

bool is_link_local(const Addr& addr) noexcept {
  static const Cidr net = *Cidr::parse("fe80::/10");
  return net.contains(addr);
}

void visit_bgp_annotations(Field annotations, std::span<const std::string_view> known,
                           const std::function<void(std::size_t, Field, std::string_view)>& visit) {
  annotations.entries([&](std::string_view key, Field value) {
    if (!key.starts_with(kBgpAnnotation)) return;
    const auto at = std::find(known.begin(), known.end(), key.substr(kBgpAnnotation.size()));
    if (at == known.end()) return value.error(fmt::format("is not known; there are {}", fmt::join(known, ", ")));
    if (const auto text = value.text()) visit(static_cast<std::size_t>(at - known.begin()), value, *text);
  });
}

std::optional<bool> read_flag(Field value, std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  value.error(shown(text) + " is neither \"true\" nor \"false\"");
  return std::nullopt;
}

std::optional<std::uint32_t> read_count(Field value, std::string_view text, std::uint32_t min, std::uint32_t max) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && error == std::errc{} && end == text.data() + text.size() && number >= min && number <= max) return number;
  value.error(fmt::format("{} is not a whole number between {} and {}", shown(text), min, max));
  return std::nullopt;
}

}  // namespace margay::model
