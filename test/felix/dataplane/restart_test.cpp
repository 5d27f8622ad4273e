// Law 4 on fakes: killed between (before, after) any two port calls, a new process with an empty memory converges to the same
// kernel state, and no kernel state on the way lets through what every datastore state forbids. And law 6: any history ends in
// the state that a fresh start would make.
#include <cstdlib>
#include <random>
#include <set>

#include "evaluate.hpp"
#include "felix/dataplane/world.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace margay::dataplane::test;
using namespace std::chrono_literals;
using kernel::Table;

namespace {

// What the datastore says, small enough for many collisions.
struct Store {
  std::map<std::string, std::set<std::string>> sets;                    // id → members
  std::map<std::string, std::pair<std::string, std::string>> policies;  // name → set, selector
  struct Pod {
    std::string interface, address, policy;
    friend bool operator==(const Pod&, const Pod&) = default;
  };
  std::map<std::string, Pod> pods;
  friend bool operator==(const Store&, const Store&) = default;
};

calc::Message pod_message(const std::string& name, const Store::Pod& pod) {
  return workload(name, pod.interface, {pod.address + "/32"}, {pod.policy});
}

// The messages of a flush from one state to the next, in the graph's order.
std::vector<calc::Message> flush(const Store& from, const Store& to) {
  std::vector<calc::Message> out;
  for (const auto& [id, members] : to.sets) {
    const auto before = from.sets.find(id);
    if (before == from.sets.end()) {
      out.push_back(set(id, {members.begin(), members.end()}));
      continue;
    }
    calc::SetDelta delta{.id = id, .added = {}, .removed = {}};
    for (const auto& m : members) {
      if (!before->second.count(m)) delta.added.push_back({.net = *Cidr::parse(m)});
    }
    for (const auto& m : before->second) {
      if (!members.count(m)) delta.removed.push_back({.net = *Cidr::parse(m)});
    }
    if (!delta.added.empty() || !delta.removed.empty()) out.emplace_back(delta);
  }
  for (const auto& [name, p] : to.policies) {
    const auto before = from.policies.find(name);
    if (before == from.policies.end() || before->second != p) out.push_back(policy(name, p.first, p.second));
  }
  for (const auto& [name, pod] : to.pods) {
    const auto before = from.pods.find(name);
    if (before == from.pods.end() || !(before->second == pod)) out.push_back(pod_message(name, pod));
  }
  for (const auto& [name, pod] : from.pods) {
    if (!to.pods.count(name)) out.emplace_back(calc::WorkloadRemove{endpoint_id(name)});
  }
  for (const auto& [name, p] : from.policies) {
    if (!to.policies.count(name)) out.emplace_back(calc::PolicyRemove{policy_id(name)});
  }
  for (const auto& [id, members] : from.sets) {
    if (!to.sets.count(id)) out.emplace_back(calc::SetRemove{id});
  }
  return out;
}

Store random_store(std::mt19937& rng, const Store& before) {
  Store s = before;
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(rng() % n); };
  for (unsigned edits = 1 + pick(6); edits > 0; --edits) {
    switch (pick(4)) {
      case 0: {
        const auto id = "s:" + std::to_string(pick(4));
        const auto member = "10.1.0." + std::to_string(pick(6)) + "/32";
        if (!s.sets[id].insert(member).second) s.sets[id].erase(member);
        break;
      }
      case 1: {
        const auto name = "p" + std::to_string(pick(3));
        s.policies[name] = {"s:" + std::to_string(pick(4)), pick(2) ? "a" : "b"};
        break;
      }
      case 2: {
        const auto name = "w" + std::to_string(pick(4));
        s.pods[name] = {"cali" + std::to_string(pick(3)), "10.0.0." + std::to_string(pick(3)), "p" + std::to_string(pick(3))};
        break;
      }
      default: s.pods.erase("w" + std::to_string(pick(4)));
    }
  }
  // Active only: what pods use.
  std::set<std::string> policies, sets;
  for (const auto& [name, pod] : s.pods) policies.insert(pod.policy);
  for (const auto& name : policies) s.policies.try_emplace(name, "s:0", "a");
  std::erase_if(s.policies, [&](const auto& p) { return !policies.count(p.first); });
  for (const auto& [name, p] : s.policies) sets.insert(p.first);
  for (const auto& id : sets) s.sets.try_emplace(id);
  std::erase_if(s.sets, [&](const auto& x) { return !sets.count(x.first); });
  return s;
}

// The whole kernel as text, for comparing.
std::string dump(const World& w) {
  std::string out;
  for (const auto& [where, chains] : w.tables.tables) {
    for (const auto& [name, rules] : chains) {
      out += std::string{kernel::name(where.second)} + digit(where.first) + " " + name + "\n";
      for (const auto& rule : rules) out += kernel::to_text(where.first, name, rule) + "\n";
    }
  }
  for (const auto& [name, set] : w.sets.sets) {
    out += "set " + name + "\n";
    for (const auto& m : set.members) out += m.to_string(set.spec.type) + "\n";
  }
  std::set<std::string> routes;
  for (const auto& r : w.routes.table) routes.insert(r.destination.to_string() + " dev " + std::to_string(r.link));
  for (const auto& r : routes) out += r + "\n";
  for (const auto& [key, mac] : w.routes.neighbour_table) out += key.second.to_string() + " " + std::to_string(key.first) + "\n";
  return out;
}

