#include "bird_status.hpp"

#include <charconv>
#include <string_view>
#include <utility>

namespace margay::bgp {
namespace {

constexpr int kProtocolLine = 1002;

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes the first word off `text`.
std::string_view word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = text.find_first_of(" \t");
  const std::string_view first = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  return first;
}

template <class N>
std::optional<N> number(std::string_view text) {
  N value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return trim(text.substr(prefix.size()));
}

// A time in the format "iso long" is two words.
bool is_date(std::string_view text) { return text.size() == 10 && text[4] == '-' && text[7] == '-'; }
bool is_time(std::string_view text) { return text.size() >= 8 && text[2] == ':' && text[5] == ':'; }

ProtocolStatus parse_row(std::string_view text) {
  ProtocolStatus out;
  for (std::string* field : {&out.name, &out.type, &out.table, &out.state, &out.since}) *field = word(text);
  std::string_view rest = text;
  if (const std::string_view next = word(rest); is_date(out.since) && is_time(next)) {
    out.since.append(" ").append(next);
    text = rest;
  }
  out.info = trim(text);
  return out;
}

// "1 imported, 0 filtered, 2 exported, 1 preferred"
void add_counts(ProtocolStatus& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto count = number<std::uint64_t>(word(item));
    if (!count) continue;
    const std::string_view what = trim(item);
    if (what == "imported") out.imported += *count;
    else if (what == "exported") out.exported += *count;
    else if (what == "filtered") out.filtered += *count;
    else if (what == "preferred") out.preferred += *count;
  }
}

void add_detail(ProtocolStatus& out, std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view key = trim(text.substr(0, colon));
  const std::string_view value = trim(text.substr(colon + 1));
  if (key == "Routes") return add_counts(out, value);
  // What follows is said once, above the channels; the first one counts, whatever a text in it looks like.
  if (key == "BGP state" && out.bgp_state.empty()) out.bgp_state = value;
  else if (key == "Last error" && out.last_error.empty()) out.last_error = value;
  else if (key == "Neighbor AS" && !out.neighbor_as) out.neighbor_as = number<std::uint32_t>(value);
  else if (key == "Local AS" && !out.local_as) out.local_as = number<std::uint32_t>(value);
  else if (key == "Neighbor address" && !out.neighbor) {
    const std::size_t zone = value.find('%');
    out.neighbor = Addr::parse(value.substr(0, zone));
    if (zone != std::string_view::npos) out.neighbor_interface = value.substr(zone + 1);
  }
}

// "via 10.0.0.1 on eth0 onlink weight 2", "dev eth0"
RouteStatus::Hop parse_hop(std::string_view text) {
  RouteStatus::Hop hop;
  if (word(text) == "dev") {
    hop.interface = word(text);
    return hop;
  }
  hop.via = Addr::parse(word(text));
  while (!text.empty())
    if (word(text) == "on") {
      hop.interface = word(text);
      break;
    }
  return hop;
}

}  // namespace

Result<BirdStatus> parse_status(const Reply& reply) {
  if (reply.failed()) return Error{ErrorCode::Unavailable, "BIRD: " + reply.text()};
  BirdStatus out;
  bool recovering = false;
  for (const ReplyLine& line : reply.lines) {
    const std::string_view text = line.text;
    if (const auto version = after(text, "BIRD "); version && out.version.empty()) out.version = *version;
    else if (const auto id = after(text, "Router ID is ")) out.router_id = *id;
    else if (const auto now = after(text, "Current server time is ")) out.server_time = *now;
    else if (const auto boot = after(text, "Last reboot on ")) out.last_reboot = *boot;
    else if (const auto config = after(text, "Last reconfiguration on ")) out.last_reconfiguration = *config;
    else if (text.starts_with("Graceful restart recovery in progress")) out.recovering = recovering = true;
    else if (recovering && text.starts_with(' ')) out.recovery.append(out.recovery.empty() ? "" : ", ").append(trim(text));
    else if (text == "Daemon is up and running" || text == "Reconfiguration in progress") out.up = true;
    if (!text.starts_with(' ') && line.code != 24) recovering = false;
  }
  if (out.version.empty()) return Error{ErrorCode::Invalid, "not a status of BIRD: " + reply.text().substr(0, 200)};
  return out;
}

std::vector<ProtocolStatus> parse_protocols(const Reply& reply) {
  std::vector<ProtocolStatus> out;
  for (const ReplyLine& line : reply.lines) {
    const std::string_view text = line.text;
    const bool indented = text.empty() || text.starts_with(' ') || text.starts_with('\t');
    if (!indented && line.code == kProtocolLine) out.push_back(parse_row(text));
    else if (indented && !out.empty()) add_detail(out.back(), text);
  }
  return out;
}

std::vector<RouteStatus> parse_routes(const Reply& reply) {
  std::vector<RouteStatus> out;
  std::optional<Cidr> net;
  bool in_route = false;  // the last line that is no hop and no attribute was a route
  for (const ReplyLine& line : reply.lines) {
    std::string_view text = line.text;
    if (text.starts_with('\t')) {
      text = trim(text);
      if (in_route && (text.starts_with("via ") || text.starts_with("dev "))) out.back().hops.push_back(parse_hop(text));
      continue;
    }
    in_route = false;
    if (line.code >= 8000 || trim(text).empty()) continue;
    const std::size_t open = text.find('[');
    const std::size_t close = text.find(']', open == std::string_view::npos ? text.size() : open);
    // A line that names its network; the following ones of the same network leave the column empty.
    if (!text.starts_with(' ')) net = Cidr::parse(word(text));
    if (!net || open == std::string_view::npos || close == std::string_view::npos) continue;
    RouteStatus route;
    route.net = *net;
    route.type = word(text);
    std::string_view inside = std::string_view{line.text}.substr(open + 1, close - open - 1);
    route.protocol = word(inside);
    std::string_view flags = std::string_view{line.text}.substr(close + 1);
    while (!flags.empty())
      if (const std::string_view flag = word(flags); flag.starts_with('(')) break;
      else if (flag == "*") route.primary = true;
    out.push_back(std::move(route));
    in_route = true;
  }
  return out;
}

}  // namespace margay::bgp
