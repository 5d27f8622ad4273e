// Pod → WorkloadEndpoint (datastore-model §2.4, §7).
//
// Only what a workload endpoint is made of is checked: a pod has passed Kubernetes' own validation, and fields that Margay
// does not read are no reason to leave a pod without policy.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "metadata.hpp"
#include "names.hpp"
#include "quantity.hpp"

namespace margay::model {

namespace {

enum At : std::size_t {
  kPodIp,
  kPodIps,
  kAwsPodIps,
  kFloatingIps,
  kSourcePrefixes,
  kDscp,
  kIngressRate,
  kEgressRate,
  kIngressBurst,
  kEgressBurst,
  kIngressConnections,
  kEgressConnections,
  kCount
};

using Annotations = std::array<Annotation, kCount>;

Annotations read_annotations(Field map) {
  Annotations out{{{"cni.projectcalico.org/podIP", {}},
                   {"cni.projectcalico.org/podIPs", {}},
                   {"vpc.amazonaws.com/pod-ips", {}},
                   {"cni.projectcalico.org/floatingIPs", {}},
                   {"cni.projectcalico.org/allowedSourcePrefixes", {}},
                   {"qos.projectcalico.org/dscp", {}},
                   {"qos.projectcalico.org/ingressPacketRate", {}},
                   {"qos.projectcalico.org/egressPacketRate", {}},
                   {"qos.projectcalico.org/ingressPacketBurst", {}},
                   {"qos.projectcalico.org/egressPacketBurst", {}},
                   {"qos.projectcalico.org/ingressMaxConnections", {}},
                   {"qos.projectcalico.org/egressMaxConnections", {}}}};
  find_annotations(map, out);
  return out;
}

// Its addresses are free for others: it ended, or it is going and the CNI plugin has released them.
bool is_finished(Field root, const Annotations& annotations) {
  const Field phase = root["status"]["phase"];
  if (const auto text = phase.text(); text && (*text == "Succeeded" || *text == "Failed" || *text == "Completed")) return true;
  if (!root["metadata"]["deletionTimestamp"].present()) return false;
  const auto emptied = [](const Annotation& a) { return a.field && a.text().empty(); };
  return emptied(annotations[kPodIp]) || emptied(annotations[kAwsPodIps]);
}

// "A" or "A/n" as the whole-address prefix of A.
void append_host(Field where, std::string_view text, std::vector<Cidr>& out) {
  const auto slash = text.find('/');
  const auto addr = Addr::parse(text.substr(0, slash));
  if (!addr || (slash != std::string_view::npos && !Cidr::parse(text))) where.error(shown(text) + " is not an IP address");
  else append_once(out, Cidr{*addr});
}

void append_hosts(const Annotation& list, std::vector<Cidr>& out) {
  std::string_view text = list.text();
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    append_host(*list.field, part, out);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
}

// The first of these that says anything.
std::vector<Cidr> read_nets(Field status, const Annotations& annotations) {
  std::vector<Cidr> out;
  const auto ips = status["podIPs"].items();
  out.reserve(std::max<std::size_t>(ips.size(), 1));
  for (const Field item : ips)
    if (const Field ip = item["ip"]; const auto text = ip.text()) append_host(ip, *text, out);
  if (out.empty() && ips.size() == 0)
    if (const Field ip = status["podIP"]; const auto text = ip.text()) append_host(ip, *text, out);
  for (const At source : {kPodIps, kPodIp, kAwsPodIps}) {
    if (!out.empty()) break;
    append_hosts(annotations[source], out);
  }
  return out;
}

// A JSON list of texts in an annotation.
template <class Visit>
void each_in_list(const Annotation& annotation, Visit visit) {
  const std::string_view text = annotation.text();
  if (text.empty()) return;
  const auto list = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) {
    annotation.field->error("is not a JSON list of texts");
    return;
  }
  for (const auto& item : list) {
    if (!item.is_string()) annotation.field->error("is not a JSON list of texts");
    else visit(item.get_ref<const std::string&>());
  }
}

std::vector<Nat> read_nats(const Annotation& floating, const std::vector<Cidr>& nets) {
  std::vector<Nat> out;
  each_in_list(floating, [&](const std::string& text) {
    const auto external = Addr::parse(text);
    if (!external) {
      floating.field->error(shown(text) + " is not an IP address");
      return;
    }
    const auto same_family = [&](const Cidr& net) { return net.family() == external->family; };
    if (const auto net = std::find_if(nets.begin(), nets.end(), same_family); net != nets.end())
      out.push_back({net->addr, *external});
  });
  return out;
}

std::vector<Cidr> read_source_prefixes(const Annotation& prefixes) {
  std::vector<Cidr> out;
  each_in_list(prefixes, [&](const std::string& text) {
    if (const auto cidr = Cidr::parse(text)) append_once(out, *cidr);
    else prefixes.field->error(shown(text) + " is not an IP network");
  });
  return out;
}

// Values that cannot be are never an error here (Calico logs them): text that is no quantity is no limit, a limit out of
// range is the nearest one.
std::optional<std::uint32_t> read_limit(const Annotation& annotation, std::int64_t max) {
  const auto number = parse_quantity(annotation.text());
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(*number, 1, max));
}

