#include "calc/pass_through.hpp"

#include <algorithm>

namespace margay::calc {

void PassThrough::on_node(const Key& key, const Ref<Node>& node) {
  if (!node) return out_.nodes.remove(key.name);
  out_.nodes.set(key.name, {node->ipv4, node->ipv6});
}

void PassThrough::choose_pool(const Cidr& cidr, const Symbol& changed) {
  const auto it = pools_by_cidr_.find(cidr);
  out_.pools.remove(changed);
  if (it == pools_by_cidr_.end()) return;
  if (it->second.empty()) {
    pools_by_cidr_.erase(it);
    return;
  }
  for (const Symbol& name : it->second) out_.pools.remove(name);
  out_.pools.set(it->second.front(), pools_.at(it->second.front()));
}

void PassThrough::on_pool(const Key& key, const Ref<IpPool>& pool) {
  if (const auto it = pools_.find(key.name); it != pools_.end()) {
    const Cidr cidr = it->second->cidr;
    std::erase(pools_by_cidr_[cidr], key.name);
    pools_.erase(it);
    choose_pool(cidr, key.name);
  }
  if (!pool) return;
  pools_[key.name] = pool;
  auto& names = pools_by_cidr_[pool->cidr];
  names.insert(std::lower_bound(names.begin(), names.end(), key.name), key.name);
  choose_pool(pool->cidr, key.name);
}

void PassThrough::on_bgp_configuration(const Key& key, const Ref<BgpConfiguration>& configuration) {
  if (!(key.name == "default")) return;
  std::vector<Cidr> cidrs;
  if (configuration) {
    for (const auto* list :
         {&configuration->service_cluster_ips, &configuration->service_external_ips, &configuration->service_load_balancer_ips}) {
      cidrs.insert(cidrs.end(), list->begin(), list->end());
    }
  }
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  if (cidrs.empty()) out_.service_cidrs.remove(Symbol{});
  else out_.service_cidrs.set(Symbol{}, std::move(cidrs));

  NodeAddresses peering;
  if (configuration) peering = {configuration->local_workload_peering_v4, configuration->local_workload_peering_v6};
  if (peering == NodeAddresses{}) out_.peering.remove(Symbol{});
  else out_.peering.set(Symbol{}, peering);
}

void PassThrough::on_block_affinity(const Key& key, const Ref<BlockAffinity>& affinity) {
  const bool ours = affinity && affinity->of_host && affinity->node == node_ &&
                    affinity->state != BlockAffinity::State::Pending && !affinity->cidr.is_host();
  if (ours) blocks_.insert_or_assign(key.name, affinity->cidr);
  else if (blocks_.erase(key.name) == 0) return;
  std::vector<Cidr> blocks;
  for (const auto& [name, cidr] : blocks_) blocks.push_back(cidr);
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  if (blocks.empty()) out_.blocks.remove(Symbol{});
  else out_.blocks.set(Symbol{}, std::move(blocks));
}

}  // namespace margay::calc
