#include <fmt/format.h>

#include "fields.hpp"

namespace margay::model {

namespace {
constexpr std::size_t kMaxSelector = 1024;

}  // namespace

std::optional<Addr> Field::addr() const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto parsed = Addr::parse(*given);
  if (!parsed) error(shown(*given) + " is not an IP address");
  return parsed;
}

std::optional<Addr> Field::addr(Family family) const {
  const auto parsed = addr();
  if (!parsed || parsed->family == family) return parsed;
  error(fmt::format("must be an IPv{} address", digit(family)));
  return std::nullopt;
}

std::optional<Cidr> Field::cidr() const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto parsed = Cidr::parse(*given);
  if (!parsed) error(shown(*given) + " is not an IP network");
  return parsed;
}

std::optional<Cidr> Field::masked_cidr() const {
  const auto parsed = cidr();
  if (!parsed || Cidr::is_masked(*text())) return parsed;
  error(fmt::format("{} has bits set beyond its prefix, which is {}", shown(*text()), parsed->to_string()));
  return std::nullopt;
}

std::optional<Mac> Field::mac() const {
  const auto given = text();
  if (!given) return std::nullopt;
  const auto parsed = Mac::parse(*given);
  if (!parsed) error(shown(*given) + " is not a MAC address");
  return parsed;
}

std::optional<Selector> Field::selector() const {
  const auto given = text();
  if (!given) return std::nullopt;
  if (given->size() > kMaxSelector) {
    error(fmt::format("a selector has at most {} characters, this one has {}", kMaxSelector, given->size()));
    return std::nullopt;
  }
  auto parsed = Selector::parse(*given);
  if (!parsed) {
    error(parsed.error().text);
    return std::nullopt;
  }
  return *std::move(parsed);
}

std::optional<Selector> Field::plain_selector() const {
  auto parsed = selector();
  if (!parsed || !parsed->mentions_global()) return parsed;
  error("global() can only be used in the namespaceSelector of a rule");
  return std::nullopt;
}

std::optional<Protocol> Field::protocol() const {
  const auto given = int_or_text();
  if (!given) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(&*given)) {
    if (*number >= 1 && *number <= 255) return static_cast<Protocol>(*number);
    error(fmt::format("protocol {} is not between 1 and 255", *number));
    return std::nullopt;
  }
  const std::string_view name = std::get<std::string_view>(*given);
  if (const auto parsed = protocol::parse(name); parsed && *parsed != 0) return parsed;
  error(shown(name) + " is not a protocol: TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or 1 to 255");
  return std::nullopt;
}

}  // namespace margay::model
