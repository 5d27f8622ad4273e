// BGPFilter (datastore-model §3.8, bgp §1.4).
#include <array>

#include <fmt/format.h>

#include "as_number.hpp"
#include "bgp_fields.hpp"
#include "decode_kinds.hpp"

namespace margay::model {

namespace {

using Match = BgpFilterRule::Match;
constexpr std::size_t kMaxOperations = 10, kMaxPrepends = 10;
constexpr std::array<std::string_view, 2> kImports{"importV4", "importV6"}, kExports{"exportV4", "exportV6"};  // by Family

std::vector<std::uint32_t> read_as_path(Field list, std::size_t limit) {
  std::vector<std::uint32_t> out;
  for (const Field item : list.items(limit))
    if (const auto number = read_as_number(item.require())) out.push_back(*number);
  return out;
}

void read_prefix(Field rule, Family family, BgpFilterRule& out) {
  static constexpr Choice<Match> kMatches[] = {
      {"In", Match::In}, {"NotIn", Match::NotIn}, {"Equal", Match::Equal}, {"NotEqual", Match::NotEqual}};
  const Field cidr = rule["cidr"], match = rule["matchOperator"], length = rule["prefixLength"];
  out.cidr = cidr.cidr();
  if (out.cidr && out.cidr->family() != family) cidr.error(fmt::format("must be an IPv{} network", digit(family)));
  out.match = match.choice(kMatches).value_or(Match::In);
  if (cidr.present() && !match.present()) match.error("is required with cidr");
  if (match.present() && !cidr.present()) match.error("needs cidr");
  if (!length.present()) return;
  if (!cidr.present()) length.error("needs cidr");
  const auto min = length["min"].integer(0, bits(family)), max = length["max"].integer(0, bits(family));
  if (min) out.min_length = static_cast<std::uint8_t>(*min);
  if (max) out.max_length = static_cast<std::uint8_t>(*max);
  if (min && max && *min > *max) length["min"].error("is more than max");
}

std::optional<BgpFilterRule::Operation> read_operation(Field item) {
  const Field add = item["addCommunity"], prepend = item["prependASPath"], priority = item["setPriority"];
  if (add.present() + prepend.present() + priority.present() != 1) {
    item.error("must have exactly one of addCommunity, prependASPath, setPriority");
    return std::nullopt;
  }
  if (add.present()) {
    if (const auto value = read_community(add["value"].require())) return BgpFilterRule::AddCommunity{*value};
  } else if (priority.present()) {
    if (const auto value = read_priority(priority["value"].require())) return BgpFilterRule::SetPriority{*value};
  } else {
    const Field prefix = prepend["prefix"];
    if (prefix.size() == 0 && (!prefix.present() || prefix.is_list())) prefix.error("must have at least one AS number");
    return BgpFilterRule::PrependAsPath{read_as_path(prefix, kMaxPrepends)};
  }
  return std::nullopt;
}

BgpFilterRule read_rule(Field item, Family family) {
  BgpFilterRule rule;
  read_prefix(item, family, rule);
  static constexpr Choice<bool> kSources[] = {{"RemotePeers", true}};
  rule.from_remote_peers = item["source"].choice(kSources).value_or(false);
  rule.interface = read_interface_pattern(item["interface"]);
  static constexpr Choice<bool> kPeerTypes[] = {{"eBGP", true}, {"iBGP", false}};
  rule.external_peer = item["peerType"].choice(kPeerTypes);
  if (const Field communities = item["communities"]; communities.present()) {
    const Field values = communities["values"];
    if (values.size() != 1 && (!values.present() || values.is_list())) values.error("must have exactly one community");
    for (const Field value : values.items()) rule.community = read_community(value.require());
  }
  rule.as_path_prefix = read_as_path(item["asPathPrefix"], std::numeric_limits<std::size_t>::max());
  rule.priority = read_priority(item["priority"]);
  static constexpr Choice<bool> kActions[] = {{"Accept", true}, {"Reject", false}};
  const Field action = item["action"];
  const auto accept = action.require().choice(kActions);
  rule.accept = accept.value_or(false);
  const Field operations = item["operations"];
  for (const Field operation : operations.items(kMaxOperations))
    if (auto read = read_operation(operation)) rule.operations.push_back(*std::move(read));
  if (operations.size() > 0 && accept == false) operations.error("can only be with the action Accept");
  return rule;
}

// A list that holds rules, or what cannot be read as rules.
bool names(Field list) { return list.present() && !(list.is_list() && list.size() == 0); }

// Which of its rules were to be in force nobody knows: those it has are one Reject. Without any list to be read, all four are.
void close(Field spec, BgpFilter& filter) {
  filter.closed = true;
  const bool readable = !spec.present() || spec.is_object();
  for (const Family family : kFamilies) {
    const auto close_list = [&](std::string_view name, std::vector<BgpFilterRule>& rules) {
      rules.assign(!readable || names(spec[name]) ? 1 : 0, BgpFilterRule{});
    };
    close_list(kImports[index(family)], filter.import_rules[index(family)]);
    close_list(kExports[index(family)], filter.export_rules[index(family)]);
  }
}

}  // namespace

void decode_bgp_filter(const ObjectId& id, Field root, Decoded& out) {
  auto filter = std::make_shared<BgpFilter>();
  const Field spec = root["spec"];
  for (const Family family : kFamilies) {
    for (const Field item : spec[kImports[index(family)]].items())
      filter->import_rules[index(family)].push_back(read_rule(item, family));
    for (const Field item : spec[kExports[index(family)]].items())
      filter->export_rules[index(family)].push_back(read_rule(item, family));
  }
  if (root.reader().failed()) close(spec, *filter);
  out.key = Key{Kind::BGPFilter, {}, id.name};
  out.value = Ref<BgpFilter>{std::move(filter)};
}

}  // namespace margay::model