// Structure that holds in every kernel state once our chains are there: unknown interfaces are dropped, each interface that is
// let in has both its chains, each chain ends in a drop of ours or a return with a decision. (That jumps and sets exist, the fake
// sees to.)
std::string open_at(const World& w) {
  const auto ends_in_drop = [](const std::vector<kernel::Rule>& rules) {
    return !rules.empty() && std::holds_alternative<kernel::Drop>(rules.back().target);
  };
  for (const Family family : kFamilies) {
    const auto& filter = w.tables.of(family, Table::Filter);
    if (filter.at("FORWARD").empty()) continue;
    bool any_pod = false;
    for (const auto* root : {"cali-from-wl-dispatch", "cali-to-wl-dispatch"}) {
      const auto it = filter.find(root);
      if (it == filter.end() || !ends_in_drop(it->second)) return root;
    }
    for (const auto& [name, rules] : filter) {
      if (!name.starts_with("cali-tw-") && !name.starts_with("cali-fw-")) continue;
      any_pod = true;
      if (!ends_in_drop(rules)) return name;
    }
    // Anti-spoofing stands wherever an interface is let through.
    if (any_pod && !w.tables.of(family, Table::Raw).count("cali-PREROUTING")) return "raw";
  }
  return {};
}

void check_closed(const World& w) {
  const auto where = open_at(w);
  if (!where.empty()) FAIL("open at " << where);
}

// ---- packets -------------------------------------------------------------------------------------------------------

// The policy's name on this interface, or null: of several pods the one with the smallest name.
const std::string* policy_on(const Store& store, const std::string& interface) {
  for (const auto& [name, pod] : store.pods) {
    if (pod.interface == interface) return &pod.policy;
  }
  return nullptr;
}

// Whether any mixture of the two states' rules and members lets this source in: sets change in place before tables do
// (docs/design/dataplane.md), so between two port calls that much is promised, no less.
bool may_pass(const std::vector<const Store*>& states, const std::string& interface, const std::string& source) {
  for (const Store* rules : states) {
    const auto* name = policy_on(*rules, interface);
    if (!name) continue;
    for (const Store* members : states) {
      const auto it = members->sets.find(rules->policies.at(*name).first);
      if (it != members->sets.end() && it->second.count(source + "/32")) return true;
    }
  }
  return false;
}

kernel::Evaluator evaluator(const World& w) {
  kernel::Ruleset rules{.family = Family::V4, .tables = {}, .sets = {}, .is_local = {}};
  for (const auto table : kernel::kTables) {
    kernel::TableRules t{.table = table, .kernel = {}, .chains = {}};
    for (const auto& [name, content] : w.tables.of(Family::V4, table)) {
      if (kernel::is_our_chain(name)) t.chains.push_back({name, content});
      else t.kernel.push_back({name, content});
    }
    rules.tables.push_back(std::move(t));
  }
  for (const auto& [name, set] : w.sets.sets) {
    if (set.spec.family == Family::V4) rules.sets.push_back({set.spec, {set.members.begin(), set.members.end()}});
  }
  auto compiled = kernel::Evaluator::compile(std::move(rules));
  if (!compiled) FAIL("the kernel's state does not hang together: " << compiled.error().text);
  return std::move(compiled).value();
}

// `exact`: the state is settled; what the one store allows must pass.
void check_packets(const World& w, const std::vector<const Store*>& states, bool exact) {
  if (w.tables.of(Family::V4, Table::Filter).at("FORWARD").empty()) return;
  const auto eval = evaluator(w);
  const auto passes = [&](kernel::Path path, const kernel::Packet& packet) {
    return eval.run(path, packet).verdict == kernel::Verdict::Accept;
  };
  const Addr pod = Cidr::parse("10.0.0.7")->addr, peer = Cidr::parse("10.1.0.1")->addr;
  if (passes(kernel::Path::Forward, {.source = peer, .destination = pod, .in = "eth0", .out = "cali9"}))
    FAIL("to an unknown interface");
  if (passes(kernel::Path::Forward, {.source = pod, .destination = peer, .in = "cali9", .out = "eth0"}))
    FAIL("from an unknown interface");
  if (passes(kernel::Path::Input, {.source = pod, .destination = peer, .in = "cali9"}))
    FAIL("from an unknown interface to the host");
  for (int i = 0; i < 3; ++i) {
    const std::string interface = "cali" + std::to_string(i);
    if (passes(kernel::Path::Forward, {.source = pod, .destination = peer, .in = interface, .out = "eth0", .rpf_ok = false})) {
      FAIL("a spoofed packet from " << interface);
    }
    for (int s = 0; s < 6; ++s) {
      const std::string source = "10.1.0." + std::to_string(s);
      const bool passed = passes(kernel::Path::Forward,
                                 {.source = Cidr::parse(source)->addr, .destination = pod, .in = "eth0", .out = interface});
      const bool may = may_pass(states, interface, source);
      if (passed && !may) FAIL("forbidden from " << source << " to " << interface);
      if (exact && may && !passed) FAIL("allowed but lost from " << source << " to " << interface);
    }
  }
}

