#include "node_objects.hpp"

#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace margay::ctl {
namespace {

using nlohmann::json;

json skeleton(Kind kind, const std::string& name) {
  return {{"apiVersion", api_version(kind)}, {"kind", info(kind).name}, {"metadata", {{"name", name}}}, {"spec", json::object()}};
}

bool blank(const json& object, const char* field) {
  const auto found = object.find(field);
  return found == object.end() || found->is_null() || *found == "";
}

std::optional<std::uint32_t> whole(std::string_view text, std::uint32_t most) {
  std::uint32_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || out > most) return std::nullopt;
  return out;
}

const std::optional<Addr>& address_of(const Node& node, Family family) { return family == Family::V4 ? node.ipv4 : node.ipv6; }

const char* field_of(Family family) { return family == Family::V4 ? "ipv4Address" : "ipv6Address"; }

}  // namespace

json cluster_information(const json* stored, std::string_view guid) {
  json out = stored != nullptr ? *stored : skeleton(Kind::ClusterInformation, "default");
  json& spec = out["spec"];
  if (!spec.is_object()) spec = json::object();
  if (blank(spec, "clusterGUID")) spec["clusterGUID"] = guid;
  if (blank(spec, "clusterType")) spec["clusterType"] = "bgp";
  if (blank(spec, "datastoreReady")) spec["datastoreReady"] = true;
  return out;
}

Result<json> node_with(const json* stored, const std::string& name, const NodeValues& values, bool overwrite) {
  json out = stored != nullptr ? *stored : skeleton(Kind::Node, name);
  const auto now = decoded_node(out);
  if (!now) return Error{ErrorCode::Invalid, "is not valid as it is stored (margayctl validate says why); mend it first"};
  json& spec = out["spec"];
  if (!spec.is_object()) spec = json::object();
  json bgp = spec.contains("bgp") && spec["bgp"].is_object() ? spec["bgp"] : json::object();
  std::vector<std::string> differ;
  const auto set = [&](const char* field, json value, bool had, bool same) {
    if (same) return;
    if (had && !overwrite) differ.push_back(fmt::format("spec.bgp.{} is {}, not {}", field, bgp[field].dump(), value.dump()));
    bgp[field] = std::move(value);
  };
  for (const Family family : kFamilies) {
    const auto& wanted = values.addresses[index(family)];
    if (!wanted) continue;
    const std::string text = wanted->address.cidr();
    const auto& has = address_of(*now, family);
    const bool any_prefix = !wanted->prefix_matters && !overwrite;
    const bool same = has && *has == wanted->address.addr && (any_prefix || bgp[field_of(family)] == text);
    set(field_of(family), text, has.has_value(), same);
  }
  if (values.as_number) set("asNumber", *values.as_number, now->as_number.has_value(), now->as_number == values.as_number);
  if (!differ.empty())
    return Error{ErrorCode::AlreadyExists, fmt::format("{}; --overwrite changes that", fmt::join(differ, "; "))};
  if (!bgp.empty()) spec["bgp"] = std::move(bgp);
  return out;
}

std::optional<Owner> address_owner(const std::vector<json>& nodes, const std::string& but, const NodeValues& values) {
  for (const json& object : nodes) {
    const auto id = identify(object);
    const auto node = decoded_node(object);
    if (!id || !node || id->name == but) continue;
    for (const Family family : kFamilies) {
      const auto& wanted = values.addresses[index(family)];
      if (wanted && address_of(*node, family) == wanted->address.addr) return Owner{id->name, wanted->address.addr};
    }
  }
  return std::nullopt;
}

Result<std::uint32_t> parse_as_number(std::string_view text) {
  const auto dot = text.find('.');
  std::optional<std::uint32_t> out;
  if (dot == std::string_view::npos) {
    out = whole(text, 0xffffffff);
  } else if (const auto high = whole(text.substr(0, dot), 0xffff), low = whole(text.substr(dot + 1), 0xffff); high && low) {
    out = *high << 16 | *low;
  }
  if (!out || *out == 0) return Error{ErrorCode::Invalid, fmt::format("--as {}: is no AS number between 1 and 4294967295", text)};
  return *out;
}

std::optional<Node> decoded_node(const json& object) {
  const auto id = identify(object);
  if (!id || id->kind != Kind::Node) return std::nullopt;
  const Decoded decoded = decode(*id, object, {});
  if (!decoded.errors.empty() || !decoded.value) return std::nullopt;
  const auto* node = std::get_if<Ref<Node>>(&*decoded.value);
  return node == nullptr ? std::nullopt : std::optional<Node>{**node};
}

}  // namespace margay::ctl
