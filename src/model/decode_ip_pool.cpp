// IPPool (datastore-model §3.7): what one pool alone can show to be wrong. Overlaps are the business of who sees all pools.
#include <fmt/format.h>

#include "decode_kinds.hpp"

namespace margay::model {

namespace {

constexpr Choice<IpPool::Encap> kEncaps[] = {
    {"Never", IpPool::Encap::Never}, {"Always", IpPool::Encap::Always}, {"CrossSubnet", IpPool::Encap::CrossSubnet}};

struct Limits {
  int smallest, largest, usual;
};
constexpr Limits block_limits(Family family) { return family == Family::V4 ? Limits{20, 32, 26} : Limits{116, 128, 122}; }

const Cidr& link_local(Family family) {
  static const Cidr v4 = *Cidr::parse("169.254.0.0/16");
  static const Cidr v6 = *Cidr::parse("fe80::/10");
  return family == Family::V4 ? v4 : v6;
}

void read_uses(Field uses, IpPool& pool) {
  if (uses.size() == 0) {
    (void)uses.items();  // for the error, if it is no list
    return;              // the defaults: workloads and tunnels
  }
  pool.use_workload = pool.use_tunnel = pool.use_load_balancer = false;
  static constexpr Choice<bool IpPool::*> kUses[] = {
      {"Workload", &IpPool::use_workload}, {"Tunnel", &IpPool::use_tunnel}, {"LoadBalancer", &IpPool::use_load_balancer}};
  for (const Field use : uses.items())
    if (const auto member = use.choice(kUses)) pool.*(*member) = true;
  if (pool.use_load_balancer && (pool.use_workload || pool.use_tunnel))
    uses.error("LoadBalancer cannot be together with other uses");
  pool.only_load_balancer = pool.use_load_balancer && !pool.use_workload && !pool.use_tunnel;
}

}  // namespace

void decode_ip_pool(const ObjectId& id, Field root, Decoded& out) {
  auto pool = std::make_shared<IpPool>();
  const Field spec = root["spec"];
  pool->nat_outgoing = spec["natOutgoing"].boolean().value_or(false);
  pool->disabled = spec["disabled"].boolean().value_or(false);
  pool->disable_bgp_export = spec["disableBGPExport"].boolean().value_or(false);
  pool->ipip = spec["ipipMode"].choice(kEncaps).value_or(IpPool::Encap::Never);
  pool->vxlan = spec["vxlanMode"].choice(kEncaps).value_or(IpPool::Encap::Never);
  read_uses(spec["allowedUses"], *pool);
  static constexpr Choice<bool> kModes[] = {{"Automatic", true}, {"Manual", false}};
  pool->automatic = spec["assignmentMode"].choice(kModes).value_or(true);

  const Field cidr_field = spec["cidr"];
  const auto cidr = cidr_field.require().masked_cidr();
  const Field block_field = spec["blockSize"];
  if (cidr) {
    pool->cidr = *cidr;
    const Family family = cidr->family();
    const Limits limits = block_limits(family);
    const Cidr& local = link_local(family);
    if (local.contains(*cidr) || cidr->contains(local))
      cidr_field.error("overlaps with the link-local network " + local.to_string());
    // Zero is how Go writes "not set" here.
    const std::int64_t block = block_field.integer(0, 128).value_or(0);
    if (block != 0 && (block < limits.smallest || block > limits.largest))
      block_field.error(fmt::format("{} is not between {} and {}", block, limits.smallest, limits.largest));
    pool->block_size = static_cast<std::uint8_t>(block == 0 ? limits.usual : block);
    if (!pool->disabled && cidr->prefix > pool->block_size)
      cidr_field.error(fmt::format("{} is smaller than a block (/{})", cidr->to_string(), pool->block_size));
    if (family == Family::V6 && pool->ipip != IpPool::Encap::Never) spec["ipipMode"].error("is for IPv4 pools only");
  }
  if (pool->ipip != IpPool::Encap::Never && pool->vxlan != IpPool::Encap::Never)
    spec["vxlanMode"].error("cannot be together with ipipMode");

  if (const auto selector = spec["nodeSelector"].plain_selector()) pool->node_selector = *selector;
  pool->namespace_selector = spec["namespaceSelector"].plain_selector();
  if (pool->namespace_selector && pool->use_tunnel)
    spec["namespaceSelector"].error("cannot be together with the use Tunnel (which is in the default of allowedUses)");
  if (pool->use_load_balancer) {
    if (pool->ipip != IpPool::Encap::Never) spec["ipipMode"].error("cannot be together with the use LoadBalancer");
    if (pool->vxlan != IpPool::Encap::Never) spec["vxlanMode"].error("cannot be together with the use LoadBalancer");
    if (pool->disable_bgp_export) spec["disableBGPExport"].error("cannot be together with the use LoadBalancer");
    if (!pool->node_selector.is_all()) spec["nodeSelector"].error("must be all() with the use LoadBalancer");
  }
  out.key = Key{Kind::IPPool, {}, id.name};
  out.value = Ref<IpPool>{std::move(pool)};
}

}  // namespace margay::model
