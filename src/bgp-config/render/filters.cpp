#include "filters.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "decisions.hpp"
#include "text.hpp"

namespace margay::bgp {
namespace {

// A condition that is always or never true is not written.
struct Condition {
  std::vector<std::string> all;
  bool never = false;
  void constant(bool value) { never = never || !value; }
};

void add_cidr(Condition& out, const BgpFilterRule& rule, Family family) {
  const Cidr& cidr = *rule.cidr;
  using Match = BgpFilterRule::Match;
  const bool negated = rule.match == Match::NotIn || rule.match == Match::NotEqual;
  const bool exact = rule.match == Match::Equal || rule.match == Match::NotEqual;
  if (cidr.family() != family) return out.constant(negated);
  std::string test;
  if (!rule.min_length && !rule.max_length) {
    test = exact ? fmt::format("net = {}", cidr.to_string()) : fmt::format("net ~ [{}+]", cidr.to_string());
  } else {
    // Without the lower bound `{0,32}` would match nets that contain the CIDR, the default route among them.
    const unsigned low = std::max<unsigned>(cidr.prefix, rule.min_length.value_or(0));
    const unsigned high = std::min<unsigned>(bits(family), rule.max_length.value_or(255));
    if (low > high || (exact && low > cidr.prefix)) return out.constant(negated);
    test = exact ? fmt::format("net = {}", cidr.to_string()) : fmt::format("net ~ [{}{{{},{}}}]", cidr.to_string(), low, high);
  }
  out.all.push_back(negated ? "!(" + test + ")" : test);
}

Condition condition_of(const BgpFilterRule& rule, Family family) {
  Condition out;
  if (rule.cidr) add_cidr(out, rule, family);
  if (rule.from_remote_peers) out.all.emplace_back("source = RTS_BGP");
  if (!rule.interface.empty()) {
    // A route without interface (blackhole, multipath) has "" there, which only stars match.
    if (rule.interface.find_first_not_of('*') == std::string::npos) out.all.emplace_back("ifname != \"\"");
    else out.all.push_back(fmt::format("ifname ~ \"{}\"", quotable(rule.interface)));
  }
  if (rule.external_peer) out.all.emplace_back(*rule.external_peer ? "!same_as" : "same_as");
  if (rule.community) {
    if (const auto text = community_text(*rule.community))
      out.all.push_back(fmt::format("{} ~ {}", *text, community_list(*rule.community)));
    else out.constant(false);
  }
  if (!rule.as_path_prefix.empty()) out.all.push_back(fmt::format("bgp_path ~ [= {} * =]", fmt::join(rule.as_path_prefix, " ")));
  if (rule.priority) {
    if (*rule.priority > kMaxPriority) out.constant(false);
    else out.all.push_back(fmt::format("bgp_local_pref = {}", kMaxPriority - *rule.priority));
  }
  return out;
}

struct Action {
  bool import;
  std::uint32_t normal_priority;
  std::string& out;

  void operator()(const BgpFilterRule::AddCommunity& add) const {
    if (const auto text = community_text(add.community))
      out += fmt::format("    {}.add({});\n", community_list(add.community), *text);
  }
  void operator()(const BgpFilterRule::PrependAsPath& prepend) const {
    for (auto as = prepend.prefix.rbegin(); as != prepend.prefix.rend(); ++as)
      out += fmt::format("    bgp_path.prepend({});\n", *as);
  }
  void operator()(const BgpFilterRule::SetPriority& set) const {
    const std::uint32_t priority = std::min(set.priority, kMaxPriority);
    out += fmt::format("    bgp_local_pref = {};\n", kMaxPriority - priority);
    // The kernel's metric does not carry a priority here: our own preference does (decision 0220).
    if (import) out += fmt::format("    preference = {};\n", priority < normal_priority ? kElevatedBgp : kNormalBgp);
  }
};

std::string text_of(const BgpFilterRule& rule, bool import, Family family, std::uint32_t normal_priority) {
  const Condition condition = condition_of(rule, family);
  if (condition.never) return {};
  std::string body;
  if (rule.accept)
    for (const auto& operation : rule.operations) std::visit(Action{import, normal_priority, body}, operation);
  const char* verdict = rule.accept ? "accept" : "reject";
  const std::string when = fmt::format("{}", fmt::join(condition.all, " && "));
  if (body.empty()) return when.empty() ? fmt::format("  {};\n", verdict) : fmt::format("  if {} then {};\n", when, verdict);
  return fmt::format("  if {} then {{\n{}    {};\n  }}\n", when.empty() ? "true" : when, body, verdict);
}

}  // namespace

std::string render_filter(std::string_view name, const BgpFilter* filter, bool import, Family family,
                          std::uint32_t normal_priority) {
  std::string out = fmt::format("# BGPFilter {}, {} v{}\nfunction {}(bool same_as) {{\n", quotable(name, 253),
                                import ? "import" : "export", digit(family), filter_function(name, import, family));
  if (filter)
    for (const auto& rule : (import ? filter->import_rules : filter->export_rules)[index(family)])
      out += text_of(rule, import, family, normal_priority);
  out += "}\n";
  return out;
}

}  // namespace margay::bgp
