#include "rules/dispatch_chains.hpp"

#include <algorithm>
#include <utility>

#include "rules/names.hpp"
#include "rules/parts.hpp"

namespace margay::rules {
namespace {

using kernel::Chain;
using kernel::Interface;
using kernel::Rule;

std::size_t common_prefix(const std::vector<std::string>& sorted) {
  if (sorted.empty()) return 0;
  // Of a sorted list: what the first and the last have in common, all have.
  const std::string &first = sorted.front(), &last = sorted.back();
  std::size_t size = 0;
  while (size < first.size() && size < last.size() && first[size] == last[size]) ++size;
  return size;
}

Rule to_interface(Direction direction, Interface interface, kernel::Target target) {
  Rule r = rule(std::move(target));
  // Egress is what the workload sends: it comes in at its interface.
  (direction == Direction::Egress ? r.in : r.out) = std::move(interface);
  return r;
}

void add_tree(const Config& config, const std::vector<std::string>& sorted, Direction direction, std::vector<Chain>& out) {
  const std::string root{direction == Direction::Egress ? chain::kFromWorkload : chain::kToWorkload};
  const Rule unknown = rule(deny(config, kernel::Table::Filter));
  const std::size_t prefix = common_prefix(sorted);
  const auto leaf = [&](const std::string& name) {
    return to_interface(direction, {.name = name}, go_to(workload_chain_name(name, direction)));
  };
  Chain top{root, {}};
  std::vector<Chain> children;
  for (auto it = sorted.begin(); it != sorted.end();) {
    const auto same_bin = [&](const std::string& name) {
      return it->size() > prefix && name.size() > prefix && name[prefix] == (*it)[prefix];
    };
    const auto end = std::find_if_not(it + 1, sorted.end(), same_bin);
    if (end - it == 1) {
      top.rules.push_back(leaf(*it));
    } else {
      const std::string start = it->substr(0, prefix + 1);
      Chain child{root + '-' + (*it)[prefix], {}};
      top.rules.push_back(to_interface(direction, {.name = start, .wildcard = true}, go_to(child.name)));
      for (auto member = it; member != end; ++member) child.rules.push_back(leaf(*member));
      child.rules.push_back(unknown);
      children.push_back(std::move(child));
    }
    it = end;
  }
  top.rules.push_back(unknown);
  out.push_back(std::move(top));
  std::move(children.begin(), children.end(), std::back_inserter(out));
}

}  // namespace

std::vector<Chain> workload_dispatch_chains(const Config& config, const std::vector<std::string>& interfaces) {
  std::vector<std::string> sorted = interfaces;
  std::erase_if(sorted, [](const std::string& name) { return name.empty() || name.size() > kMaxInterfaceName; });
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<Chain> out;
  for (const Direction direction : {Direction::Egress, Direction::Ingress}) add_tree(config, sorted, direction, out);
  return out;
}

}  // namespace margay::rules
