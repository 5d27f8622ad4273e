// The randomised differential test: what the rendered rules do with a packet against a direct reading of the policy.
//   MARGAY_SEED=N        start from this seed (printed on failure)
//   MARGAY_ITERATIONS=N  so many worlds, 100 packets each (default 500)
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <set>

#include "generate.hpp"
#include "interpreter.hpp"
#include "oracle.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"
#include "text.hpp"

using namespace margay;
using namespace margay::rules;
using namespace margay::rules::semantics;

namespace {

const char* name(Fate fate) {
  static constexpr const char* kNames[] = {"accepted", "dropped", "rejected", "left to others"};
  return kNames[static_cast<int>(fate)];
}
std::string describe(const Outcome& o) { return std::string{name(o.fate)} + ", logged " + std::to_string(o.logged); }

std::string describe(const Packet& p) {
  static constexpr const char* kStates[] = {"new", "established", "related", "invalid"};
  return p.in + " -> " + (p.out.empty() ? "host" : p.out) + "  " + p.source.to_string() + " -> " + p.destination.to_string() +
         "  protocol " + std::to_string(p.protocol) + "  ports " + std::to_string(p.source_port) + " -> " +
         std::to_string(p.destination_port) + "  icmp " + std::to_string(p.icmp_type) + "/" + std::to_string(p.icmp_code) + "  " +
         kStates[static_cast<int>(p.state)] + (p.spoofed ? " spoofed" : "") + (p.within_limit ? "" : " over limit") +
         "  connections " + std::to_string(p.connections);
}

std::string describe(const calc::ActiveRule& r) {
  static constexpr const char* kActions[] = {"allow", "deny", "pass", "log"};
  std::string out = kActions[static_cast<int>(r.action)];
  const auto number = [&](const char* what, const auto& value) {
    if (value) out += std::string{" "} + what + std::to_string(static_cast<int>(*value));
  };
  number("family ", r.family);
  number("protocol ", r.protocol);
  number("!protocol ", r.not_protocol);
  if (r.icmp) number("icmp ", r.icmp->type), number("/", r.icmp->code);
  if (r.not_icmp) number("!icmp ", r.not_icmp->type), number("/", r.not_icmp->code);
  const auto nets = [&](const char* what, const std::vector<Cidr>& list) {
    for (const Cidr& cidr : list) out += std::string{" "} + what + cidr.to_string();
  };
  nets("src ", r.src_nets), nets("!src ", r.not_src_nets), nets("dst ", r.dst_nets), nets("!dst ", r.not_dst_nets);
  const auto ports = [&](const char* what, const std::vector<PortRange>& list) {
    for (const PortRange& range : list)
      out += std::string{" "} + what + std::to_string(range.min) + ":" + std::to_string(range.max);
  };
  ports("sport ", r.src_ports), ports("!sport ", r.not_src_ports), ports("dport ", r.dst_ports),
      ports("!dport ", r.not_dst_ports);
  const auto sets = [&](const char* what, const std::vector<calc::SetId>& list) {
    for (const calc::SetId& id : list) out += std::string{" "} + what + id.str();
  };
  sets("src ", r.src_sets), sets("!src ", r.not_src_sets), sets("dst ", r.dst_sets), sets("!dst ", r.not_dst_sets);
  sets("sport ", r.src_port_sets), sets("!sport ", r.not_src_port_sets), sets("dport ", r.dst_port_sets);
  sets("!dport ", r.not_dst_port_sets), sets("service ", r.dst_service_sets);
  return out + "\n";
}

std::string describe(const World& world, Family family) {
  std::string out;
  for (const auto& [id, policy] : world.policies) {
    if (policy.ingress.empty() && policy.egress.empty()) continue;
    out += id.to_string() + (policy.closed ? " closed" : "") + "\n";
    for (const auto& rule : policy.ingress) out += "  ingress " + describe(rule);
    for (const auto& rule : policy.egress) out += "  egress " + describe(rule);
  }
  const Ruleset rules = render(world, family);
  std::map<std::string, kernel::Chain> sorted{rules.filter.begin(), rules.filter.end()};
  for (const auto& [chain_name, chain] : sorted)
    if (!chain.rules.empty()) out += kernel::to_text(family, chain);
  for (const auto& [id, set] : world.sets)
    for (const auto& member : set.members)
      if (member.net.family() == family) out += id.str() + " has " + member.to_string(set.type) + "\n";
  return out;
}

}  // namespace

TEST_CASE("rendered rules do what the policy says") {
  const std::uint64_t seed = margay::test::from_environment(
      "MARGAY_SEED", static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
  const std::uint64_t worlds = margay::test::from_environment("MARGAY_ITERATIONS", 500);
  constexpr int kPackets = 50;  // per family
  std::map<Fate, std::uint64_t> fates;
  std::uint64_t logged = 0;
  for (std::uint64_t i = 0; i < worlds; ++i) {
    INFO("MARGAY_SEED=" << seed + i << " MARGAY_ITERATIONS=1");
    Generator generator{seed + i};
    const World world = generator.world();
    for (const Family family : kFamilies) {
      const Ruleset rules = render(world, family);
      const std::vector<std::string> found = faults(world, rules);
      if (!found.empty()) FAIL("the kernel would refuse: " << found.front());
      const Machine machine{world, rules};
      for (int n = 0; n < kPackets; ++n) {
        const Packet packet = generator.packet(world, family);
        const Outcome wanted = decide(world, packet), got = machine.run(packet);
        ++fates[wanted.fate];
        logged += static_cast<std::uint64_t>(wanted.logged);
        if (wanted == got) continue;
        const World small =
            shrink(world, [&](const World& w) { return decide(w, packet) != Machine(w, render(w, family)).run(packet); });
        FAIL(describe(packet) << "\nwanted " << describe(decide(small, packet)) << ", got "
                              << describe(Machine(small, render(small, family)).run(packet)) << "\n"
                              << describe(small, family));
      }
    }
  }
  // The packets are worth something only if all of this happens, and often.
  INFO("seed " << seed << ": accepted " << fates[Fate::Accepted] << ", dropped " << fates[Fate::Dropped] << ", left "
               << fates[Fate::Undecided] << ", rejected " << fates[Fate::Rejected] << ", logged " << logged);
  const std::uint64_t total = worlds * kPackets * 2;
  if (worlds >= 100) {
    CHECK(fates[Fate::Accepted] * 20 > total);
    CHECK(fates[Fate::Dropped] * 20 > total);
    CHECK(fates[Fate::Rejected] * 500 > total);
    CHECK(fates[Fate::Undecided] * 500 > total);
    CHECK(logged * 2000 > total);
  }
  if (std::getenv("MARGAY_VERBOSE") != nullptr)
    std::cout << "accepted " << fates[Fate::Accepted] << ", dropped " << fates[Fate::Dropped] << ", left "
              << fates[Fate::Undecided] << ", logged " << logged << "\n";
}
