// FelixConfiguration → parameters as text, in the form Felix reads from its environment (datastore-model §7, policy-rendering
// §6).
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "felix_fields.hpp"
#include "names.hpp"
#include "quantity.hpp"

namespace margay::model {

namespace {

using Text = std::optional<std::string>;

std::string joined(const std::vector<std::string>& parts, std::string_view empty = {}) {
  if (parts.empty()) return std::string{empty};
  return fmt::format("{}", fmt::join(parts, ","));
}

Text to_text(std::optional<std::string_view> text) { return text ? Text{std::string{*text}} : std::nullopt; }

Text read_duration(Field field, double unit) {
  const auto text = field.text();
  if (!text) return std::nullopt;
  const auto nanoseconds = parse_go_duration(*text);
  if (nanoseconds) return fmt::format("{}", static_cast<double>(*nanoseconds) / unit);
  field.error(shown(*text) + " is not a duration, like \"90s\" or \"1m30s\"");
  return std::nullopt;
}

Text read_integer(Field field, const FelixField& row) {
  const auto number = field.integer(row.min, row.max);
  if (!number) return std::nullopt;
  return row.form == FelixForm::Mask ? fmt::format("{:#x}", *number) : fmt::format("{}", *number);
}

Text read_word(Field field, std::string_view words, Case rule) {
  std::vector<Choice<std::string_view>> choices;
  while (!words.empty()) {
    const auto bar = words.find('|');
    const std::string_view word = words.substr(0, bar);
    choices.emplace_back(word, word);
    words.remove_prefix(bar == std::string_view::npos ? words.size() : bar + 1);
  }
  return to_text(field.choice(std::span<const Choice<std::string_view>>{choices}, rule));
}

Text read_address(Field field, Family family) {
  const auto addr = field.addr();
  if (!addr) return std::nullopt;
  if (addr->family == family) return addr->to_string();
  field.error(fmt::format("must be an IPv{} address", digit(family)));
  return std::nullopt;
}

Text read_checked(Field field, bool (*good)(std::string_view), std::string_view what) {
  const auto text = field.text();
  if (text && !good(*text)) {
    field.error(fmt::format("{} is not {}", shown(*text), what));
    return std::nullopt;
  }
  return to_text(text);
}

bool is_log_prefix(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"%: /_-"}.find(c) != std::string_view::npos;
  });
}

// [1-9], up to three digits more, "/", unit
bool is_log_rate(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos || slash < 1 || slash > 4 || text[0] == '0') return false;
  const std::string_view number = text.substr(0, slash), unit = text.substr(slash + 1);
  return std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         (unit == "second" || unit == "minute" || unit == "hour" || unit == "day");
}

std::optional<std::int64_t> port_number(std::string_view text) {
  std::int64_t number = 0;
  if (text.empty() || text.size() > 5) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number <= 65535 ? std::optional{number} : std::nullopt;
}

Text read_port(Field field) {
  const auto given = field.int_or_text();
  if (!given) return std::nullopt;
  if (const auto* number = std::get_if<std::int64_t>(&*given)) {
    if (*number >= 1 && *number <= 65535) return fmt::format("{}", *number);
  } else {
    const std::string_view text = std::get<std::string_view>(*given);
    const auto colon = text.find(':');
    const auto min = port_number(text.substr(0, colon));
    const auto max = colon == std::string_view::npos ? min : port_number(text.substr(colon + 1));
    if (min && max && *min <= *max) return std::string{text};
  }
  field.error("is not a port: a number from 1 to 65535, or a range \"min:max\"");
  return std::nullopt;
}

template <class Read>
std::vector<std::string> read_list(Field list, Read read) {
  std::vector<std::string> out;
  for (const Field item : list.items())
    if (Text text = read(item)) out.push_back(*std::move(text));
  return out;
}

