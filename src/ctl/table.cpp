#include "table.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace margay::ctl {
namespace {

using nlohmann::json;
using Cells = std::vector<std::string>;

const json* at(const json& object, std::string_view path) {
  const json* now = &object;
  while (!path.empty()) {
    const auto dot = path.find('.');
    if (!now->is_object()) return nullptr;
    const auto found = now->find(path.substr(0, dot));
    if (found == now->end() || found->is_null()) return nullptr;
    now = &*found;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return now;
}

std::string shown(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  if (value.is_array()) {
    std::string out;
    for (const json& element : value) out.append(out.empty() ? "" : ",").append(shown(element));
    return out;
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text(const json& object, std::string_view path, std::string_view fallback = {}) {
  const json* value = at(object, path);
  return value == nullptr ? std::string{fallback} : shown(*value);
}

std::string truncated(std::string value, std::size_t longest = 80) {
  if (value.size() > longest) value = value.substr(0, longest - 3) + "...";
  return value;
}

std::string count(const json& object, std::string_view path) {
  const json* value = at(object, path);
  return std::to_string(value != nullptr && value->is_structured() ? value->size() : 0);
}

// One field of every element of a list.
std::string each(const json& object, std::string_view path, std::string_view field) {
  const json* list = at(object, path);
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json& element : *list)
    if (const std::string one = text(element, field); !one.empty()) out.append(out.empty() ? "" : ",").append(one);
  return out;
}

std::string pairs(const json& object, std::string_view path) {
  const json* map = at(object, path);
  std::string out;
  if (map == nullptr || !map->is_object()) return out;
  for (const auto& [key, value] : map->items()) out.append(out.empty() ? "" : ",").append(key).append("=").append(shown(value));
  return out;
}

std::string label_selector(const json& object, std::string_view path) {
  std::string out = pairs(object, std::string{path} + ".matchLabels");
  const json* terms = at(object, std::string{path} + ".matchExpressions");
  if (terms != nullptr && terms->is_array()) {
    for (const json& term : *terms) {
      out.append(out.empty() ? "" : ",").append(text(term, "key")).append(" ").append(text(term, "operator"));
      if (const std::string values = text(term, "values"); !values.empty()) out.append(" (").append(values).append(")");
    }
  }
  return out.empty() ? "<all>" : out;
}

std::string peer_scope(const json& object) {
  const std::string node = text(object, "spec.node");
  return node.empty() ? text(object, "spec.nodeSelector", "(global)") : node;
}

std::string service_ports(const json& object, std::string_view path) {
  const json* list = at(object, path);
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json& port : *list)
    out.append(out.empty() ? "" : ",").append(text(port, "port", "*")).append("/").append(text(port, "protocol", "TCP"));
  return out;
}

std::string address_of(const json& object, std::string_view type) {
  const json* list = at(object, "status.addresses");
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json& address : *list)
    if (text(address, "type") == type) out.append(out.empty() ? "" : ",").append(text(address, "address"));
  return out;
}

std::string secret_keys(const json& object) {
  std::set<std::string> keys;
  for (const char* field : {"data", "stringData"})
    if (const json* map = at(object, field); map != nullptr && map->is_object())
      for (const auto& [key, value] : map->items()) keys.insert(key);
  return std::to_string(keys.size());
}

std::string nat_pairs(const json& object) {
  const json* list = at(object, "spec.ipNATs");
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json& nat : *list)
    out.append(out.empty() ? "" : ",").append(text(nat, "externalIP")).append("->").append(text(nat, "internalIP"));
  return out;
}

std::string pod_addresses(const json& object) {
  const std::string all = each(object, "status.podIPs", "ip");
  return all.empty() ? text(object, "status.podIP") : all;
}

// "2/3": sessions of a CalicoNodeStatus.
std::string established(const json& object, std::string_view family) {
  const json* up = at(object, fmt::format("status.bgp.numberEstablished{}", family));
  const json* down = at(object, fmt::format("status.bgp.numberNotEstablished{}", family));
  if (up == nullptr || down == nullptr || !up->is_number_integer() || !down->is_number_integer()) return "-";
  return fmt::format("{}/{}", up->get<std::int64_t>(), up->get<std::int64_t>() + down->get<std::int64_t>());
}

struct Column {
  const char* header;
  std::string cell;
};

