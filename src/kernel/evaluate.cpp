#include "evaluate.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

namespace margay::kernel {

namespace {

struct Wide {  // an address as two words in host order; IPv4 in the high one's upper half
  std::uint64_t high = 0, low = 0;
  friend bool operator==(const Wide&, const Wide&) = default;
  friend auto operator<=>(const Wide&, const Wide&) = default;
};
Wide wide(const Addr& address) {
  Wide value;
  for (int i = 0; i < 8; ++i) value.high = value.high << 8 | address.bytes[static_cast<std::size_t>(i)];
  for (int i = 8; i < 16; ++i) value.low = value.low << 8 | address.bytes[static_cast<std::size_t>(i)];
  return value;
}
Wide mask(unsigned prefix) {
  const auto ones = [](unsigned n) { return n == 0 ? 0 : ~std::uint64_t{0} << (64 - n); };
  return {ones(std::min(prefix, 64u)), prefix > 64 ? ones(prefix - 64) : 0};
}
Wide operator&(const Wide& a, const Wide& b) { return {a.high & b.high, a.low & b.low}; }

struct SetKey {  // of a hash:ip,port
  Wide address;
  std::uint32_t protocol_port = 0;
  friend bool operator==(const SetKey&, const SetKey&) = default;
};
struct SetKeyHash {
  std::size_t operator()(const SetKey& k) const noexcept {
    std::uint64_t z = k.address.high ^ (k.address.low * 0x9e3779b97f4a7c15ULL) ^ (std::uint64_t{k.protocol_port} << 17);
    z = (z ^ z >> 31) * 0xbf58476d1ce4e5b9ULL;
    return static_cast<std::size_t>(z ^ z >> 29);
  }
};

struct SetTable {
  SetSpec spec;
  // hash:net and hash:ip: which prefix holds an address does not matter, so the outermost ones, in order; one binary search
  // instead of the kernel's probe per prefix length.
  struct Range {
    Wide first, last;
  };
  std::vector<Range> ranges;
  std::unordered_set<SetKey, SetKeyHash> keys;

  [[nodiscard]] bool contains(const Wide& address) const {
    const auto after =
        std::upper_bound(ranges.begin(), ranges.end(), address, [](const Wide& a, const Range& r) { return a < r.first; });
    return after != ranges.begin() && address <= std::prev(after)->last;
  }
};

struct PrefixTest {
  Wide value, mask;
  bool present = false, negated = false;
  [[nodiscard]] bool passes(const Wide& address) const { return !present || ((address & mask) == value) != negated; }
};

struct CompiledMatch {
  const Match* match;
  const SetTable* set;
};

enum class Action : std::uint8_t { None, Accept, Drop, Return, Jump, Goto, Reject, Nat, Mark, NoTrack };

struct CompiledRule {
  PrefixTest source, destination;
  const Rule* rule;
  std::uint32_t first_match = 0, matches = 0;  // in Program::matches
  std::uint32_t chain = 0;                     // of a jump or goto
  Action action = Action::None;
};

struct CompiledChain {
  std::string name;
  std::uint32_t first = 0, count = 0;  // in Program::rules
  bool drop_policy = false;
};

constexpr std::array<std::string_view, 5> kHooks{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
enum Hook : std::uint8_t { Prerouting, Input, Forward, Output, Postrouting };
constexpr std::uint32_t kNoChain = 0xffffffff;

struct CompiledTable {
  std::array<std::uint32_t, 5> hooks{kNoChain, kNoChain, kNoChain, kNoChain, kNoChain};
  std::unordered_map<std::string, std::uint32_t> by_name;
};

bool has_ports(std::uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

Action action_of(const Target& target) {
  struct Visitor {
    Action operator()(const Accept&) const { return Action::Accept; }
    Action operator()(const Drop&) const { return Action::Drop; }
    Action operator()(const Return&) const { return Action::Return; }
    Action operator()(const Jump&) const { return Action::Jump; }
    Action operator()(const Goto&) const { return Action::Goto; }
    Action operator()(const Reject&) const { return Action::Reject; }
    Action operator()(const SetMark&) const { return Action::Mark; }
    Action operator()(const NoTrack&) const { return Action::NoTrack; }
    Action operator()(const Masquerade&) const { return Action::Nat; }
    Action operator()(const SourceNat&) const { return Action::Nat; }
    Action operator()(const DestNat&) const { return Action::Nat; }
    Action operator()(const Continue&) const { return Action::None; }
    Action operator()(const Log&) const { return Action::None; }
    Action operator()(const Nflog&) const { return Action::None; }
    Action operator()(const SetDscp&) const { return Action::None; }
    Action operator()(const OpaqueTarget&) const { return Action::None; }
  };
  return std::visit(Visitor{}, target);
}

// The packet on its way: what matches look at, with what targets changed.
struct Flight {
  Packet packet;
  Wide source, destination;
  std::string_view in, out;  // as this hook sees them
  std::uint8_t states = 0;   // as this table sees them
  bool untracked = false;
  NatResult nat;
};

}  // namespace

struct Evaluator::Program {
  Ruleset ruleset;
  std::vector<CompiledRule> rules;
  std::vector<CompiledMatch> matches;
  std::vector<CompiledChain> chains;
  std::array<CompiledTable, 4> tables;
  std::unordered_map<std::string, std::unique_ptr<SetTable>> sets;

  // ---- compiling

  void add_set(const SetContents& contents) {
    auto table = std::make_unique<SetTable>();
    table->spec = contents.spec;
    for (const auto& member : contents.members) {
      if (contents.spec.type == SetType::HashIpPort)
        table->keys.insert({wide(member.net.addr), std::uint32_t{member.protocol} << 16 | member.port});
      else table->ranges.push_back({wide(member.net.addr), wide(member.net.last())});
    }
    auto& ranges = table->ranges;
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.last > b.last; });
    // Prefixes nest or are apart: what is not past the one kept before lies inside it.
    std::size_t kept = 0;
    for (const auto& range : ranges)
      if (kept == 0 || ranges[kept - 1].last < range.first) ranges[kept++] = range;
    ranges.resize(kept);
    sets[contents.spec.name] = std::move(table);
  }

