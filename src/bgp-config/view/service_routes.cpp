#include "service_routes.hpp"

#include <algorithm>

namespace margay::bgp::view {

namespace {

bool in_any(const std::vector<Cidr>& ranges, const Addr& addr) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& range) { return range.contains(addr); });
}
bool in_single(const std::vector<Cidr>& ranges, const Addr& addr) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& range) { return range.is_host() && range.addr == addr; });
}

void sort_distinct(std::vector<Cidr>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

void append_if(std::vector<Cidr>& out, const std::vector<Cidr>& ranges, bool single_too) {
  std::copy_if(ranges.begin(), ranges.end(), std::back_inserter(out),
               [&](const Cidr& range) { return single_too || !range.is_host(); });
}

std::vector<Cidr> of_family(std::vector<Cidr> list, Family family) {
  std::erase_if(list, [&](const Cidr& range) { return range.family() != family; });
  sort_distinct(list);
  return list;
}

// Without ipFamilies, as in a manifest that no API server has completed: those of its addresses.
bool has_family(const Service& service, Family family) {
  if (!service.families.empty())
    return std::find(service.families.begin(), service.families.end(), family) != service.families.end();
  return std::any_of(service.cluster_ips.begin(), service.cluster_ips.end(), [&](const Addr& a) { return a.family == family; });
}

bool has_endpoint(const ServiceContext& context, const ServiceInputs& inputs) {
  for (const auto& [name, slice] : inputs.slices) {
    if (!slice->family || !has_family(*inputs.service, *slice->family)) continue;
    for (const EndpointSlice::Endpoint& endpoint : slice->endpoints)
      if (endpoint.ready && (!inputs.service->external_policy_local || endpoint.node == context.node)) return true;
  }
  return false;
}

bool is_advertised(const ServiceContext& context, const ServiceInputs& inputs) {
  const Service& service = *inputs.service;
  if (service.type != "ClusterIP" && service.type != "NodePort" && service.type != "LoadBalancer") return false;
  if (service.cluster_ips.empty()) return false;  // headless
  if (!service.external_policy_local) {
    // An address that is a range of its own is everyone's, endpoints or not.
    const auto& singles = context.load_balancer_ips;
    if (service.type == "LoadBalancer" &&
        ((service.requested_load_balancer_ip && in_single(singles, *service.requested_load_balancer_ip)) ||
         std::any_of(service.load_balancer_ips.begin(), service.load_balancer_ips.end(),
                     [&](const Addr& a) { return in_single(singles, a); })))
      return true;
    if (std::any_of(service.external_ips.begin(), service.external_ips.end(),
                    [&](const Addr& a) { return in_single(context.external_ips, a); }))
      return true;
    if (context.aggregate) return false;
  }
  return has_endpoint(context, inputs);
}

}  // namespace

std::vector<Cidr> advertised_ranges(const ServiceContext& context) {
  std::vector<Cidr> out;
  if (context.withheld) return out;
  append_if(out, context.cluster_ips, true);
  append_if(out, context.external_ips, false);
  if (context.aggregate) append_if(out, context.load_balancer_ips, false);
  sort_distinct(out);
  return out;
}

// Of load balancers without aggregation as well: Calico forgets those, and their learned addresses get into the kernel.
std::vector<Cidr> rejected_ranges(const ServiceContext& context, Family family) {
  std::vector<Cidr> out;
  append_if(out, context.cluster_ips, true);
  append_if(out, context.external_ips, false);
  append_if(out, context.load_balancer_ips, false);
  return of_family(std::move(out), family);
}

std::vector<Cidr> reflected_ranges(const ServiceContext& context, Family family) {
  std::vector<Cidr> out;
  append_if(out, context.external_ips, true);
  append_if(out, context.load_balancer_ips, true);
  return of_family(std::move(out), family);
}

std::vector<Cidr> service_routes(const ServiceContext& context, const ServiceInputs& inputs) {
  std::vector<Cidr> out;
  if (context.withheld || !inputs.service || !is_advertised(context, inputs)) return out;
  const Service& service = *inputs.service;
  // Where the node advertises the whole range anyway, an address of its own says something only if not every node has it.
  const bool beside_range = service.external_policy_local;
  const auto append = [&](const std::vector<Addr>& addresses, const std::vector<Cidr>& ranges, bool ranges_advertised) {
    for (const Addr& addr : addresses)
      if (in_any(ranges, addr) && (beside_range || !ranges_advertised || in_single(ranges, addr))) out.emplace_back(addr);
  };
  append(service.cluster_ips, context.cluster_ips, true);
  append(service.external_ips, context.external_ips, true);
  append(service.load_balancer_ips, context.load_balancer_ips, context.aggregate);
  sort_distinct(out);
  return out;
}

}  // namespace margay::bgp::view
