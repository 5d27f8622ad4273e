#include "endpoint_parts.hpp"

#include <charconv>

#include "names.hpp"

namespace margay::model {

namespace {

struct DscpName {
  std::string_view name;
  std::uint8_t value;
};
constexpr DscpName kDscpNames[] = {{"DF", 0},    {"EF", 46},   {"AF11", 10}, {"AF12", 12}, {"AF13", 14}, {"AF21", 18},
                                   {"AF22", 20}, {"AF23", 22}, {"AF31", 26}, {"AF32", 28}, {"AF33", 30}, {"AF41", 34},
                                   {"AF42", 36}, {"AF43", 38}, {"CS0", 0},   {"CS1", 8},   {"CS2", 16},  {"CS3", 24},
                                   {"CS4", 32},  {"CS5", 40},  {"CS6", 48},  {"CS7", 56}};

}  // namespace

std::optional<std::uint8_t> parse_dscp(std::string_view text) noexcept {
  for (const DscpName& known : kDscpNames)
    if (text == known.name) return known.value;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || number > 63) return std::nullopt;
  return static_cast<std::uint8_t>(number);
}

std::optional<std::uint8_t> read_dscp(Field field) {
  const auto given = field.int_or_text();
  if (!given) return std::nullopt;
  std::optional<std::uint8_t> parsed;
  if (const auto* number = std::get_if<std::int64_t>(&*given)) {
    if (*number >= 0 && *number <= 63) parsed = static_cast<std::uint8_t>(*number);
  } else {
    parsed = parse_dscp(std::get<std::string_view>(*given));
  }
  if (!parsed) field.error("is not a DSCP value: 0 to 63, DF, EF, AF11 to AF43 or CS0 to CS7");
  return parsed;
}

std::vector<EndpointPort> read_endpoint_ports(Field list, bool of_workload) {
  std::vector<EndpointPort> out;
  for (const Field item : list.items()) {
    EndpointPort port;
    const Field name = item["name"];
    std::optional<std::int64_t> host_port;
    if (of_workload) {
      host_port = item["hostPort"].integer(0, 65535);
      item.known({"hostIP"});
    }
    if (!name.present() && host_port.value_or(0) == 0)
      name.error(of_workload ? "a port needs a name or a hostPort" : "is required");
    const auto text = name.text();
    if (text && !is_port_name(*text)) name.error(shown(*text) + " is not a port name");

    const Field protocol_field = item["protocol"];
    port.protocol = protocol_field.require().protocol();
    port.protocol_by_name = protocol_field.is_text();
    if (port.protocol && !protocol::has_ports(*port.protocol)) protocol_field.error("is none of TCP, UDP and SCTP");
    const auto number = item["port"].require().integer(1, 65535);
    if (!text || !number) continue;
    port.name = *text;
    port.port = static_cast<std::uint16_t>(*number);
    out.push_back(std::move(port));
  }
  out.shrink_to_fit();
  return out;
}

std::vector<Symbol> read_names(Field list) {
  std::vector<Symbol> out;
  const auto items = list.items();
  out.reserve(items.size());
  for (const Field item : items) {
    const auto name = item.text();
    if (!name) continue;
    if (is_dns_subdomain(*name)) out.emplace_back(*name);
    else item.error(shown(*name) + " is not a name");
  }
  return out;
}

void find_annotations(Field map, std::span<Annotation> wanted) {
  map.entries([&](std::string_view key, Field value) {
    for (Annotation& annotation : wanted)
      if (annotation.key == key && value.present()) annotation.field = value;
  });
}

}  // namespace margay::model