  PrefixTest prefix(const std::optional<Prefix>& p) const {
    if (!p) return {};
    const Wide m = mask(p->cidr.prefix);
    return {wide(p->cidr.addr) & m, m, true, p->negated};
  }

  Status add_rules(CompiledTable& table, std::uint32_t chain, const std::vector<Rule>& source) {
    chains[chain].first = static_cast<std::uint32_t>(rules.size());
    chains[chain].count = static_cast<std::uint32_t>(source.size());
    for (const auto& rule : source) {
      CompiledRule compiled{prefix(rule.source), prefix(rule.destination), &rule};
      compiled.first_match = static_cast<std::uint32_t>(matches.size());
      compiled.matches = static_cast<std::uint32_t>(rule.matches.size());
      const auto place = [&] { return "chain " + chains[chain].name + " rule " + std::to_string(&rule - source.data() + 1); };
      for (const auto& match : rule.matches) {
        const SetTable* set = nullptr;
        if (const auto* m = std::get_if<SetMatch>(&match)) {
          const auto found = sets.find(m->set);
          if (found == sets.end()) return Error{ErrorCode::NotFound, place() + ": set " + m->set + " does not exist"};
          set = found->second.get();
        }
        matches.push_back({&match, set});
      }
      compiled.action = action_of(rule.target);
      if (const auto* to = rule.target_chain()) {
        const auto found = table.by_name.find(*to);
        if (found == table.by_name.end()) return Error{ErrorCode::NotFound, place() + ": chain " + *to + " does not exist"};
        compiled.chain = found->second;
      }
      rules.push_back(compiled);
    }
    return {};
  }

  Status compile() {
    for (const auto& set : ruleset.sets) add_set(set);
    for (const auto& source : ruleset.tables) {
      auto& table = tables[static_cast<std::size_t>(source.table)];
      const auto name_chain = [&](const std::string& name, bool drop) {
        const auto at = static_cast<std::uint32_t>(chains.size());
        chains.push_back({name, 0, 0, drop});
        return at;
      };
      for (const auto& chain : source.kernel) {
        const auto hook = std::find(kHooks.begin(), kHooks.end(), chain.name);
        if (hook == kHooks.end()) return Error{ErrorCode::Invalid, "no kernel chain " + chain.name};
        table.hooks[static_cast<std::size_t>(hook - kHooks.begin())] = name_chain(chain.name, chain.drop_policy);
      }
      for (const auto& chain : source.chains)
        if (!table.by_name.emplace(chain.name, name_chain(chain.name, false)).second)
          return Error{ErrorCode::Invalid, "two chains " + chain.name};
    }
    for (const auto& source : ruleset.tables) {
      auto& table = tables[static_cast<std::size_t>(source.table)];
      for (const auto& chain : source.kernel) {
        const auto hook = std::find(kHooks.begin(), kHooks.end(), chain.name) - kHooks.begin();
        if (auto ok = add_rules(table, table.hooks[static_cast<std::size_t>(hook)], chain.rules); !ok) return ok;
      }
      for (const auto& chain : source.chains)
        if (auto ok = add_rules(table, table.by_name[chain.name], chain.rules); !ok) return ok;
    }
    return find_loop();
  }

