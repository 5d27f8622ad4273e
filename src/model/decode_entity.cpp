#include "decode_entity.hpp"

#include <algorithm>
#include <charconv>
#include <variant>

#include <fmt/format.h>

#include "metadata.hpp"
#include "names.hpp"

namespace margay::model {
namespace {

constexpr std::size_t kMaxNets = 256;
constexpr std::size_t kMaxPorts = 50;
constexpr int kMaxPort = 65535;

const char* name_of(Family family) { return family == Family::V4 ? "IPv4" : "IPv6"; }

std::vector<Cidr> decode_nets(Field list, bool negated, EntityContext& context) {
  std::vector<Cidr> out;
  for (const Field item : list.items(kMaxNets)) {
    const auto cidr = item.cidr();
    if (!cidr) continue;
    if (!context.family) context.family = cidr->family();
    if (*context.family != cidr->family()) {
      item.error(fmt::format("{} is {}, but this rule is already restricted to {}", cidr->to_string(), name_of(cidr->family()),
                             name_of(*context.family)));
    }
    if (negated && cidr->prefix == 0) item.error("a negated network that holds every address would never match");
    out.push_back(*cidr);
  }
  return out;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Too long a number is one that is out of range.
std::int64_t number_of(std::string_view digits) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc{} && end == digits.data() + digits.size() ? number : kMaxPort + 1;
}

void add_range(Field item, std::int64_t min, std::int64_t max, std::vector<PortRange>& out) {
  for (const auto port : {min, max}) {
    if (port < 1 || port > kMaxPort) {
      item.error(fmt::format("port {} is not between 1 and {}", port, kMaxPort));
      return;
    }
  }
  if (min > max) {
    item.error(fmt::format("port range {}:{} ends before it begins", min, max));
    return;
  }
  out.push_back({static_cast<std::uint16_t>(min), static_cast<std::uint16_t>(max)});
}

void decode_ports(Field list, const EntityContext& context, std::vector<PortRange>& ranges, std::vector<Symbol>& names) {
  using ProtocolState = EntityContext::ProtocolState;
  const auto items = list.items(kMaxPorts);
  if (items.size() > 0 && context.protocol_state == ProtocolState::Known && !protocol::has_ports(context.protocol)) {
    list.error(fmt::format("protocol {} has no ports; only TCP, UDP and SCTP do", protocol::to_string(context.protocol)));
  }
  for (const Field item : items) {
    const auto port = item.int_or_text();
    if (!port) continue;
    const auto before = ranges.size();
    if (const auto* number = std::get_if<std::int64_t>(&*port)) {
      add_range(item, *number, *number, ranges);
    } else {
      const auto text = std::get<std::string_view>(*port);
      const auto colon = text.find(':');
      if (all_digits(text)) {
        add_range(item, number_of(text), number_of(text), ranges);
      } else if (colon != std::string_view::npos && all_digits(text.substr(0, colon)) && all_digits(text.substr(colon + 1))) {
        add_range(item, number_of(text.substr(0, colon)), number_of(text.substr(colon + 1)), ranges);
      } else if (is_named_port(text)) {
        names.emplace_back(text);
      } else {
        item.error(shown(text) + " is not a port: 1 to 65535, \"min:max\", or a name of letters, digits, '_', '.' and '-'");
      }
    }
    if (ranges.size() > before && context.protocol_state == ProtocolState::Absent) {
      item.error("a port number needs the rule's protocol to be TCP, UDP or SCTP; only named ports do without");
    }
  }
}

// An empty text is as good as no field; global() has a meaning in a rule's namespaceSelector only.
std::optional<Selector> decode_selector(Field field, bool global_allowed = false) {
  auto selector = field.selector();
  if (!selector || field.text()->empty()) return std::nullopt;
  if (!selector->mentions_global()) return selector;
  if (!global_allowed) {
    field.error("global() can only be used in the namespaceSelector of a rule");
  } else if (selector->canonical() != "global()") {
    field.error("global() can only stand alone");
  }
  return selector;
}

std::optional<Selector> decode_service_accounts(Field accounts) {
  std::vector<Symbol> names;
  for (const Field item : accounts["names"].items()) {
    const auto name = item.text();
    if (!name) continue;
    if (!is_dns_subdomain(*name)) item.error(shown(*name) + " is not a service account's name");
    names.emplace_back(*name);
  }
  auto selector = decode_selector(accounts["selector"]);
  if (selector) selector = selector->with_prefix(kServiceAccountPrefix);
  if (names.empty()) return selector;
  auto named = Selector::one_of(kServiceAccountLabel, std::move(names));
  return selector ? Selector::both(*selector, named) : named;
}

std::optional<ServiceRef> decode_service(Field service, Field entity, const EntityContext& context) {
  if (!service.present()) return std::nullopt;
  if (!context.may_name_service) {
    service.error("a service can only be the source of ingress rules and the destination of egress rules");
  }
  // Fields that hold nothing are allowed beside it.
  for (const char* other : {"selector", "notSelector", "namespaceSelector"}) {
    const Field field = entity[other];
    if (field.present() && !(field.is_text() && field.text() == std::string_view{}))
      field.error("cannot be combined with services");
  }
  if (entity["serviceAccounts"].present()) entity["serviceAccounts"].error("cannot be combined with services");
  for (const char* other : {"nets", "notNets"}) {
    if (entity[other].size() > 0) entity[other].error("cannot be combined with services");
  }
  for (const char* other : {"ports", "notPorts"}) {
    if (context.destination && entity[other].size() > 0) entity[other].error("cannot be combined with services");
  }
  const Field name_field = service["name"];
  const Field ns_field = service["namespace"];
  const auto name = name_field.require().text();
  auto ns = ns_field.text().value_or(std::string_view{});
  if (name && !name->empty() && !is_dns_subdomain(*name)) name_field.error(shown(*name) + " is not a service's name");
  if (ns.empty()) {
    ns = context.ns;
    if (ns.empty()) ns_field.error("is required outside a namespaced policy");
  } else if (!is_dns_subdomain(ns)) {
    ns_field.error(shown(ns) + " is not a namespace's name");
  }
  return ServiceRef{ns, name.value_or(std::string_view{})};
}

}  // namespace

Entity decode_entity(Field entity, EntityContext& context) {
  Entity out;
  if (!entity.present()) return out;
  out.nets = decode_nets(entity["nets"], false, context);
  out.not_nets = decode_nets(entity["notNets"], true, context);
  decode_ports(entity["ports"], context, out.ports, out.named_ports);
  decode_ports(entity["notPorts"], context, out.not_ports, out.not_named_ports);

  const auto selector = decode_selector(entity["selector"]);
  out.not_selector = decode_selector(entity["notSelector"]);
  const auto namespaces = decode_selector(entity["namespaceSelector"], true);
  const auto accounts = decode_service_accounts(entity["serviceAccounts"]);
  out.service = decode_service(entity["services"], entity, context);

  out.selector = accounts && selector ? Selector::both(*accounts, *selector) : accounts ? accounts : selector;
  // A side without any selector is not tied to a namespace: networks, or nothing at all, mean the whole world.
  if (!out.selector && !out.not_selector && !namespaces) return out;
  std::optional<Selector> scope;
  if (namespaces) {
    scope = namespaces->with_prefix(kNamespacePrefix).narrowed_to(kNamespaceLabel, true);
  } else if (!context.ns.empty()) {
    scope = Selector::equals(kNamespaceLabel, context.ns);
  }
  if (scope) out.selector = out.selector ? Selector::both(*scope, *out.selector) : *scope;
  return out;
}

}  // namespace margay::model
