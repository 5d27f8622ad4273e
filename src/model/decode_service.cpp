// Service and EndpointSlice, as far as rules and routes refer to them.
#include "decode_kinds.hpp"
#include "endpoint_parts.hpp"
#include "names.hpp"

namespace margay::model {

namespace {

constexpr Choice<Protocol> kProtocols[] = {{"TCP", protocol::kTcp}, {"UDP", protocol::kUdp}, {"SCTP", protocol::kSctp}};

void append_addr(Field field, std::vector<Addr>& out) {
  if (const auto addr = field.addr()) append_once(out, *addr);
}

// "None" is how a headless service says that it has no address.
void append_cluster_ip(Field field, std::vector<Addr>& out) {
  if (!field.is_text() || field.text().value_or("") != "None") append_addr(field, out);
}

bool is_local(Field policy) {
  static constexpr Choice<bool> kPolicies[] = {{"Cluster", false}, {"Local", true}};
  return policy.choice(kPolicies).value_or(false);
}

Symbol read_port_name(Field field) {
  const auto name = field.text();
  if (!name) return {};
  if (!is_dns_label(*name)) field.error(shown(*name) + " is not a port name");
  return *name;
}

}  // namespace

void decode_service(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  spec.known_all();
  root["status"].known_all();
  auto service = std::make_shared<Service>();

  static constexpr Choice<std::string_view> kTypes[] = {
      {"ClusterIP", "ClusterIP"}, {"NodePort", "NodePort"}, {"LoadBalancer", "LoadBalancer"}, {"ExternalName", "ExternalName"}};
  service->type = spec["type"].choice(kTypes).value_or("ClusterIP");
  append_cluster_ip(spec["clusterIP"], service->cluster_ips);
  for (const Field ip : spec["clusterIPs"].items()) append_cluster_ip(ip, service->cluster_ips);
  for (const Field ip : spec["externalIPs"].items()) append_addr(ip, service->external_ips);
  for (const Field ingress : root["status"]["loadBalancer"]["ingress"].items()) {
    ingress.known_all();
    append_addr(ingress["ip"], service->load_balancer_ips);
  }
  for (const Field item : spec["ports"].items()) {
    ServicePort port;
    item.known({"targetPort", "appProtocol"});
    port.name = read_port_name(item["name"]);
    port.protocol = item["protocol"].choice(kProtocols).value_or(protocol::kTcp);
    port.port = static_cast<std::uint16_t>(item["port"].require().integer(1, 65535).value_or(0));
    port.node_port = static_cast<std::uint16_t>(item["nodePort"].integer(0, 65535).value_or(0));
    service->ports.push_back(std::move(port));
  }
  // Kubernetes does not judge it.
  if (const Field wanted = spec["loadBalancerIP"]; wanted.is_text())
    service->requested_load_balancer_ip = Addr::parse(wanted.text().value_or(""));
  static constexpr Choice<Family> kServiceFamilies[] = {{"IPv4", Family::V4}, {"IPv6", Family::V6}};
  for (const Field item : spec["ipFamilies"].items())
    if (const auto family = item.choice(kServiceFamilies)) append_once(service->families, *family);
  service->external_policy_local = is_local(spec["externalTrafficPolicy"]);
  service->internal_policy_local = is_local(spec["internalTrafficPolicy"]);

  out.key = Key{Kind::Service, id.ns, id.name};
  out.value = Ref<Service>{std::move(service)};
}

void decode_endpoint_slice(const ObjectId& id, Field root, Decoded& out) {
  auto slice = std::make_shared<EndpointSlice>();
  slice->service = root["metadata"]["labels"]["kubernetes.io/service-name"].text().value_or("");
  root["metadata"]["labels"].known_all();

  enum class Type { V4, V6, Name };
  static constexpr Choice<Type> kTypes[] = {{"IPv4", Type::V4}, {"IPv6", Type::V6}, {"FQDN", Type::Name}};
  const auto type = root["addressType"].require().choice(kTypes);
  if (type && *type != Type::Name) slice->family = *type == Type::V4 ? Family::V4 : Family::V6;
  for (const Field item : root["endpoints"].items(1000)) {
    EndpointSlice::Endpoint endpoint;
    item.known({"hostname", "targetRef", "zone", "hints", "deprecatedTopology"});
    for (const Field address : item["addresses"].items(100)) {
      if (type == Type::Name) continue;  // names of hosts are no members of sets
      const auto addr = address.addr();
      if (!addr) continue;
      if (type && (addr->family == Family::V4) != (type == Type::V4))
        address.error("is of another family than the slice's addressType");
      else append_once(endpoint.addresses, *addr);
    }
    endpoint.node = item["nodeName"].text().value_or("");
    const Field conditions = item["conditions"];
    conditions.known({"serving", "terminating"});
    endpoint.ready = conditions["ready"].boolean().value_or(true);
    slice->endpoints.push_back(std::move(endpoint));
  }
  for (const Field item : root["ports"].items()) {
    item.known({"appProtocol"});
    ServicePort port;
    port.name = read_port_name(item["name"]);
    port.protocol = item["protocol"].choice(kProtocols).value_or(protocol::kTcp);
    const auto number = item["port"].integer(0, 65535);
    if (!number || *number == 0) continue;  // "any port": cannot be a member
    port.port = static_cast<std::uint16_t>(*number);
    slice->ports.push_back(std::move(port));
  }
  out.key = Key{Kind::EndpointSlice, id.ns, id.name};
  out.value = Ref<EndpointSlice>{std::move(slice)};
}

}  // namespace margay::model
