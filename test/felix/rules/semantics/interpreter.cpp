#include "interpreter.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <tuple>

#include "rules/dispatch_chains.hpp"
#include "rules/endpoint_chains.hpp"
#include "rules/names.hpp"
#include "rules/policy_chains.hpp"
#include "rules/static_chains.hpp"

namespace margay::rules::semantics {
namespace {

using namespace kernel;
using kernel::Rule;  // not the model's

void check_rule(const World& world, Family family, Table table, const Rule& rule, std::vector<std::string>& out) {
  const auto fault = [&](const char* what) { out.push_back(std::string{what} + ": " + to_text(family, "x", rule)); };
  const auto has_protocol = [&](std::initializer_list<int> numbers) {
    return rule.protocol && !rule.protocol->negated &&
           std::find(numbers.begin(), numbers.end(), rule.protocol->number) != numbers.end();
  };
  const auto of_family = [&](const std::optional<Prefix>& p) { return !p || (p->cidr.family() == family && p->cidr.prefix > 0); };
  if (!of_family(rule.source) || !of_family(rule.destination)) fault("prefix of the other family, or no prefix at all");
  if (rule.protocol && rule.protocol->number == 0) fault("protocol 0 is any");
  for (const auto* interface : {&rule.in, &rule.out})
    if (*interface && ((*interface)->name.empty() || (*interface)->name.size() > 15)) fault("interface name");
  int comments = 0;
  for (const Match& match : rule.matches) {
    if (const auto* m = std::get_if<PortsMatch>(&match)) {
      std::size_t slots = 0;
      for (const auto& range : m->ranges) {
        slots += range.min == range.max ? 1 : 2;
        if (range.min > range.max) fault("range");
      }
      if (slots == 0 || slots > 15) fault("multiport slots");
      if (!has_protocol({6, 17, 33, 132, 136})) fault("multiport without a protocol with ports");
    } else if (std::holds_alternative<IcmpTypeMatch>(match)) {
      if (!has_protocol({family == Family::V4 ? 1 : 58})) fault("icmp without its protocol");
    } else if (const auto* set = std::get_if<SetMatch>(&match)) {
      bool found = false;
      for (const auto& [id, contents] : world.sets)
        if (set_name(family, id.view()) == set->set) {
          found = true;
          if (set->dimensions != (contents.type == SetType::HashIpPort ? 2 : 1)) fault("dimensions");
        }
      if (!found) fault("unknown set");
    } else if (const auto* comment = std::get_if<CommentMatch>(&match)) {
      if (++comments > 1 || comment->text.size() > 255) fault("comment");
    } else if (const auto* mark = std::get_if<MarkMatch>(&match)) {
      if ((mark->value & ~mark->mask) != 0) fault("mark outside its mask");
    } else if (std::holds_alternative<RpfilterMatch>(match)) {
      if (table != Table::Raw && table != Table::Mangle) fault("rpfilter");
    }
  }
  if (const auto* reject = std::get_if<Reject>(&rule.target)) {
    if (table != Table::Filter) fault("REJECT outside filter");
    if (reject->tcp_reset && !has_protocol({6})) fault("tcp-reset without tcp");
  }
  if (const auto* log = std::get_if<Log>(&rule.target))
    if (log->prefix.size() > 29) fault("log prefix");
  if (const auto* log = std::get_if<Nflog>(&rule.target))
    if (log->prefix.size() > 63) fault("nflog prefix");
}

// Depth-first: a chain that leads back to itself is a loop the kernel refuses.
void check_loops(const std::unordered_map<std::string, Chain>& chains, const std::string& name, std::set<std::string>& open,
                 std::set<std::string>& done, std::vector<std::string>& out) {
  if (done.contains(name)) return;
  if (!open.insert(name).second) {
    out.push_back("loop through " + name);
    return;
  }
  for (const Rule& rule : chains.at(name).rules)
    if (const std::string* target = rule.target_chain(); target != nullptr && chains.contains(*target))
      check_loops(chains, *target, open, done, out);
  open.erase(name);
  done.insert(name);
}

}  // namespace

Ruleset render(const World& world, Family family) {
  Ruleset rules;
  rules.family = family;
  const auto put = [](auto& table, Chain chain) {
    const std::string name = chain.name;
    const auto [it, fresh] = table.try_emplace(name, chain);
    if (!fresh && it->second != chain) throw std::logic_error{"two chains named " + name};
  };
  const auto put_all = [&](auto& table, std::vector<Chain> chains) {
    for (Chain& chain : chains) put(table, std::move(chain));
  };
  put_all(rules.raw, static_chains(world.config, family, Table::Raw));
  std::vector<SpoofAllowance> allowances;
  for (const Workload& workload : world.workloads)
    if (!workload.endpoint.allowed_source_prefixes.empty())
      allowances.push_back({workload.endpoint.interface_name.str(), workload.endpoint.allowed_source_prefixes});
  put(rules.raw, rpf_skip_chain(world.config, family, allowances));
  rules.raw_hooks = hooks(world.config, family, Table::Raw);

  put_all(rules.filter, static_chains(world.config, family, Table::Filter));
  put(rules.filter, cidr_block_chain(world.config, family, world.service_cidrs));
  rules.filter_hooks = hooks(world.config, family, Table::Filter);
  for (const auto& [id, policy] : world.policies)
    put_all(rules.filter, policy_chains(world.config, family, Table::Filter, id, policy));
  for (const auto& [id, profile] : world.profiles)
    put_all(rules.filter, profile_chains(world.config, family, Table::Filter, id, profile ? &*profile : nullptr));
  const PolicyLookup lookup = [&](const calc::PolicyId& id) {
    const auto it = world.policies.find(id);
    return it == world.policies.end() ? nullptr : &it->second;
  };
  std::vector<std::string> interfaces;
  for (const Workload& workload : world.workloads) {
    interfaces.push_back(workload.endpoint.interface_name.str());
    EndpointChains chains = workload_chains(world.config, family, workload.endpoint, workload.policies, lookup);
    put_all(rules.filter, std::move(chains.chains));
    put_all(rules.filter, std::move(chains.groups));
  }
  put_all(rules.filter, workload_dispatch_chains(world.config, interfaces));
  return rules;
}

Machine::Machine(const World& world, const Ruleset& rules)
    : evaluator_{[&] {
        kernel::Ruleset in;
        in.family = rules.family;
        for (const auto& [table, chains, wanted] : {std::tuple{Table::Raw, &rules.raw, &rules.raw_hooks},
                                                    std::tuple{Table::Filter, &rules.filter, &rules.filter_hooks}}) {
          TableRules& out = in.tables.emplace_back();
          out.table = table;
          for (const auto& [name, chain] : *chains) out.chains.push_back(chain);
          for (const Hooks& hook : *wanted) {
            KernelChain& kernel_chain = out.kernel.emplace_back();
            kernel_chain.name = hook.chain;
            kernel_chain.rules = hook.first;
            kernel_chain.rules.insert(kernel_chain.rules.end(), hook.last.begin(), hook.last.end());
          }
        }
        for (const auto& [id, set] : world.sets) {
          SetContents& out = in.sets.emplace_back();
          out.spec = {.name = set_name(rules.family, id.view()), .type = set.type, .family = rules.family};
          for (const SetMember& member : set.members)
            if (member.net.family() == rules.family) out.members.push_back(member);
        }
        auto compiled = Evaluator::compile(std::move(in));
        if (!compiled) throw std::logic_error{compiled.error().text};
        return std::move(*compiled);
      }()} {}

Outcome Machine::run(const Packet& packet) const {
  static constexpr ConntrackMatch::State kStates[] = {ConntrackMatch::New, ConntrackMatch::Established, ConntrackMatch::Related,
                                                      ConntrackMatch::Invalid};
  kernel::Packet in;
  in.source = packet.source;
  in.destination = packet.destination;
  in.protocol = packet.protocol;
  in.source_port = packet.source_port;
  in.destination_port = packet.destination_port;
  in.icmp_type = packet.icmp_type;
  in.icmp_code = packet.icmp_code;
  in.in = packet.in;
  in.out = packet.out;
  in.state = kStates[static_cast<int>(packet.state)];
  in.mark = packet.mark;
  in.rpf_ok = !packet.spoofed;
  in.within_limit = packet.within_limit;
  in.connections = packet.connections;
  Trace trace;
  const kernel::Outcome result = evaluator_.run(packet.out.empty() ? Path::Input : Path::Forward, in, &trace);
  Outcome outcome;
  if (result.verdict == kernel::Verdict::Drop) outcome.fate = Fate::Dropped;
  else if (result.verdict == kernel::Verdict::Reject) outcome.fate = Fate::Rejected;
  else if (!trace.empty() && trace.back().table == Table::Filter && std::holds_alternative<Accept>(trace.back().value->target))
    outcome.fate = Fate::Accepted;
  for (const TraceStep& step : trace) outcome.logged += std::holds_alternative<Log>(step.value->target) ? 1 : 0;
  return outcome;
}

std::vector<std::string> faults(const World& world, const Ruleset& rules) {
  std::vector<std::string> out;
  for (const auto& [table, chains] : {std::pair{Table::Raw, &rules.raw}, std::pair{Table::Filter, &rules.filter}}) {
    std::set<std::string> open, done;
    for (const auto& [name, chain] : *chains) {
      if (name.empty() || name.size() > 28 || !is_our_chain(name)) out.push_back("chain name " + name);
      std::size_t comments = 0;
      for (const Rule& rule : chain.rules) {
        check_rule(world, rules.family, table, rule, out);
        if (const std::string* target = rule.target_chain(); target != nullptr && !chains->contains(*target))
          out.push_back(name + " refers to " + *target + ", which is not there");
        for (const Match& match : rule.matches) comments += std::holds_alternative<CommentMatch>(match) ? 1 : 0;
      }
      if (comments > 1) out.push_back("comments in " + name);
      check_loops(*chains, name, open, done, out);
    }
  }
  return out;
}

}  // namespace margay::rules::semantics