Text read_proto_port(Field item) {
  const auto proto = item["protocol"].protocol();
  const auto port = item["port"].require().integer(0, 65535);
  const auto net = item["net"].cidr();
  if (!port) return std::nullopt;
  std::string text = protocol::to_string(proto.value_or(protocol::kTcp));
  if (net) text += net->family() == Family::V6 ? ":[" + net->to_string() + "]" : ":" + net->to_string();
  return fmt::format("{}:{}", text, *port);
}

Text read_table_range(Field range, std::int64_t max) {
  const auto low = range["min"].require().integer(1, max);
  const auto high = range["max"].require().integer(1, max);
  if (!low || !high) return std::nullopt;
  if (*low > *high) {
    range.error("min is larger than max");
    return std::nullopt;
  }
  return fmt::format("{}-{}", *low, *high);
}

Text read_health_timeout(Field item) {
  const auto name = item["name"].require().text();
  const auto timeout = item["timeout"].require().text();
  if (!name || !timeout) return std::nullopt;
  if (!parse_go_duration(*timeout)) {
    item["timeout"].error(shown(*timeout) + " is not a duration, like \"90s\" or \"1m30s\"");
    return std::nullopt;
  }
  return fmt::format("{}={}", *name, *timeout);
}

Text read_conntrack_timeouts(Field timeouts) {
  struct Row {
    std::string_view name, parameter;
  };
  static constexpr Row kRows[] = {{"creationGracePeriod", "CreationGracePeriod"},
                                  {"tcpSynSent", "TCPSynSent"},
                                  {"tcpEstablished", "TCPEstablished"},
                                  {"tcpFinsSeen", "TCPFinsSeen"},
                                  {"tcpResetSeen", "TCPResetSeen"},
                                  {"udpTimeout", "UDPTimeout"},
                                  {"genericTimeout", "GenericTimeout"},
                                  {"icmpTimeout", "ICMPTimeout"}};
  std::vector<std::string> parts;
  for (const Row& row : kRows) {
    const Field field = timeouts[row.name];
    const auto text = field.text();
    if (!text) continue;
    if (*text != "Auto" && !parse_go_duration(*text)) field.error(shown(*text) + " is neither a duration nor \"Auto\"");
    else parts.push_back(fmt::format("{}={}", row.parameter, *text));
  }
  return joined(parts);
}

Text read_map(Field map) {
  std::vector<std::string> parts;
  map.texts([&](std::string_view key, std::string_view value) { parts.push_back(fmt::format("{}={}", key, value)); });
  return joined(parts);
}

Text read_limited(Field field, std::int64_t max) {
  const auto text = field.text();
  if (text && max != 0 && text->size() > static_cast<std::size_t>(max)) {
    field.error(fmt::format("has {} characters, at most {} are allowed", text->size(), max));
    return std::nullopt;
  }
  return to_text(text);
}

