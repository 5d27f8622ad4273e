#include "guards.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kinds.hpp"
#include "object.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

constexpr Kind kTiered[] = {Kind::NetworkPolicy, Kind::GlobalNetworkPolicy, Kind::StagedNetworkPolicy,
                            Kind::StagedGlobalNetworkPolicy};
constexpr std::string_view kDefaultAllow = "projectcalico-default-allow";

Error refused(std::string text) { return Error{ErrorCode::Invalid, std::move(text)}; }

bool is_tiered(Kind kind) { return std::find(std::begin(kTiered), std::end(kTiered), kind) != std::end(kTiered); }

std::string tier_of(const json& policy) {
  const auto spec = policy.find("spec");
  if (spec == policy.end() || !spec->is_object()) return "default";
  const auto tier = spec->find("tier");
  return tier != spec->end() && tier->is_string() && !tier->get_ref<const std::string&>().empty() ? tier->get<std::string>()
                                                                                                  : "default";
}

// The pool as it counts, if it is one that decodes.
std::optional<IpPool> pool_of(const ObjectId& id, json object) {
  apply_defaults(id, object);
  const Decoded decoded = decode(id, object, {});
  if (!decoded.value) return std::nullopt;
  const auto* pool = std::get_if<Ref<IpPool>>(&*decoded.value);
  return pool == nullptr ? std::nullopt : std::optional<IpPool>{**pool};
}

bool overlap(const Cidr& a, const Cidr& b) { return a.contains(b) || b.contains(a); }

Status guard_pool(const ObjectId& id, const json& object, const json* before, const Lookup& lookup) {
  const auto pool = pool_of(id, object);
  if (!pool) return {};
  if (before != nullptr) {
    const auto old = pool_of(id, *before);
    if (!old) return {};
    if (pool->cidr != old->cidr)
      return refused(
          fmt::format("spec.cidr: cannot be changed (it is {}); make a new pool and disable this one", old->cidr.to_string()));
    if (pool->block_size != old->block_size)
      return refused(
          fmt::format("spec.blockSize: cannot be changed (it is {}); make a new pool and disable this one", old->block_size));
    return {};
  }
  auto others = lookup.list(Kind::IPPool);
  if (!others) return others.error();
  for (const json& other : *others) {
    const auto other_id = identify(other);
    if (!other_id || *other_id == id) continue;
    const auto there = pool_of(*other_id, other);
    if (there && overlap(pool->cidr, there->cidr))
      return refused(
          fmt::format("spec.cidr: {} overlaps {} of IPPool {}", pool->cidr.to_string(), there->cidr.to_string(), other_id->name));
  }
  return {};
}

}  // namespace

Status guard_write(const ObjectId& id, const json& object, const json* before, const Lookup& lookup) {
  switch (id.kind) {
    case Kind::ClusterInformation: return refused("is written by the node stack only; margayctl does not change it");
    case Kind::Profile:
      if (id.name == kDefaultAllow) return refused("is built in and cannot be changed; write a profile of your own");
      return {};
    case Kind::IPPool: return guard_pool(id, object, before, lookup);
    default: break;
  }
  if (!is_tiered(id.kind)) return {};
  if (id.kind == Kind::NetworkPolicy && id.name.starts_with("knp.default."))
    return refused(
        "metadata.name: names starting knp.default. belong to Kubernetes NetworkPolicies; write one of those "
        "(networking.k8s.io/v1), or choose another name");
  if (before != nullptr) return {};  // the tier is looked up on create only, as Calico does
  const ObjectId tier{Kind::Tier, "", tier_of(object)};
  auto there = lookup.exists(tier);
  if (!there) return there.error();
  if (!*there) return refused(fmt::format("spec.tier: there is no tier {}; create it first", tier.name));
  return {};
}

Status guard_delete(const ObjectId& id, const Lookup& lookup) {
  if (id.kind == Kind::ClusterInformation) return refused("belongs to the node stack and cannot be deleted");
  if (id.kind == Kind::Profile && id.name == kDefaultAllow) return refused("is built in and cannot be deleted");
  if (id.kind != Kind::Tier) return {};
  if (built_in(id)) return refused("is built in and cannot be deleted");
  std::size_t count = 0;
  std::string first;
  for (const Kind kind : kTiered) {
    auto policies = lookup.list(kind);
    if (!policies) return policies.error();
    for (const json& policy : *policies) {
      if (tier_of(policy) != id.name) continue;
      ++count;
      if (const auto named = identify(policy); named && first.empty()) first = describe(*named);
    }
  }
  if (count > 0)
    return refused(fmt::format("still has {} {} ({}{}); delete or move {} first", count, count == 1 ? "policy" : "policies",
                               first, count == 1 ? "" : ", …", count == 1 ? "it" : "them"));
  return {};
}

}  // namespace margay::ctl