  Status find_loop() const {
    std::vector<std::uint8_t> state(chains.size(), 0);  // 1: on the path, 2: done
    std::vector<std::pair<std::uint32_t, std::uint32_t>> path;
    for (std::uint32_t start = 0; start < chains.size(); ++start) {
      if (state[start] != 0) continue;
      state[start] = 1;
      path.assign(1, {start, 0});
      while (!path.empty()) {
        const std::uint32_t chain = path.back().first;
        if (path.back().second == chains[chain].count) {
          state[chain] = 2;
          path.pop_back();
          continue;
        }
        const auto& rule = rules[chains[chain].first + path.back().second++];
        if (rule.action != Action::Jump && rule.action != Action::Goto) continue;
        if (state[rule.chain] == 1) return Error{ErrorCode::Invalid, "jump loop through chain " + chains[rule.chain].name};
        if (state[rule.chain] == 0) {
          state[rule.chain] = 1;
          path.emplace_back(rule.chain, 0);
        }
      }
    }
    return {};
  }

  // ---- matching

  static bool interface_passes(const std::optional<Interface>& test, std::string_view name) {
    if (!test) return true;
    return (test->wildcard ? name.starts_with(test->name) : name == test->name) != test->negated;
  }

  [[nodiscard]] bool in_set(const SetTable& set, const SetMatch& m, const Flight& f) const {
    if (set.spec.family != ruleset.family) return false;
    const Wide& address = m.source ? f.source : f.destination;
    if (set.spec.type == SetType::HashIpPort) {
      if (m.dimensions < 2) return false;  // fewer dimensions than the type has never match
      const Packet& p = f.packet;
      std::uint16_t port = 0;  // as ip_set_get_ip_port: DCCP has none there, ICMP has type and code
      if (p.protocol == 6 || p.protocol == 17 || p.protocol == 132 || p.protocol == 136)
        port = m.source ? p.source_port : p.destination_port;
      else if (p.protocol == (ruleset.family == Family::V4 ? 1 : 58))
        port = static_cast<std::uint16_t>(p.icmp_type << 8 | p.icmp_code);
      return set.keys.contains({address, std::uint32_t{p.protocol} << 16 | port});
    }
    return set.contains(address);
  }

  [[nodiscard]] bool passes(const CompiledMatch& compiled, const Flight& f) const {
    const Match& match = *compiled.match;
    const Packet& p = f.packet;
    if (const auto* m = std::get_if<MarkMatch>(&match)) return ((p.mark & m->mask) == m->value) != m->negated;
    if (const auto* m = std::get_if<SetMatch>(&match)) return in_set(*compiled.set, *m, f) != m->negated;
    if (const auto* m = std::get_if<ConntrackMatch>(&match)) return ((f.states & m->states) != 0) != m->negated;
    if (const auto* m = std::get_if<PortsMatch>(&match)) {
      if (!has_ports(p.protocol)) return false;
      const std::uint16_t port = m->source ? p.source_port : p.destination_port;
      const bool hit =
          std::any_of(m->ranges.begin(), m->ranges.end(), [&](const auto& r) { return port >= r.min && port <= r.max; });
      return hit != m->negated;
    }
    if (const auto* m = std::get_if<IcmpTypeMatch>(&match)) {
      const bool v4 = ruleset.family == Family::V4;
      if (p.protocol != (v4 ? 1 : 58)) return false;
      const bool any = v4 && m->type == 0xff;
      return (any || (p.icmp_type == m->type && (!m->code || *m->code == p.icmp_code))) != m->negated;
    }
    if (const auto* m = std::get_if<AddrTypeMatch>(&match)) {
      const bool local = ruleset.is_local &&
                         ruleset.is_local(m->source ? p.source : p.destination, m->limit_iface_out ? f.out : std::string_view{});
      return local != m->negated;
    }
    if (std::holds_alternative<RpfilterMatch>(match)) return !p.rpf_ok;
    if (std::holds_alternative<LimitMatch>(match)) return p.within_limit;
    if (const auto* m = std::get_if<ConnlimitMatch>(&match)) return p.protocol == 6 && p.tcp_syn && p.connections > m->above;
    return std::holds_alternative<CommentMatch>(match);  // opaque: never
  }

