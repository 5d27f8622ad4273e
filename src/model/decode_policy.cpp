#include "decode_policy.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "decode_rule.hpp"
#include "metadata.hpp"
#include "names.hpp"

namespace margay::model {
namespace {

enum class StagedAction : std::uint8_t { Set, Delete, Learn, Ignore };
constexpr Choice<StagedAction> kStagedActions[] = {{"Set", StagedAction::Set},
                                                   {"Delete", StagedAction::Delete},
                                                   {"Learn", StagedAction::Learn},
                                                   {"Ignore", StagedAction::Ignore}};
constexpr Choice<bool> kTypes[] = {{"Ingress", true}, {"Egress", false}};  // is it Ingress?
constexpr Choice<bool> kHints[] = {{"AssumeNeededOnEveryNode", true}};
constexpr Choice<bool> kDefaultActions[] = {{"Pass", true}, {"Deny", false}};  // is it Pass?

struct BuiltInTier {
  std::string_view name;
  double order;
  bool pass;
};
constexpr BuiltInTier kBuiltInTiers[] = {
    {"default", 1'000'000, false}, {"kube-admin", 1'000, true}, {"kube-baseline", 10'000'000, true}};

// Absent, or what Go's JSON leaves out: empty, zero, false.
bool holds_nothing(Field field) {
  if (!field.present()) return true;
  if (field.is_text()) return field.text() == std::string_view{};
  if (field.is_object() || field.is_list()) return field.size() == 0;
  if (field.is_number()) return false;  // order is a pointer: 0 is a value
  return field.boolean() == false;
}

bool has_rules(Field list) { return list.present() && !(list.is_list() && list.size() == 0); }

// One of the texts that say what is selected: nothing where it is not given, and `readable` cleared where it is wrong.
std::optional<Selector> selecting(Field field, bool& readable) {
  auto selector = field.selector();
  if (!selector) {
    if (field.present()) readable = false;
    return std::nullopt;
  }
  if (selector->mentions_global()) {
    field.error("global() can only be used in the namespaceSelector of a rule");
    readable = false;
  }
  if (field.text()->empty()) return std::nullopt;
  return selector;
}

void add(std::optional<Selector>& whole, const Selector& part) { whole = whole ? Selector::both(*whole, part) : part; }

// What the policy selects, or nothing if that cannot be read.
std::optional<Selector> decode_selected(const ObjectId& id, Field spec) {
  bool readable = !spec.present() || spec.is_object();
  auto whole = selecting(spec["selector"], readable);
  if (info(id.kind).namespaced) {
    add(whole, Selector::equals(kNamespaceLabel, id.ns));
    if (const auto accounts = selecting(spec["serviceAccountSelector"], readable)) {
      add(whole, accounts->with_prefix(kServiceAccountPrefix));
    }
  } else {
    // Calico's: all() anywhere in the text so far turns into "has a namespace", so that host endpoints stay out.
    if (const auto namespaces = selecting(spec["namespaceSelector"], readable)) {
      add(whole, namespaces->with_prefix(kNamespacePrefix));
      whole = whole->narrowed_to(kNamespaceLabel);
    }
    if (const auto accounts = selecting(spec["serviceAccountSelector"], readable)) {
      add(whole, accounts->with_prefix(kServiceAccountPrefix));
      whole = whole->narrowed_to(kServiceAccountLabel);
    }
  }
  if (!readable) return std::nullopt;
  return whole ? *whole : Selector{};
}

void decode_flags(Field spec, Governed governed, Policy& policy) {
  const Field untracked = spec["doNotTrack"];
  const Field pre_dnat = spec["preDNAT"];
  const Field forward = spec["applyOnForward"];
  policy.do_not_track = untracked.boolean().value_or(false);
  policy.pre_dnat = pre_dnat.boolean().value_or(false);
  const auto on_forward = forward.boolean();
  policy.apply_on_forward = on_forward.value_or(false);
  const bool on_forward_unreadable = forward.present() && !on_forward;
  if (policy.do_not_track && policy.pre_dnat) pre_dnat.error("cannot be combined with doNotTrack");
  for (const auto& [set, field] : {std::pair{policy.do_not_track, untracked}, std::pair{policy.pre_dnat, pre_dnat}}) {
    if (set && !policy.apply_on_forward && !on_forward_unreadable) field.error("needs applyOnForward to be true");
  }
  if (policy.pre_dnat && has_rules(spec["egress"])) spec["egress"].error("a preDNAT policy has no egress rules");
  if (policy.pre_dnat && governed.egress && spec["types"].present()) spec["types"].error("a preDNAT policy has no type Egress");
  // For the closed form: with a contradiction it is a plain policy, of local and forwarded traffic alike.
  const bool unreadable =
      on_forward_unreadable || (untracked.present() && !untracked.boolean()) || (pre_dnat.present() && !pre_dnat.boolean());
  if (!spec.reader().failed()) return;
  policy.apply_on_forward = policy.apply_on_forward || policy.do_not_track || policy.pre_dnat || unreadable;
  if (policy.do_not_track && policy.pre_dnat) policy.do_not_track = policy.pre_dnat = false;
  if (policy.pre_dnat && governed.egress) policy.pre_dnat = false;
}

}  // namespace

Governed decode_types(Field types, Field ingress_rules, Field egress_rules, bool unique) {
  if (types.present() && !(types.is_list() && types.size() == 0)) {
    Governed out{false, false};
    bool readable = types.is_list();
    const auto items = types.items(2);
    readable = readable && items.size() > 0;
    for (const Field item : items) {
      const auto ingress = item.choice(kTypes);
      if (!ingress) {
        readable = false;
        continue;
      }
      bool& governed = *ingress ? out.ingress : out.egress;
      if (governed && unique) item.error("is given twice");
      governed = true;
    }
    return readable ? out : Governed{true, true};
  }
  const bool egress = has_rules(egress_rules);
  return {has_rules(ingress_rules) || !egress, egress};
}

void finish_policy(const ObjectId& id, Field root, const std::optional<Selector>& selector, Governed governed, Policy policy,
                   Decoded& out) {
  out.key = Key{id.kind, info(id.kind).namespaced ? Symbol{id.ns} : Symbol{}, id.name};
  const bool failed = root.reader().failed();
  if (!selector) return;
  policy.selector = *selector;
  policy.governs_ingress = governed.ingress;
  policy.governs_egress = governed.egress;
  if (failed) {
    policy.closed = true;
    Rule deny;
    deny.action = Action::Deny;
    policy.ingress.assign(1, deny);
    policy.egress.assign(1, deny);
  }
  // Rules of a direction that is not governed mean nothing; kept, they would cost sets in the kernel.
  if (!policy.governs_ingress) policy.ingress.clear();
  if (!policy.governs_egress) policy.egress.clear();
  policy.ingress.shrink_to_fit();
  policy.egress.shrink_to_fit();
  out.value = std::make_shared<const Policy>(std::move(policy));
}

bool decode_staged_delete(Field spec, std::string_view kept) {
  const Field action = spec["stagedAction"];
  if (action.choice(kStagedActions) != StagedAction::Delete) return false;
  spec.entries([&](std::string_view name, Field field) {
    if (name != "stagedAction" && name != kept && !holds_nothing(field)) field.error("cannot be set when stagedAction is Delete");
  });
  return true;
}

void decode_policy(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  const bool global = !info(id.kind).namespaced;
  Policy policy;
  policy.staged = id.kind == Kind::StagedNetworkPolicy || id.kind == Kind::StagedGlobalNetworkPolicy;

  // For who writes it only: the label says nothing about what the policy does, so it is no reason to close one (decision 0057).
  if (const Field label = root["metadata"]["labels"][kNamespaceLabel]; label.present() && root.reader().strict()) {
    label.error("is set by the system only");
  }
  if (policy.staged && decode_staged_delete(spec, "tier")) {
    out.key = Key{id.kind, global ? Symbol{} : Symbol{id.ns}, id.name};
    return;
  }
  const auto selector = decode_selected(id, spec);
  const Field tier = spec["tier"];
  if (const auto name = tier.text(); name && !name->empty()) {
    if (is_dns_subdomain(*name)) policy.tier = *name;
    else tier.error(shown(*name) + " is not a tier's name");
  }
  const Field order = spec["order"];
  policy.order = order.number();
  // Closed where it stands; and where that cannot be read, before all others.
  if (order.present() && !policy.order) policy.order = std::numeric_limits<double>::lowest();

  const Field ingress = spec["ingress"];
  const Field egress = spec["egress"];
  const std::string_view ns = global ? std::string_view{} : std::string_view{id.ns};
  policy.ingress = decode_rules(ingress, Direction::Ingress, ns);
  policy.egress = decode_rules(egress, Direction::Egress, ns);
  const auto governed = decode_types(spec["types"], ingress, egress, true);
  const Field hints = spec["performanceHints"];
  for (const Field item : hints.items()) {
    if (item.choice(kHints)) policy.needed_everywhere = true;
  }
  if (global) decode_flags(spec, governed, policy);
  finish_policy(id, root, selector, governed, std::move(policy), out);
}

void decode_tier(const ObjectId& id, Field root, Decoded& out) {
  const Field spec = root["spec"];
  Tier tier;
  tier.order = spec["order"].number();
  tier.default_pass = spec["defaultAction"].choice(kDefaultActions).value_or(false);
  for (const auto& fixed : kBuiltInTiers) {
    if (fixed.name != id.name) continue;
    const auto order = spec["order"].number();
    if (order && *order != fixed.order) spec["order"].error(fmt::format("tier {} has order {}", fixed.name, fixed.order));
    if (spec["defaultAction"].present() && tier.default_pass != fixed.pass) {
      spec["defaultAction"].error(fmt::format("tier {} has defaultAction {}", fixed.name, fixed.pass ? "Pass" : "Deny"));
    }
    tier = {fixed.order, fixed.pass};
  }
  out.key = Key{Kind::Tier, {}, id.name};
  out.value = std::make_shared<const Tier>(tier);
}

}  // namespace margay::model
