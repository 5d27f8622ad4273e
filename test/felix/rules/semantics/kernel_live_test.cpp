// Random worlds into the real kernel, through dataplane, tables and sets, in a private network namespace: every table loads, and
// reads back as what was wanted, in both families.
//   MARGAY_SEED=N, MARGAY_ITERATIONS=N  (default 40 worlds)
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "dataplane/dataplane.hpp"
#include "fakes/fake_conntrack.hpp"
#include "fakes/fake_links.hpp"
#include "fakes/fake_routes.hpp"
#include "fakes/fake_sysctls.hpp"
#include "fakes/manual_clock.hpp"
#include "generate.hpp"
#include "ipset_sets.hpp"
#include "iptc_tables.hpp"
#include "kernel/netns.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::rules::semantics;

namespace {

const bool ready = test::enter_private_netns("iptables-legacy -S && ip6tables-legacy -S && ipset list && ip link set lo up");

// The rest of the configuration, which packets in filter do not see.
dataplane::Config configuration(const World& world, std::uint64_t seed) {
  dataplane::Config out;
  out.rules = world.config;
  out.rules.append_hooks = seed % 2 == 0;
  if (seed % 3 == 0) out.rules.nat_port_range = PortRange{32768, 60999};
  if (seed % 5 == 0) out.rules.nat_outgoing_address = Addr::parse("192.0.2.1");
  out.rules.nat_exclude_hosts = seed % 7 == 0;
  if (seed % 4 == 0) out.rules.nat_outgoing_interface = "eth+";
  out.rules.floating_ips = seed % 2 == 1;
  out.rules.random_fully = seed % 3 != 1;
  return out;
}

void send(dataplane::Dataplane& to, const World& world) {
  for (const auto& [id, set] : world.sets) to.on_message(calc::SetUpdate{id, set.type, set.members});
  for (const auto& [id, policy] : world.policies)
    to.on_message(calc::PolicyUpdate{id, std::make_shared<const calc::ActivePolicy>(policy)});
  for (const auto& [id, profile] : world.profiles)
    if (profile) to.on_message(calc::ProfileUpdate{id, std::make_shared<const calc::ActiveProfile>(*profile)});
  for (const Workload& workload : world.workloads) {
    auto endpoint = std::make_shared<WorkloadEndpoint>(workload.endpoint);
    endpoint->nats = {{*Addr::parse("10.0.0.1"), *Addr::parse("192.0.2.9")},
                      {*Addr::parse("fd00::1"), *Addr::parse("2001:db8::9")}};
    to.on_message(calc::WorkloadUpdate{{Kind::WorkloadEndpoint, "ns", endpoint->interface_name},
                                       endpoint,
                                       std::make_shared<const calc::EndpointPolicies>(workload.policies)});
  }
  for (const char* cidr : {"10.0.0.0/16", "fd00::/64"}) {
    auto pool = std::make_shared<IpPool>();
    pool->cidr = *Cidr::parse(cidr);
    pool->nat_outgoing = true;
    to.on_message(calc::PoolUpdate{cidr, pool});
  }
  to.on_message(calc::ServiceCidrsUpdate{world.service_cidrs});
  to.on_message(calc::InSync{});
}

}  // namespace

TEST_CASE("the kernel takes every rendered world and gives it back") {
  const std::uint64_t seed = margay::test::from_environment(
      "MARGAY_SEED", static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
  const std::uint64_t worlds = margay::test::from_environment("MARGAY_ITERATIONS", 40);
  kernel::IptcTables tables;
  kernel::IpsetSets sets;
  std::size_t chains = 0, rules = 0;
  for (std::uint64_t i = 0; i < worlds; ++i) {
    INFO("MARGAY_SEED=" << seed + i << " MARGAY_ITERATIONS=1");
    Generator generator{seed + i};
    const World world = generator.world();
    fakes::Fuse fuse;
    fakes::FakeRoutes routes{fuse};
    fakes::FakeLinks links{fuse, routes};
    fakes::FakeConntrack conntrack{fuse};
    fakes::FakeSysctls sysctls{fuse};
    fakes::ManualClock clock;
    dataplane::Dataplane dataplane{configuration(world, seed + i), {tables, sets, routes, links, conntrack, sysctls, clock}};
    send(dataplane, world);
    // Each world meets what the one before it left behind.
    const dataplane::Outcome outcome = dataplane.apply();
    for (const auto& failure : outcome.failures) FAIL_CHECK(failure.what << ": " << failure.error.text);
    REQUIRE(outcome.ok);
    for (const auto& plane : dataplane.planes()) {
      for (const auto& table : plane->tables) {
        INFO("IPv" << digit(plane->family) << " " << kernel::name(table.table()));
        CHECK(table.refused().empty());
        const auto state = tables.read(plane->family, table.table(), table.hooks());
        REQUIRE(state);
        CHECK_FALSE(state->stray);
        const auto wanted = table.programmed();
        CHECK(state->chains.size() == wanted.size());
        for (const kernel::Chain& chain : wanted) {
          const auto it = state->chains.find(chain.name);
          REQUIRE(it != state->chains.end());
          if (it->second != kernel::digest(chain.rules)) FAIL("reads back otherwise:\n" << kernel::to_text(plane->family, chain));
          ++chains;
          rules += chain.rules.size();
        }
      }
      const auto headers = sets.list();
      REQUIRE(headers);
      for (const kernel::SetSpec& spec : plane->sets.wanted()) {
        INFO(spec.name);
        auto members = sets.members(spec);
        REQUIRE(members);
        std::sort(members->begin(), members->end());
        CHECK(*members == plane->sets.wanted_members(spec.name));
      }
    }
  }
  if (std::getenv("MARGAY_VERBOSE") != nullptr) std::cout << chains << " chains, " << rules << " rules\n";
}