  [[nodiscard]] bool matches_rule(const CompiledRule& rule, const Flight& f) const {
    if (!rule.source.passes(f.source) || !rule.destination.passes(f.destination)) return false;
    const Rule& r = *rule.rule;
    if (!interface_passes(r.in, f.in) || !interface_passes(r.out, f.out)) return false;
    if (r.protocol && (r.protocol->number == f.packet.protocol) == r.protocol->negated) return false;
    for (std::uint32_t i = 0; i < rule.matches; ++i)
      if (!passes(matches[rule.first_match + i], f)) return false;
    return true;
  }

  // ---- running

  static void translate(const Target& target, Flight& f) {
    if (const auto* t = std::get_if<DestNat>(&target)) {
      f.nat.destination = t->address;
      f.nat.destination_port = t->port;
      f.packet.destination = t->address;
      f.destination = wide(t->address);
      if (t->port) f.packet.destination_port = *t->port;
      f.packet.dest_nat = true;
    } else if (const auto* s = std::get_if<SourceNat>(&target)) {
      f.nat.source = s->address;
      f.nat.source_ports = s->ports;
      f.packet.source = s->address;
      f.source = wide(s->address);
      f.packet.source_nat = true;
    } else if (const auto* m = std::get_if<Masquerade>(&target)) {
      f.nat.masquerade = true;
      f.nat.source_ports = m->ports;
      f.packet.source_nat = true;
    }
  }

  void traverse(Table table, std::uint32_t start, Flight& f, Outcome& outcome, Trace* trace) const {
    struct Frame {
      std::uint32_t chain, rule;
    };
    Frame stack[256];  // the kernel's stack is as deep as the chains nest, which find_loop bounds by their number
    std::vector<Frame> overflow;
    std::size_t depth = 0;
    const auto push = [&](Frame r) {
      if (depth < std::size(stack)) stack[depth] = r;
      else overflow.push_back(r);
      ++depth;
    };
    const auto pop = [&] {
      --depth;
      if (depth < std::size(stack)) return stack[depth];
      const Frame r = overflow.back();
      overflow.pop_back();
      return r;
    };
    std::uint32_t chain = start, at = 0;
    const auto decide = [&](Verdict verdict, std::size_t rule) {
      outcome.verdict = verdict;
      outcome.table = table;
      outcome.chain = chains[chain].name;
      outcome.rule = rule;
    };
    for (;;) {
      bool leave = false;
      if (at == chains[chain].count) {
        leave = true;
      } else {
        const CompiledRule& rule = rules[chains[chain].first + at];
        if (!matches_rule(rule, f)) {
          ++at;
          continue;
        }
        if (rule.action == Action::Mark) {
          const auto& t = std::get<SetMark>(rule.rule->target);
          f.packet.mark = (f.packet.mark & ~t.mask) ^ t.value;
        }
        if (trace) trace->push_back({table, chains[chain].name, at, rule.rule, f.packet.mark});
        switch (rule.action) {
          case Action::None:
          case Action::Mark: ++at; break;
          case Action::NoTrack:
            f.untracked = true;
            f.states = ConntrackMatch::Untracked;
            ++at;
            break;
          case Action::Accept: return decide(Verdict::Accept, at);
          case Action::Drop: return decide(Verdict::Drop, at);
          case Action::Reject: return decide(Verdict::Reject, at);
          case Action::Nat: translate(rule.rule->target, f); return decide(Verdict::Accept, at);
          case Action::Jump:
            push({chain, at + 1});
            chain = rule.chain, at = 0;
            break;
          case Action::Goto: chain = rule.chain, at = 0; break;
          case Action::Return: leave = true; break;
        }
      }
      if (!leave) continue;
      if (depth == 0) {  // also after a goto out of the kernel chain: its policy decides
        chain = start;
        return decide(chains[start].drop_policy ? Verdict::Drop : Verdict::Accept, Outcome::kPolicy);
      }
      const Frame to = pop();
      chain = to.chain, at = to.rule;
    }
  }

  [[nodiscard]] Flight depart(const Packet& packet) const {
    Flight f{packet, wide(packet.source), wide(packet.destination), {}, {}, 0, packet.state == ConntrackMatch::Untracked, {}};
    return f;
  }

