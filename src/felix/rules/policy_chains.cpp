#include "rules/policy_chains.hpp"

#include <string>
#include <utility>

#include "rules/flow_log.hpp"
#include "rules/match.hpp"
#include "rules/parts.hpp"

namespace margay::rules {
namespace {

using kernel::Chain;
using kernel::Rule;
using kernel::Table;

constexpr Direction kDirections[] = {Direction::Ingress, Direction::Egress};

// Whose rules these are.
struct Owner {
  char kind = 'P';         // flow logs: P policy, R profile
  std::string flow_label;  // "gnp/name" or the profile's name
  std::string_view tier, short_kind, ns, name;
};

std::string log_prefix(const Config& config, const Owner& owner) {
  // LOG keeps 29 characters.
  constexpr std::size_t kMaxPrefix = 29;
  const std::string_view pattern = config.log_prefix.empty() ? std::string_view{"calico-packet"} : config.log_prefix;
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    switch (next) {
      case 't': out += owner.tier; break;
      case 'k': out += owner.short_kind; break;
      case 'n': out += owner.name; break;
      case 'p':
        if (!owner.ns.empty()) out.append(owner.ns) += '/';
        out += owner.name;
        break;
      default: out += pattern[i]; continue;
    }
    ++i;
  }
  out += ": ";
  if (out.size() > kMaxPrefix) out.resize(kMaxPrefix);
  return out;
}

// "<n>/second|minute|hour|day", n up to 9999; anything else, no limit.
std::optional<kernel::LimitMatch> log_limit(const Config& config) {
  using Unit = kernel::LimitMatch::Unit;
  const std::string_view text = config.log_rate;
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash > 4) return {};
  std::uint32_t rate = 0;
  for (char c : text.substr(0, slash)) {
    if (c < '0' || c > '9') return {};
    rate = rate * 10 + static_cast<std::uint32_t>(c - '0');
  }
  const std::string_view unit = text.substr(slash + 1);
  for (const auto& [name, value] : {std::pair<std::string_view, Unit>{"second", Unit::Second},
                                    {"minute", Unit::Minute},
                                    {"hour", Unit::Hour},
                                    {"day", Unit::Day}})
    if (unit == name && rate > 0) return make_limit(rate, value, config.log_burst);
  return {};
}

// One rule without any criterion. (The first of several may be just a preset of the mark.)
bool catches_all(const std::vector<Rule>& rules) {
  if (rules.size() != 1) return false;
  const Rule& r = rules.front();
  return !r.in && !r.out && !r.protocol && !r.source && !r.destination && r.matches.empty();
}

void append(std::vector<Rule>& to, std::vector<Rule> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Rule> render_rules(const Config& config, Family family, Table table, const std::vector<calc::ActiveRule>& rules,
                               const Owner& owner, Direction direction) {
  const Marks m = marks(config);
  const bool flow_logs = config.flow_logs && table != Table::Raw;
  std::vector<Rule> out;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const calc::ActiveRule& rule_in = rules[i];
    if (rule_in.action == Action::Log) {
      append(out, render_rule(family, m, rule_in, kernel::Log{.prefix = log_prefix(config, owner), .level = 5},
                              {.once = true, .limit = log_limit(config)}));
      continue;
    }
    std::vector<Rule> rendered;
    bool last = false;
    if (flow_logs) {
      // Mark, log, act: the packet must be logged once, whichever of the rules matched.
      const bool allow = rule_in.action == Action::Allow, is_deny = rule_in.action == Action::Deny;
      const std::uint32_t bit = allow ? m.accept : is_deny ? m.drop : m.pass;
      rendered = render_rule(family, m, rule_in, set_bits(bit));
      if (!rendered.empty()) {
        last = catches_all(rendered);
        const char letter = allow ? 'A' : is_deny ? 'D' : 'P';
        rendered.push_back(
            rule(has(bit), nflog(direction, rule_flow_prefix(letter, owner.kind, direction, i, owner.flow_label))));
        rendered.push_back(rule(has(bit), is_deny ? deny(config, table) : kernel::Target{kernel::Return{}}));
      }
    } else {
      switch (rule_in.action) {
        case Action::Allow: rendered = render_rule(family, m, rule_in, go_to(chain::kAllow)); break;
        case Action::Pass: rendered = render_rule(family, m, rule_in, go_to(chain::kPass)); break;
        default: rendered = render_rule(family, m, rule_in, deny(config, table)); break;
      }
      last = catches_all(rendered);
    }
    append(out, std::move(rendered));
    if (last) break;  // nothing gets past it
  }
  while (!out.empty() && std::holds_alternative<kernel::Return>(out.back().target)) out.pop_back();
  return out;
}

// Says what the chain is, where its name does not.
void identify(Chain& chain, std::string_view label, const std::string& description) {
  if (chain.name.ends_with(label)) return;
  if (chain.rules.empty()) chain.rules.emplace_back();
  // Last of the matches: packets pay for it only where the rule matches anyway.
  chain.rules.front().matches.emplace_back(kernel::CommentMatch{sanitise_comment(description)});
}

std::string_view direction_text(Direction direction) { return direction == Direction::Ingress ? " ingress" : " egress"; }

}  // namespace

std::vector<Chain> verdict_chains(const Config& config) {
  const Marks m = marks(config);
  return {{std::string{chain::kAllow}, {rule(set_bits(m.accept))}}, {std::string{chain::kPass}, {rule(set_bits(m.pass))}}};
}

std::vector<Chain> policy_chains(const Config& config, Family family, Table table, const calc::PolicyId& id,
                                 const calc::ActivePolicy& policy) {
  if (policy.staged) return {};
  const std::string label = policy_label(id);
  const Owner owner{'P', label, policy.tier.view(), short_kind(id.kind), id.ns.view(), id.name.view()};
  std::string qualified{policy_kind(id.kind)};
  qualified += ' ';
  if (!id.ns.empty()) qualified.append(id.ns.view()) += '/';
  qualified += id.name.view();

  std::vector<Chain> out;
  for (const Direction direction : kDirections) {
    Chain chain{policy_chain_name(id, direction), {}};
    if (policy.closed) chain.rules.push_back(rule(deny(config, table)));
    else
      chain.rules =
          render_rules(config, family, table, direction == Direction::Ingress ? policy.ingress : policy.egress, owner, direction);
    identify(chain, label, qualified + std::string{direction_text(direction)});
    out.push_back(std::move(chain));
  }
  return out;
}

std::vector<Chain> profile_chains(const Config& config, Family family, Table table, const calc::ProfileId& id,
                                  const calc::ActiveProfile* profile) {
  const Owner owner{'R', id.str(), {}, "pro", {}, id.view()};
  std::vector<Chain> out;
  for (const Direction direction : kDirections) {
    Chain chain{profile_chain_name(id, direction), {}};
    if (profile == nullptr) chain.rules.push_back(rule(deny(config, table)));
    else
      chain.rules = render_rules(config, family, table, direction == Direction::Ingress ? profile->ingress : profile->egress,
                                 owner, direction);
    identify(chain, id.view(), "Profile " + id.str() + std::string{direction_text(direction)});
    out.push_back(std::move(chain));
  }
  return out;
}

}  // namespace margay::rules