Text read_value(Field field, const FelixField& row) {
  constexpr std::int64_t kMaxTable = 250, kMaxAnyTable = 4294967295;
  const auto plain = [](Field f) { return to_text(f.text()); };
  const auto network = [](Field f) -> Text {
    const auto cidr = f.cidr();
    return cidr ? Text{cidr->to_string()} : std::nullopt;
  };
  switch (row.form) {
    case FelixForm::Boolean:
      if (const auto value = field.boolean()) return *value ? "true" : "false";
      return std::nullopt;
    case FelixForm::Integer:
    case FelixForm::Mask: return read_integer(field, row);
    case FelixForm::Seconds: return read_duration(field, 1e9);
    case FelixForm::Milliseconds: return read_duration(field, 1e6);
    case FelixForm::Text: return read_limited(field, row.max);
    case FelixForm::Word: return read_word(field, row.words, Case::Exact);
    case FelixForm::WordAnyCase: return read_word(field, row.words, Case::Any);
    case FelixForm::AddressV4: return read_address(field, Family::V4);
    case FelixForm::AddressV6: return read_address(field, Family::V6);
    case FelixForm::Interface:
      return read_checked(
          field, [](std::string_view t) { return is_interface_name(t); }, "an interface name");
    case FelixForm::DnsLabel:
      return read_checked(
          field, [](std::string_view t) { return is_dns_label(t); }, "a DNS label");
    case FelixForm::LogPrefix:
      return read_checked(field, is_log_prefix, "a log prefix: letters, digits, spaces and any of %:/_-");
    case FelixForm::LogRate: return read_checked(field, is_log_rate, "a rate: 1 to 9999, then /second, /minute, /hour or /day");
    case FelixForm::Dscp:
      if (const auto dscp = read_dscp(field)) return fmt::format("{}", *dscp);
      return std::nullopt;
    case FelixForm::Port: return read_port(field);
    case FelixForm::Ports:
      if (row.max != 0 && field.items(static_cast<std::size_t>(row.max)).size() == 0) return std::nullopt;
      return joined(read_list(field, read_port));
    case FelixForm::Texts: return joined(read_list(field, plain));
    case FelixForm::Cidrs: return joined(read_list(field, network));
    case FelixForm::ProtoPorts: return joined(read_list(field, read_proto_port), "none");
    case FelixForm::RouteTableRange: return read_table_range(field, kMaxTable);
    case FelixForm::RouteTableRanges: return joined(read_list(field, [](Field f) { return read_table_range(f, kMaxAnyTable); }));
    case FelixForm::HealthTimeouts: return joined(read_list(field, read_health_timeout));
    case FelixForm::BpfConntrackTimeouts: return read_conntrack_timeouts(field);
    case FelixForm::Map: return read_map(field);
  }
  return std::nullopt;
}

const FelixField* find_field(std::string_view name) {
  const auto rows = felix_fields();
  const auto at = std::lower_bound(rows.begin(), rows.end(), name,
                                   [](const FelixField& row, std::string_view wanted) { return row.name < wanted; });
  return at != rows.end() && at->name == name ? &*at : nullptr;
}

std::string capitalised(std::string_view name) {
  std::string out{name};
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

void check_name(const ObjectId& id, Field root) {
  constexpr std::string_view kPerNode = "node.";
  const std::string_view name = id.name;
  if (name == "default" || root["spec"]["nodeSelector"].present()) return;
  if (name.starts_with(kPerNode) && is_dns_subdomain(name.substr(kPerNode.size()))) return;
  root["metadata"]["name"].error("must be \"default\" or \"node.<node>\", unless there is a nodeSelector");
}

}  // namespace

void decode_felix_configuration(const ObjectId& id, Field root, Decoded& out) {
  auto config = std::make_shared<FelixConfiguration>();
  check_name(id, root);
  const Field spec = root["spec"];
  config->node_selector = spec["nodeSelector"].plain_selector();
  config->creation_timestamp = root["metadata"]["creationTimestamp"].text().value_or("");
  if (spec["routeTableRange"].present() && spec["routeTableRanges"].present())
    spec["routeTableRange"].error("cannot be together with routeTableRanges");

  spec.entries([&](std::string_view name, Field field) {
    if (name == "nodeSelector" || !field.present()) return;
    const FelixField* row = find_field(name);
    if (row == nullptr) {
      if (field.reader().strict()) field.error("unknown field");
      // The daemon warns of a parameter that it does not know, if it is told.
      else if (field.is_text()) config->parameters[capitalised(name)] = field.text().value_or("");
      return;
    }
    Text text = read_value(field, *row);
    if (!text || text->empty()) return;  // empty: not set
    config->parameters[row->parameter.empty() ? capitalised(name) : std::string{row->parameter}] = *std::move(text);
  });
  out.key = Key{Kind::FelixConfiguration, {}, id.name};
  out.value = Ref<FelixConfiguration>{std::move(config)};
}

}  // namespace margay::model
