// Calico's Node, and Kubernetes' Node, whose annotations say the same (datastore-model §2.5, §3.9).
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "as_number.hpp"
#include "bgp_fields.hpp"
#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "metadata.hpp"

namespace margay::model {

namespace {

constexpr std::string_view kNobodys =
    "is no address by which others reach the node: it is unspecified, loopback, link-local, multicast or "
    "broadcast";

// "A/n" keeps the address, which Cidr alone would mask away.
struct HostNet {
  Addr addr;
  Cidr net;
};

std::optional<HostNet> parse_host_net(std::string_view text, Family family) {
  const auto addr = Addr::parse(text.substr(0, text.find('/')));
  const auto net = Cidr::parse(text);
  if (!addr || !net || addr->family != family) return std::nullopt;
  return HostNet{*addr, *net};
}

void set_address(Node& node, Family family, const HostNet& host) {
  (family == Family::V4 ? node.ipv4 : node.ipv6) = host.addr;
  (family == Family::V4 ? node.ipv4_net : node.ipv6_net) = host.net;
}

void read_drain(Field annotations, Node& node) {
  static constexpr std::string_view kNames[] = {"drain"};
  visit_bgp_annotations(annotations, kNames, [&](std::size_t, Field value, std::string_view text) {
    node.draining = read_flag(value, text).value_or(false);
  });
}

void read_bgp(Field bgp, Node& node) {
  if (!bgp.present()) return;
  if (bgp.is_object() && bgp.size() == 0) bgp.error("must not be empty: leave it out");
  for (const Family family : kFamilies) {
    const Field field = bgp[family == Family::V4 ? "ipv4Address" : "ipv6Address"];
    const auto text = field.text();
    if (!text) continue;
    const auto host = parse_host_net(*text, family);
    if (!host) field.error(fmt::format("{} is not an IPv{} address with prefix length", shown(*text), digit(family)));
    else if (!is_host_address(host->addr)) field.error(fmt::format("{} {}", shown(*text), kNobodys));
    else set_address(node, family, *host);
  }
  node.as_number = read_as_number_or_unset(bgp["asNumber"]);
  (void)bgp["ipv4IPIPTunnelAddr"].addr(Family::V4);
  const Field cluster = bgp["routeReflectorClusterID"];
  (void)cluster.addr(Family::V4);
  node.route_reflector_cluster_id = cluster.is_text() ? cluster.text().value_or("") : "";
}

void read_pod_cidrs(Field list, Node& node) {
  for (const Field item : list.items())
    if (const auto cidr = item.cidr()) append_once(node.pod_cidrs, *cidr);
}

}  // namespace

void decode_node(const ObjectId& id, Field root, Decoded& out) {
  auto node = std::make_shared<Node>();
  const Field spec = root["spec"];
  LabelPairs pairs;
  append_labels(root["metadata"]["labels"], {}, pairs);
  node->labels = Labels{std::move(pairs)};
  read_bgp(spec["bgp"], *node);
  (void)spec["ipv4VXLANTunnelAddr"].addr(Family::V4);
  (void)spec["ipv6VXLANTunnelAddr"].addr(Family::V6);
  for (const std::string_view mac : {"vxlanTunnelMACAddr", "vxlanTunnelMACAddrV6"}) (void)spec[mac].mac();
  const Field wireguard = spec["wireguard"];
  node->wireguard[index(Family::V4)] = wireguard["interfaceIPv4Address"].addr(Family::V4);
  node->wireguard[index(Family::V6)] = wireguard["interfaceIPv6Address"].addr(Family::V6);
  spec.known({"orchRefs", "addresses", "interfaces"});
  read_drain(root["metadata"]["annotations"], *node);
  const Field status = root["status"];
  status.known({"wireguardPublicKey", "wireguardPublicKeyV6"});
  read_pod_cidrs(status["podCIDRs"], *node);
  out.key = Key{Kind::Node, {}, id.name};
  out.value = Ref<Node>{std::move(node)};
}

// Annotations that are wrong are ignored one by one, as Calico does: they are written by machines, and a node must not vanish
// for one.
void decode_kubernetes_node(const ObjectId& id, Field root, Decoded& out) {
  auto node = std::make_shared<Node>();
  const Field spec = root["spec"];
  spec.known_all();
  root["status"].known_all();
  enum At : std::size_t { kV4, kV6, kAsNumber, kCluster, kLabels, kWireguardV4, kWireguardV6, kDrain, kCount };
  std::array<Annotation, kCount> annotations{{{"projectcalico.org/IPv4Address", {}},
                                              {"projectcalico.org/IPv6Address", {}},
                                              {"projectcalico.org/ASNumber", {}},
                                              {"projectcalico.org/RouteReflectorClusterID", {}},
                                              {"projectcalico.org/labels", {}},
                                              {"projectcalico.org/IPv4WireguardInterfaceAddr", {}},
                                              {"projectcalico.org/IPv6WireguardInterfaceAddr", {}},
                                              {"bgp.margay.io/drain", {}}}};
  find_annotations(root["metadata"]["annotations"], annotations);

  LabelPairs pairs;
  if (const std::string_view text = annotations[kLabels].text(); !text.empty()) {
    const auto map = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
    if (map.is_object())
      for (const auto& [key, value] : map.items())
        if (value.is_string()) pairs.emplace_back(key, value.get_ref<const std::string&>());
  }
  append_labels(root["metadata"]["labels"], {}, pairs);  // of equal keys the last wins: Kubernetes' own
  node->labels = Labels{std::move(pairs)};

  for (const Family family : kFamilies) {
    const auto host = parse_host_net(annotations[family == Family::V4 ? kV4 : kV6].text(), family);
    if (host && is_host_address(host->addr)) set_address(*node, family, *host);
    const auto tunnel = Addr::parse(annotations[family == Family::V4 ? kWireguardV4 : kWireguardV6].text());
    if (tunnel && tunnel->family == family) node->wireguard[index(family)] = tunnel;
  }
  node->as_number = parse_as_number(annotations[kAsNumber].text());
  if (node->as_number == 0u) node->as_number.reset();
  node->draining = annotations[kDrain].text() == "true";
  if (root.reader().strict()) read_drain(root["metadata"]["annotations"], *node);  // an operator writes it, who wants to know
  if (const auto cluster = Addr::parse(annotations[kCluster].text()); cluster && cluster->family == Family::V4)
    node->route_reflector_cluster_id = cluster->to_string();
  read_pod_cidrs(spec["podCIDRs"], *node);
  out.key = Key{Kind::Node, {}, id.name};
  out.value = Ref<Node>{std::move(node)};
}

}  // namespace margay::model
