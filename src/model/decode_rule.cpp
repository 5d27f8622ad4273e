#include "decode_rule.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "decode_entity.hpp"
#include "decode_http.hpp"
#include "names.hpp"

namespace margay::model {
namespace {

constexpr std::size_t kMaxRules = 1024;
constexpr std::size_t kMaxAnnotations = 256 * 1024;  // bytes, keys and values

constexpr Choice<Action> kActions[] = {
    {"Allow", Action::Allow}, {"Deny", Action::Deny}, {"Log", Action::Log}, {"Pass", Action::Pass}};

constexpr bool is_icmp(Protocol p) noexcept { return p == protocol::kIcmp || p == protocol::kIcmpV6; }

// ICMP exists in IPv4 only, ICMPv6 in IPv6 only.
void check_family(Field field, std::optional<Protocol> protocol, std::optional<Family> family) {
  if (!protocol || !family) return;
  if (*protocol == protocol::kIcmp && *family == Family::V6) field.error("ICMP does not go with ipVersion 6; that is ICMPv6");
  if (*protocol == protocol::kIcmpV6 && *family == Family::V4) field.error("ICMPv6 does not go with ipVersion 4; that is ICMP");
}

std::optional<IcmpMatch> decode_icmp(Field field) {
  if (!field.present()) return std::nullopt;
  IcmpMatch out;
  if (const auto type = field["type"].integer(0, 254)) out.type = static_cast<std::uint8_t>(*type);
  if (const auto code = field["code"].integer(0, 255)) out.code = static_cast<std::uint8_t>(*code);
  if (field["code"].present() && !field["type"].present()) field["code"].error("needs a type");
  if (!out.type) return std::nullopt;  // neither: it restricts nothing, also where it is negated
  return out;
}

std::vector<std::pair<std::string, std::string>> decode_annotations(Field annotations) {
  std::vector<std::pair<std::string, std::string>> out;
  std::size_t size = 0;
  annotations.texts([&](std::string_view key, std::string_view value) {
    std::string lower{key};
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!is_qualified_name(lower)) annotations.error(shown(key) + " is not an annotation's name");
    size += key.size() + value.size();
    out.emplace_back(key, value);
  });
  if (size > kMaxAnnotations) annotations.error("annotations hold at most 256 KiB");
  std::sort(out.begin(), out.end());
  return out;
}

Rule decode_rule(Field field, Direction direction, std::string_view ns) {
  Rule rule;
  const auto action = field["action"].require().choice(kActions);
  if (action) rule.action = *action;
  if (const auto version = field["ipVersion"].integer(0, 1000)) {
    if (*version == 4 || *version == 6) rule.family = *version == 4 ? Family::V4 : Family::V6;
    else field["ipVersion"].error(fmt::format("{} is not 4 or 6", *version));
  }
  const Field protocol_field = field["protocol"];
  rule.protocol = protocol_field.protocol();
  rule.not_protocol = field["notProtocol"].protocol();
  check_family(protocol_field, rule.protocol, rule.family);
  check_family(field["notProtocol"], rule.not_protocol, rule.family);

  const bool protocol_unreadable = protocol_field.present() && !rule.protocol;
  rule.icmp = decode_icmp(field["icmp"]);
  if (field["icmp"].present() && !protocol_unreadable && !(rule.protocol && is_icmp(*rule.protocol))) {
    field["icmp"].error("needs protocol ICMP or ICMPv6");
  }
  rule.not_icmp = decode_icmp(field["notICMP"]);

  EntityContext context;
  context.ns = ns;
  context.family = rule.family;
  context.protocol = rule.protocol.value_or(0);
  context.protocol_state = rule.protocol         ? EntityContext::ProtocolState::Known
                           : protocol_unreadable ? EntityContext::ProtocolState::Unreadable
                                                 : EntityContext::ProtocolState::Absent;
  context.may_name_service = direction == Direction::Ingress;
  rule.source = decode_entity(field["source"], context);
  context.destination = true;
  context.may_name_service = direction == Direction::Egress;
  rule.destination = decode_entity(field["destination"], context);

  if (const Field http = field["http"]; http.present()) {
    if (direction == Direction::Egress) http.error("only ingress rules can match HTTP");
    if (action && *action != Action::Allow) http.error("only Allow rules can match HTTP");
    if (protocol_field.present() && rule.protocol != protocol::kTcp) http.error("needs protocol TCP, or none");
    check_http(http);
  }
  rule.annotations = decode_annotations(field["metadata"]["annotations"]);
  return rule;
}

}  // namespace

std::vector<Rule> decode_rules(Field list, Direction direction, std::string_view ns) {
  std::vector<Rule> out;
  const auto items = list.items(kMaxRules);
  out.reserve(items.size());
  for (const Field item : items) out.push_back(decode_rule(item, direction, ns));
  return out;
}

}  // namespace margay::model
