// Calico's WorkloadEndpoint and HostEndpoint (datastore-model §3.5, §3.9, §7).
#include <algorithm>

#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "metadata.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

// [a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?
bool is_container_id(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alnum(c) || c == '-'; });
}

// A segment of the endpoint's name: since '-' joins and "--" is a dash, it may not start or end with one.
std::string_view segment(Field spec, std::string_view name) {
  const Field field = spec[name];
  const auto text = field.require().text();
  if (!text) return {};
  if (text->front() == '-' || text->back() == '-') field.error("must not start or end with '-'");
  return *text;
}

std::vector<Cidr> read_host_nets(Field list) {
  std::vector<Cidr> out;
  const auto items = list.items();
  out.reserve(items.size());
  for (const Field item : items) {
    const auto net = item.cidr();
    if (!net) continue;
    if (net->is_host()) append_once(out, *net);
    else item.error(net->to_string() + " is not one address (/32 or /128)");
  }
  return out;
}

std::vector<Nat> read_nats(Field list, const std::vector<Cidr>& nets) {
  std::vector<Nat> out;
  for (const Field item : list.items()) {
    const auto internal = item["internalIP"].require().addr();
    const auto external = item["externalIP"].require().addr();
    if (!internal || !external) continue;
    if (internal->family != external->family) item.error("internalIP and externalIP must be of one family");
    else if (std::find(nets.begin(), nets.end(), Cidr{*internal}) == nets.end())
      item["internalIP"].error(internal->to_string() + " is not in ipNetworks");
    else out.push_back({*internal, *external});
  }
  return out;
}

std::optional<std::uint32_t> limit(Field qos, std::string_view name, std::int64_t max) {
  // Zero is how Go writes "not set" here.
  const auto number = qos[name].integer(0, max);
  return number.value_or(0) == 0 ? std::nullopt : std::optional{static_cast<std::uint32_t>(*number)};
}

std::optional<QosControls> read_qos(Field qos) {
  if (!qos.present()) return std::nullopt;
  constexpr std::int64_t kMaxPackets = 10000;
  constexpr std::int64_t kMaxConnections = 4294967295;
  qos.known({"ingressBandwidth", "egressBandwidth", "ingressBurst", "egressBurst", "ingressPeakrate", "egressPeakrate",
             "ingressMinburst", "egressMinburst"});
  QosControls out;
  out.ingress_packet_rate = limit(qos, "ingressPacketRate", kMaxPackets);
  out.egress_packet_rate = limit(qos, "egressPacketRate", kMaxPackets);
  out.ingress_packet_burst = limit(qos, "ingressPacketBurst", kMaxPackets);
  out.egress_packet_burst = limit(qos, "egressPacketBurst", kMaxPackets);
  out.ingress_max_connections = limit(qos, "ingressMaxConnections", kMaxConnections);
  out.egress_max_connections = limit(qos, "egressMaxConnections", kMaxConnections);
  out.dscp = read_dscp(qos["dscp"]);
  if (out == QosControls{}) return std::nullopt;
  return out;
}

}  // namespace

void decode_workload_endpoint(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  auto wep = std::make_shared<WorkloadEndpoint>();

  const std::string_view node = segment(spec, "node");
  const std::string_view orchestrator = segment(spec, "orchestrator");
  const std::string_view endpoint = segment(spec, "endpoint");
  const std::string_view workload = orchestrator == "k8s"          ? segment(spec, "pod")
                                    : orchestrator == "cni"        ? segment(spec, "containerID")
                                    : orchestrator == "libnetwork" ? std::string_view{"libnetwork"}
                                                                   : segment(spec, "workload");
  spec.known({"pod", "workload", "ipv4Gateway", "ipv6Gateway"});
  if (const auto name = spec["containerID"].text(); name && !is_container_id(*name))
    spec["containerID"].error(shown(*name) + " is not a container ID: letters, digits and '-'");
  if (!node.empty() && !is_dns_subdomain(node)) spec["node"].error(shown(node) + " is not a node name");
  const std::string name = workload_endpoint_name(node, orchestrator, workload, endpoint);
  // Only if what the name is made of is there: else that is the error to tell.
  if (!node.empty() && !orchestrator.empty() && !endpoint.empty() && !workload.empty() && name != id.name)
    root["metadata"]["name"].error("must be " + shown(name) + ", as node, orchestrator, workload and endpoint say");

  const Field interface = spec["interfaceName"];
  const auto interface_name = interface.require().text();
  if (interface_name && !is_interface_name(*interface_name))
    interface.error(shown(*interface_name) + " is not an interface name");

  const std::string_view account = spec["serviceAccountName"].text().value_or("");
  if (!account.empty() && !is_dns_subdomain(account))
    spec["serviceAccountName"].error(shown(account) + " is not the name of a service account");

  wep->node = node;
  wep->orchestrator = orchestrator;
  wep->workload = id.ns + "/" + std::string{workload};
  wep->endpoint = endpoint;
  wep->interface_name = interface_name.value_or("");
  wep->mac = spec["mac"].mac();
  wep->labels = workload_labels(root["metadata"]["labels"], id.ns, orchestrator, account);
  wep->profiles = read_names(spec["profiles"]);
  wep->nets = read_host_nets(spec["ipNetworks"]);
  wep->ports = read_endpoint_ports(spec["ports"], /*of_workload=*/true);
  wep->nats = read_nats(spec["ipNATs"], wep->nets);
  for (const Field item : spec["allowSpoofedSourcePrefixes"].items())
    if (const auto cidr = item.cidr()) append_once(wep->allowed_source_prefixes, *cidr);
  wep->qos = read_qos(spec["qosControls"]);

  out.key = Key{Kind::WorkloadEndpoint, id.ns, id.name};
  out.value = Ref<WorkloadEndpoint>{std::move(wep)};
}

void decode_host_endpoint(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  auto hep = std::make_shared<HostEndpoint>();

  const Field node = spec["node"];
  if (const auto text = node.require().text()) {
    if (!is_dns_subdomain(*text)) node.error(shown(*text) + " is not a node name");
    hep->node = *text;
  }
  const Field interface = spec["interfaceName"];
  if (const auto text = interface.text()) {
    if (*text != "*" && !is_interface_name(*text)) interface.error(shown(*text) + " is not an interface name, nor \"*\"");
    hep->interface_name = *text;
  }
  for (const Field item : spec["expectedIPs"].items())
    if (const auto addr = item.addr()) append_once(hep->expected_ips, *addr);
  if (!interface.present() && spec["expectedIPs"].size() == 0) spec.error("needs an interfaceName or expectedIPs");

  LabelPairs pairs;
  append_labels(root["metadata"]["labels"], {}, pairs);
  hep->labels = Labels{std::move(pairs)};
  hep->profiles = read_names(spec["profiles"]);
  hep->ports = read_endpoint_ports(spec["ports"], /*of_workload=*/false);

  out.key = Key{Kind::HostEndpoint, {}, id.name};
  out.value = Ref<HostEndpoint>{std::move(hep)};
}

}  // namespace margay::model
