#include "rules/groups.hpp"

#include <span>
#include <utility>

#include "rules/marks.hpp"
#include "rules/names.hpp"
#include "rules/parts.hpp"

namespace margay::rules {

std::vector<PolicyGroup> plan_groups(const std::vector<calc::PolicyId>& policies, Direction direction,
                                     const PolicyLookup& lookup) {
  std::vector<PolicyGroup> out;
  for (std::size_t begin = 0; begin < policies.size();) {
    const calc::ActivePolicy* first = lookup(policies[begin]);
    PolicyGroup group;
    if (first == nullptr) {
      group.enforced.push_back({policies[begin], true});
      out.push_back(std::move(group));
      ++begin;
      continue;
    }
    std::size_t end = begin;
    for (; end < policies.size(); ++end) {
      const calc::ActivePolicy* policy = lookup(policies[end]);
      if (policy == nullptr || policy->selector != first->selector) break;
      if (!policy->staged) group.enforced.push_back({policies[end], false});
    }
    if (group.enforced.size() > 1)
      group.chain = group_chain_name(first->selector, direction, std::span{policies}.subspan(begin, end - begin));
    if (!group.enforced.empty()) out.push_back(std::move(group));
    begin = end;
  }
  return out;
}

kernel::Chain group_chain(const Config& config, kernel::Table table, const PolicyGroup& group, Direction direction) {
  // Every so many policies, leave at once if there is a verdict: a long group costs a decided packet few mark matches.
  constexpr std::size_t kStride = 5;
  const Marks m = marks(config);
  kernel::Chain chain{group.chain, {}};
  for (std::size_t i = 0; i < group.enforced.size(); ++i) {
    const PolicyGroup::Member& member = group.enforced[i];
    if (i != 0 && i % kStride == 0)
      chain.rules.push_back(rule(kernel::MarkMatch{.value = 0, .mask = m.accept | m.pass, .negated = true}, kernel::Return{}));
    kernel::Target target = member.missing ? deny(config, table) : kernel::Target{jump(policy_chain_name(member.id, direction))};
    chain.rules.push_back(i % kStride == 0 ? rule(std::move(target)) : rule(lacks(m.accept | m.pass), std::move(target)));
  }
  return chain;
}

}  // namespace margay::rules