// A world with three pods' links, whose idle look at the tables is rare, to save time.
void add_links(World& w) {
  w.config.drift_interval = 5s;
  w.start();
  for (int i = 0; i < 3; ++i) w.links.add(10 + i, "cali" + std::to_string(i));
}

std::string fresh(const Store& store) {
  World w;
  add_links(w);
  w.send(flush({}, store));
  w.send({calc::InSync{}});
  REQUIRE(w.settle().ok);
  return dump(w);
}

}  // namespace

TEST_CASE("killed at any port call and started anew, the kernel ends in the same state and is closed all the way") {
  const auto seed = static_cast<unsigned>(margay::test::from_environment("MARGAY_SEED", 20261124));
  const auto rounds = static_cast<unsigned>(margay::test::from_environment("MARGAY_ITERATIONS", 2));
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 rng{seed};
  for (unsigned round = 0; round < rounds; ++round) {
    Store a = random_store(rng, random_store(rng, {}));
    const Store b = random_store(rng, random_store(rng, a));
    const std::string wanted = fresh(b);
    long calls = 0;
    // About 30 kills a round, at other places each round.
    const auto step = [&] {
      return calls == 0 ? 1 : 1 + static_cast<long>(rng() % static_cast<unsigned long>(1 + 2 * calls / 15));
    };
    for (long kill = 0; kill <= 2 * calls + 1; kill += step()) {
      INFO("round " << round << " kill " << kill);
      World w;
      add_links(w);
      std::vector<const Store*> states{&a};
      w.fuse.observer = [&](const std::string& call) {
        check_closed(w);
        if (call.starts_with("tables") || call.starts_with("sets")) check_packets(w, states, false);
      };
      w.send(flush({}, a));
      w.send({calc::InSync{}});
      REQUIRE(w.settle().ok);
      check_packets(w, {&a}, true);
      states.push_back(&b);
      w.send(flush(a, b));
      const long before = w.fuse.calls();
      if (kill > 0) w.fuse.blow_in((kill + 1) / 2, kill % 2 == 0);
      bool killed = false;
      try {
        w.settle();
      } catch (const fakes::Killed&) {
        killed = true;
      }
      w.fuse.repair();
      if (kill == 0) calls = w.fuse.calls() - before;
      if (killed) {
        w.start();
        (void)w.dataplane->apply_closed_base();
        w.send(flush({}, b));
        w.send({calc::InSync{}});
        w.settle();
      }
      REQUIRE(dump(w) == wanted);
      check_packets(w, {&b}, true);
    }
  }
}

TEST_CASE("any history of messages, links and faults ends in the state that a fresh start makes") {
  const auto seed = static_cast<unsigned>(margay::test::from_environment("MARGAY_SEED", 20261124));
  const auto rounds = static_cast<unsigned>(margay::test::from_environment("MARGAY_ITERATIONS", 2) * 20);
  INFO("MARGAY_SEED=" << seed);
  std::mt19937 rng{seed};
  World w;
  add_links(w);
  w.fuse.observer = [&](const std::string&) { check_closed(w); };
  Store store;
  w.send({calc::InSync{}});
  w.settle();
  for (unsigned round = 0; round < rounds; ++round) {
    INFO("round " << round);
    Store next = random_store(rng, store);
    w.send(flush(store, next));
    store = std::move(next);
    switch (rng() % 8) {
      case 0: w.fuse.fail("tables.apply", {ErrorCode::Io, "no"}, 1 + static_cast<int>(rng() % 4)); break;
      case 1: w.fuse.fail("sets.apply", {ErrorCode::Io, "no"}, 1 + static_cast<int>(rng() % 4)); break;
      case 2: w.fuse.fail("routes.apply", {ErrorCode::Io, "no"}, 1); break;
      case 3: {
        const int i = static_cast<int>(rng() % 3);
        w.event(w.links.remove(10 + i));
        if (rng() % 2) w.apply();
        w.event(w.links.add(10 + i, "cali" + std::to_string(i)));
        break;
      }
      case 4: {
        auto& filter = w.tables.tables[{Family::V4, Table::Filter}];
        for (auto& [name, rules] : filter) rules.clear();  // iptables -F
        w.tables.count_references();
        w.clock.advance(5s);
        break;
      }
      case 5: w.sets.sets.erase("cali40s:0"), w.dataplane->on_events_lost(); break;
      default: break;
    }
    if (rng() % 2) w.apply();
    if (rng() % 3 == 0) {
      w.fuse.heal();
      w.clock.advance(95s);  // what the kernel does not tell, the refresh finds
      w.settle();
      REQUIRE(w.settle().ok);
      REQUIRE(dump(w) == fresh(store));
    }
  }
}