// The columns after NAME. `wide` adds some, or, where calicoctl does so, shows others.
std::vector<Column> columns(Kind kind, const json& o, const TableOptions& options) {
  const bool wide = options.wide;
  const auto yes = [&](std::string_view path) { return text(o, path, "false"); };
  std::vector<Column> out;
  const auto more = [&](std::vector<Column> extra) {
    if (wide) out.insert(out.end(), std::make_move_iterator(extra.begin()), std::make_move_iterator(extra.end()));
  };
  switch (kind) {
    case Kind::NetworkPolicy:
    case Kind::GlobalNetworkPolicy:
    case Kind::StagedNetworkPolicy:
    case Kind::StagedGlobalNetworkPolicy:
      out = {{"TIER", text(o, "spec.tier", "default")}};
      more({{"ORDER", text(o, "spec.order", "-")}, {"SELECTOR", truncated(text(o, "spec.selector", "all()"))}});
      return out;
    case Kind::StagedKubernetesNetworkPolicy: more({{"PODSELECTOR", label_selector(o, "spec.podSelector")}}); return out;
    case Kind::KubernetesNetworkPolicy: return {{"PODSELECTOR", label_selector(o, "spec.podSelector")}};
    case Kind::ClusterNetworkPolicy: return {{"TIER", text(o, "spec.tier")}, {"PRIORITY", text(o, "spec.priority")}};
    case Kind::Tier:
      out = {{"ORDER", text(o, "spec.order", "-")}};
      more({{"DEFAULTACTION", text(o, "spec.defaultAction", "Deny")}});
      return out;
    case Kind::NetworkSet:
    case Kind::GlobalNetworkSet: more({{"NETS", truncated(text(o, "spec.nets"))}}); return out;
    case Kind::Profile: more({{"LABELS", pairs(o, "spec.labelsToApply")}}); return out;
    case Kind::HostEndpoint:
      out = {{"NODE", text(o, "spec.node")}};
      more({{"INTERFACE", text(o, "spec.interfaceName")},
            {"IPS", text(o, "spec.expectedIPs")},
            {"PROFILES", text(o, "spec.profiles")}});
      return out;
    case Kind::WorkloadEndpoint: {
      const std::string pod = text(o, "spec.pod");
      out = {{"WORKLOAD", pod.empty() ? text(o, "spec.workload", text(o, "spec.containerID")) : pod},
             {"NODE", text(o, "spec.node")},
             {"NETWORKS", text(o, "spec.ipNetworks")},
             {"INTERFACE", text(o, "spec.interfaceName")}};
      more({{"PROFILES", text(o, "spec.profiles")}, {"NATS", nat_pairs(o)}});
      return out;
    }
    case Kind::Node:
      more({{"ASN", text(o, "spec.bgp.asNumber", "(" + options.as_number + ")")},
            {"IPV4", text(o, "spec.bgp.ipv4Address")},
            {"IPV6", text(o, "spec.bgp.ipv6Address")}});
      return out;
    case Kind::IPPool:
      out = {{"CIDR", text(o, "spec.cidr")}};
      more({{"NAT", yes("spec.natOutgoing")},
            {"IPIPMODE", text(o, "spec.ipipMode", "Never")},
            {"VXLANMODE", text(o, "spec.vxlanMode", "Never")},
            {"DISABLED", yes("spec.disabled")},
            {"DISABLEBGPEXPORT", yes("spec.disableBGPExport")}});
      out.push_back({"SELECTOR", truncated(text(o, "spec.nodeSelector", "all()"))});
      more({{"ASSIGNMENTMODE", text(o, "spec.assignmentMode", "Automatic")}});
      return out;
    case Kind::IPReservation: return {{"CIDRS", truncated(text(o, "spec.reservedCIDRs"))}};
    case Kind::BGPConfiguration:
      return {{"LOGSEVERITY", text(o, "spec.logSeverityScreen", "-")},
              {"MESHENABLED", text(o, "spec.nodeToNodeMeshEnabled", "-")},
              {"ASNUMBER", text(o, "spec.asNumber", "-")}};
    case Kind::BGPPeer: return {{"PEERIP", text(o, "spec.peerIP")}, {"NODE", peer_scope(o)}, {"ASN", text(o, "spec.asNumber")}};
    case Kind::BGPFilter:
      return {{"NUMEXPORTV4", count(o, "spec.exportV4")},
              {"NUMIMPORTV4", count(o, "spec.importV4")},
              {"NUMEXPORTV6", count(o, "spec.exportV6")},
              {"NUMIMPORTV6", count(o, "spec.importV6")}};
    case Kind::ClusterInformation:
      return {{"CLUSTERGUID", text(o, "spec.clusterGUID")},
              {"CLUSTERTYPE", text(o, "spec.clusterType")},
              {"CALICOVERSION", text(o, "spec.calicoVersion")},
              {"DATASTOREREADY", text(o, "spec.datastoreReady")}};
    case Kind::IPAMConfiguration:
      out = {{"STRICTAFFINITY", yes("spec.strictAffinity")}, {"AUTOALLOCATEBLOCKS", yes("spec.autoAllocateBlocks")}};
      more({{"MAXBLOCKSPERHOST", text(o, "spec.maxBlocksPerHost", "0")}});
      return out;
    case Kind::BlockAffinity:
      return {{"NODE", text(o, "spec.node")}, {"CIDR", text(o, "spec.cidr")}, {"STATE", text(o, "spec.state")}};
    case Kind::IPAMBlock: return {{"CIDR", text(o, "spec.cidr")}, {"AFFINITY", text(o, "spec.affinity")}};
    case Kind::CalicoNodeStatus:
      out = {{"NODE", text(o, "spec.node")}};
      more({{"CLASSES", text(o, "spec.classes")},
            {"LASTUPDATED", text(o, "status.lastUpdated", "-")},
            {"BIRDV4", text(o, "status.agent.birdV4.state", "-")},
            {"BIRDV6", text(o, "status.agent.birdV6.state", "-")},
            {"ESTABLISHEDV4", established(o, "V4")},
            {"ESTABLISHEDV6", established(o, "V6")}});
      return out;
    case Kind::Pod:
      out = {{"STATUS", text(o, "status.phase", "-")}, {"NODE", text(o, "spec.nodeName", "-")}, {"IPS", pod_addresses(o)}};
      more({{"SERVICEACCOUNT", text(o, "spec.serviceAccountName", "default")}, {"LABELS", pairs(o, "metadata.labels")}});
      return out;
    case Kind::Service:
      out = {{"TYPE", text(o, "spec.type", "ClusterIP")},
             {"CLUSTER-IP", text(o, "spec.clusterIPs", text(o, "spec.clusterIP", "-"))},
             {"PORTS", service_ports(o, "spec.ports")}};
      more({{"SELECTOR", pairs(o, "spec.selector")}});
      return out;
    case Kind::EndpointSlice:
      return {{"ADDRESSTYPE", text(o, "addressType")},
              {"PORTS", service_ports(o, "ports")},
              {"ENDPOINTS", truncated(each(o, "endpoints", "addresses"))}};
    case Kind::KubernetesNode:
      out = {{"INTERNAL-IP", address_of(o, "InternalIP")}, {"PODCIDRS", text(o, "spec.podCIDRs", text(o, "spec.podCIDR"))}};
      more({{"LABELS", pairs(o, "metadata.labels")}});
      return out;
    case Kind::Secret: return {{"TYPE", text(o, "type", "Opaque")}, {"DATA", secret_keys(o)}};
    case Kind::Namespace:
    case Kind::ServiceAccount: more({{"LABELS", pairs(o, "metadata.labels")}}); return out;
    default: return out;
  }
}