  // What a hook of a table sees of interfaces and state. POSTROUTING sees the in interface of what is forwarded (ip_output passes
  // it on since Linux 5.7).
  static void arrive(Table table, Hook hook, Flight& f) {
    f.in = hook == Output ? std::string_view{} : std::string_view{f.packet.in};
    f.out = hook == Prerouting || hook == Input ? std::string_view{} : std::string_view{f.packet.out};
    if (f.untracked) f.states = ConntrackMatch::Untracked;
    else if (table == Table::Raw) f.states = ConntrackMatch::Invalid;
    else {
      f.states = f.packet.state;
      if (f.packet.state != ConntrackMatch::Invalid)
        f.states = static_cast<std::uint8_t>(f.states | (f.packet.source_nat ? ConntrackMatch::SourceNat : 0) |
                                             (f.packet.dest_nat ? ConntrackMatch::DestNat : 0));
    }
  }

  // True: on to the next.
  bool pass(Table table, Hook hook, Flight& f, Outcome& outcome, Trace* trace) const {
    const std::uint32_t chain = tables[static_cast<std::size_t>(table)].hooks[hook];
    if (chain == kNoChain) return true;
    if (table == Table::Nat && (f.untracked || f.packet.state != ConntrackMatch::New)) return true;
    arrive(table, hook, f);
    traverse(table, chain, f, outcome, trace);
    return outcome.verdict == Verdict::Accept;
  }
};

Evaluator::Evaluator(std::unique_ptr<Program> program) : program_{std::move(program)} {}
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;
Evaluator::~Evaluator() = default;

Result<Evaluator> Evaluator::compile(Ruleset ruleset) {
  auto program = std::make_unique<Program>();
  program->ruleset = std::move(ruleset);  // the compiled form points into it
  if (auto ok = program->compile(); !ok) return ok.error();
  return Evaluator{std::move(program)};
}

Outcome Evaluator::run(Path path, const Packet& packet, Trace* trace) const {
  struct Stop {
    Table table;
    Hook hook;
  };
  static constexpr Stop kForward[] = {{Table::Raw, Prerouting}, {Table::Mangle, Prerouting}, {Table::Nat, Prerouting},
                                      {Table::Mangle, Forward}, {Table::Filter, Forward},    {Table::Mangle, Postrouting},
                                      {Table::Nat, Postrouting}};
  static constexpr Stop kInput[] = {{Table::Raw, Prerouting}, {Table::Mangle, Prerouting}, {Table::Nat, Prerouting},
                                    {Table::Mangle, Input},   {Table::Filter, Input},      {Table::Nat, Input}};
  static constexpr Stop kOutput[] = {{Table::Raw, Output},    {Table::Mangle, Output},      {Table::Nat, Output},
                                     {Table::Filter, Output}, {Table::Mangle, Postrouting}, {Table::Nat, Postrouting}};
  Flight f = program_->depart(packet);
  if (path == Path::Output) f.packet.in.clear();
  Outcome outcome;
  const auto go = [&](const auto& stops) {
    for (const auto& [table, hook] : stops)
      if (!program_->pass(table, hook, f, outcome, trace)) return;
  };
  switch (path) {
    case Path::Forward: go(kForward); break;
    case Path::Input: go(kInput); break;
    case Path::Output: go(kOutput); break;
  }
  outcome.mark = f.packet.mark;
  outcome.nat = f.nat;
  outcome.untracked = f.untracked;
  return outcome;
}

Outcome Evaluator::run_chain(Table table, std::string_view chain, std::string_view hook, const Packet& packet,
                             Trace* trace) const {
  const auto& compiled = program_->tables[static_cast<std::size_t>(table)];
  const auto at = std::find(kHooks.begin(), kHooks.end(), hook);
  MARGAY_ASSERT(at != kHooks.end());
  Outcome outcome;
  std::uint32_t start = kNoChain;
  if (const auto kernel = std::find(kHooks.begin(), kHooks.end(), chain); kernel != kHooks.end())
    start = compiled.hooks[static_cast<std::size_t>(kernel - kHooks.begin())];
  else if (const auto ours = compiled.by_name.find(std::string{chain}); ours != compiled.by_name.end()) start = ours->second;
  Flight f = program_->depart(packet);
  if (start != kNoChain) {
    Program::arrive(table, static_cast<Hook>(at - kHooks.begin()), f);
    program_->traverse(table, start, f, outcome, trace);
  }
  outcome.mark = f.packet.mark;
  outcome.nat = f.nat;
  outcome.untracked = f.untracked;
  return outcome;
}

std::string Evaluator::to_text(const Trace& trace) const {
  std::string text;
  for (const auto& step : trace) {
    text += std::string{name(step.table)} + " " + std::to_string(step.rule + 1) + " " +
            kernel::to_text(program_->ruleset.family, step.chain, *step.value) + "\n";
  }
  return text;
}

}  // namespace margay::kernel
