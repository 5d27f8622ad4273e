#include "interpreter.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "rules/dispatch_chains.hpp"
#include "rules/endpoint_chains.hpp"
#include "rules/names.hpp"
#include "rules/policy_chains.hpp"
#include "rules/static_chains.hpp"

namespace margay::rules::semantics {
namespace {

using namespace kernel;
using kernel::Rule;  // not the model's

struct Machine {
  const World& world;
  Family family;
  const std::unordered_map<std::string, Chain>& chains;
  Packet& packet;
  int& logged;

  [[nodiscard]] bool set_holds(const SetMatch& m) const {
    for (const auto& [id, set] : world.sets) {
      if (set_name(family, id.view()) != m.set) continue;
      const Addr& address = m.source ? packet.source : packet.destination;
      return std::any_of(set.members.begin(), set.members.end(), [&](const SetMember& member) {
        if (!member.net.contains(address)) return false;
        if (m.dimensions == 1) return true;
        return packet.has_ports() && member.protocol == packet.protocol &&
               member.port == (m.source ? packet.source_port : packet.destination_port);
      });
    }
    throw std::logic_error{"no such set: " + m.set};
  }

  [[nodiscard]] bool holds(const Match& match) const {
    if (const auto* m = std::get_if<MarkMatch>(&match)) return ((packet.mark & m->mask) == m->value) != m->negated;
    if (const auto* m = std::get_if<ConntrackMatch>(&match)) {
      const std::uint8_t state = packet.state == Packet::State::New           ? ConntrackMatch::New
                                 : packet.state == Packet::State::Established ? ConntrackMatch::Established
                                 : packet.state == Packet::State::Related     ? ConntrackMatch::Related
                                                                              : ConntrackMatch::Invalid;
      return ((m->states & state) != 0) != m->negated;
    }
    if (const auto* m = std::get_if<SetMatch>(&match)) return set_holds(*m) != m->negated;
    if (const auto* m = std::get_if<PortsMatch>(&match)) {
      const std::uint16_t port = m->source ? packet.source_port : packet.destination_port;
      return std::any_of(m->ranges.begin(), m->ranges.end(),
                         [&](const PortsMatch::Range& r) { return r.min <= port && port <= r.max; }) != m->negated;
    }
    if (const auto* m = std::get_if<IcmpTypeMatch>(&match))
      return (packet.icmp_type == m->type && (!m->code || *m->code == packet.icmp_code)) != m->negated;
    if (std::holds_alternative<RpfilterMatch>(match)) return packet.spoofed;
    if (std::holds_alternative<CommentMatch>(match) || std::holds_alternative<LimitMatch>(match)) return true;
    throw std::logic_error{"a match that these packets should not meet"};
  }

  [[nodiscard]] static bool holds(const Interface& i, const std::string& name) {
    return (i.wildcard ? name.starts_with(i.name) : name == i.name) != i.negated;
  }

  [[nodiscard]] bool holds(const Rule& rule) const {
    if (rule.in && !holds(*rule.in, packet.in)) return false;
    if (rule.out && !holds(*rule.out, packet.out)) return false;
    if (rule.protocol && (rule.protocol->number == packet.protocol) == rule.protocol->negated) return false;
    if (rule.source && rule.source->cidr.contains(packet.source) == rule.source->negated) return false;
    if (rule.destination && rule.destination->cidr.contains(packet.destination) == rule.destination->negated) return false;
    return std::all_of(rule.matches.begin(), rule.matches.end(), [&](const Match& m) { return holds(m); });
  }

  Fate run(const std::vector<Rule>& start) {
    struct Frame {
      const std::vector<Rule>* rules;
      std::size_t next;
    };
    std::vector<Frame> stack;
    Frame at{&start, 0};
    for (;;) {
      if (at.next == at.rules->size()) {
        if (stack.empty()) return Fate::Undecided;
        at = stack.back();
        stack.pop_back();
        continue;
      }
      const Rule& rule = (*at.rules)[at.next++];
      if (!holds(rule)) continue;
      const Target& target = rule.target;
      if (std::holds_alternative<Accept>(target)) return Fate::Accepted;
      if (std::holds_alternative<Drop>(target) || std::holds_alternative<Reject>(target)) return Fate::Dropped;
      if (std::holds_alternative<Return>(target)) {
        at.next = at.rules->size();
      } else if (const auto* jump = std::get_if<Jump>(&target)) {
        stack.push_back(at);
        at = {&chains.at(jump->chain).rules, 0};
      } else if (const auto* go = std::get_if<Goto>(&target)) {
        at = {&chains.at(go->chain).rules, 0};
      } else if (const auto* mark = std::get_if<SetMark>(&target)) {
        packet.mark = (packet.mark & ~mark->mask) ^ mark->value;
      } else if (std::holds_alternative<Log>(target)) {
        ++logged;
      } else if (!std::holds_alternative<Continue>(target) && !std::holds_alternative<Nflog>(target)) {
        throw std::logic_error{"a target that these packets should not meet"};
      }
    }
  }
};

Fate run_hook(const World& world, Family family, const std::unordered_map<std::string, Chain>& chains,
              const std::vector<Hooks>& hooks, const char* name, Packet& packet, int& logged) {
  for (const Hooks& hook : hooks) {
    if (hook.chain != name) continue;
    std::vector<Rule> rules = hook.first;
    rules.insert(rules.end(), hook.last.begin(), hook.last.end());
    return Machine{world, family, chains, packet, logged}.run(rules);
  }
  return Fate::Undecided;
}

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
  put(rules.raw, rpf_skip_chain(world.config, family, {}));
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

Outcome run(const World& world, const Ruleset& rules, Packet packet) {
  Outcome outcome;
  if (run_hook(world, rules.family, rules.raw, rules.raw_hooks, "PREROUTING", packet, outcome.logged) == Fate::Dropped)
    outcome.fate = Fate::Dropped;
  else
    outcome.fate = run_hook(world, rules.family, rules.filter, rules.filter_hooks, packet.out.empty() ? "INPUT" : "FORWARD",
                            packet, outcome.logged);
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