std::optional<QosControls> read_qos(const Annotations& annotations) {
  constexpr std::int64_t kMaxPackets = 10000;
  constexpr std::int64_t kMaxConnections = 4294967295;
  constexpr std::uint32_t kDefaultBurst = 5;
  QosControls qos;
  qos.ingress_packet_rate = read_limit(annotations[kIngressRate], kMaxPackets);
  qos.egress_packet_rate = read_limit(annotations[kEgressRate], kMaxPackets);
  if (qos.ingress_packet_rate)
    qos.ingress_packet_burst = read_limit(annotations[kIngressBurst], kMaxPackets).value_or(kDefaultBurst);
  if (qos.egress_packet_rate)
    qos.egress_packet_burst = read_limit(annotations[kEgressBurst], kMaxPackets).value_or(kDefaultBurst);
  qos.ingress_max_connections = read_limit(annotations[kIngressConnections], kMaxConnections);
  qos.egress_max_connections = read_limit(annotations[kEgressConnections], kMaxConnections);
  qos.dscp = parse_dscp(annotations[kDscp].text());
  if (qos == QosControls{}) return std::nullopt;
  return qos;
}

void read_container_ports(Field containers, std::vector<EndpointPort>& out) {
  static constexpr Choice<Protocol> kProtocols[] = {{"TCP", protocol::kTcp}, {"UDP", protocol::kUdp}, {"SCTP", protocol::kSctp}};
  for (const Field container : containers.items()) {
    for (const Field item : container["ports"].items()) {
      const Field name = item["name"];
      const auto text = name.text();
      const auto number = item["containerPort"].integer(0, 65535);
      const auto proto = item["protocol"].choice(kProtocols);
      if (text && !is_port_name(*text)) {
        name.error(shown(*text) + " is not a port name");
      } else if (text && number.value_or(0) != 0) {  // without a name, nothing can refer to it
        out.push_back({*text, proto.value_or(protocol::kTcp), true, static_cast<std::uint16_t>(*number)});
      }
    }
  }
}

// Strict reading knows the parts of Kubernetes' objects that are of no interest here only as a whole.
void know_kubernetes_fields(Field root, Field spec) {
  spec.known_all();
  root["status"].known_all();
  for (const std::string_view list : {"containers", "initContainers"})
    for (const Field container : spec[list].items()) {
      container.known_all();
      for (const Field port : container["ports"].items()) port.known({"hostPort", "hostIP"});
    }
}

}  // namespace

void decode_pod(const ObjectId& id, Field root, const DecodeOptions& options, Decoded& out) {
  const Field spec = root["spec"];
  if (root.reader().strict()) know_kubernetes_fields(root, spec);
  const bool host_network = spec["hostNetwork"].boolean().value_or(false);
  const Field node_field = spec["nodeName"];
  const auto node = node_field.text();
  if (host_network || !node) return;
  if (!is_dns_subdomain(*node)) node_field.error(shown(*node) + " is not a node name");

  const Field account_field = spec["serviceAccountName"] ? spec["serviceAccountName"] : spec["serviceAccount"];
  const std::string_view account = account_field.text().value_or("");
  if (!account.empty() && !is_dns_subdomain(account))
    account_field.error(shown(account) + " is not the name of a service account");

  const Field metadata = root["metadata"];
  const Annotations annotations = read_annotations(metadata["annotations"]);

  auto wep = std::make_shared<WorkloadEndpoint>();
  static const Symbol k8s{"k8s"}, eth0{"eth0"};
  wep->node = *node;
  wep->orchestrator = k8s;
  wep->workload = id.ns + "/" + id.name;
  wep->endpoint = eth0;
  wep->interface_name = workload_interface_name(options.interface_prefix, id.ns, id.name);
  wep->labels = workload_labels(metadata["labels"], id.ns, k8s, account);
  wep->profiles.reserve(account.empty() ? 1 : 2);
  wep->profiles.emplace_back("kns." + id.ns);
  if (!account.empty()) wep->profiles.emplace_back(("ksa." + id.ns).append(".").append(account));
  if (!is_finished(root, annotations)) wep->nets = read_nets(root["status"], annotations);
  read_container_ports(spec["containers"], wep->ports);
  read_container_ports(spec["initContainers"], wep->ports);
  wep->nats = read_nats(annotations[kFloatingIps], wep->nets);
  wep->allowed_source_prefixes = read_source_prefixes(annotations[kSourcePrefixes]);
  wep->qos = read_qos(annotations);

  out.key = Key{Kind::WorkloadEndpoint, id.ns, workload_endpoint_name(*node, k8s, id.name, eth0)};
  out.value = Ref<WorkloadEndpoint>{std::move(wep)};
}

}  // namespace margay::model