std::size_t width_of(std::string_view value) {
  return static_cast<std::size_t>(
      std::count_if(value.begin(), value.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string align(const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths;
  for (const Cells& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 5);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const Cells& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] + 3 - width_of(row[i]), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    // A terminal would obey them.
    for (char& c : line)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    out += line + "\n";
  }
  return out;
}

std::string table_of(Kind kind, const std::vector<json>& objects, const TableOptions& options) {
  const bool with_namespace = options.show_namespace && info(kind).namespaced;
  // calicoctl names a workload endpoint only in the wide table.
  const bool with_name = kind != Kind::WorkloadEndpoint || options.wide;
  std::vector<Cells> rows(1);
  if (with_namespace) rows[0].emplace_back("NAMESPACE");
  if (with_name) rows[0].emplace_back("NAME");
  for (const Column& column : columns(kind, json::object(), options)) rows[0].emplace_back(column.header);
  for (const json& object : objects) {
    Cells row;
    if (with_namespace) row.push_back(text(object, "metadata.namespace"));
    if (with_name) row.push_back(options.name_prefix + text(object, "metadata.name"));
    for (Column& column : columns(kind, object, options)) row.push_back(std::move(column.cell));
    rows.push_back(std::move(row));
  }
  return align(rows);
}

}  // namespace margay::ctl
