// The whole pure pipeline against a direct reading of the resources: manifests → decoding → graph → dataplane (fakes) → chains
// and sets → packets. A cluster is put in place, edited, and packets run after each; so incremental changes are seen as well.
//   MARGAY_SEED=N        start from this seed (printed on failure)
//   MARGAY_ITERATIONS=N  so many clusters, 200 packets each (default 120)
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <nlohmann/json.hpp>

#include "draw.hpp"
#include "node.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

using namespace margay;
using namespace margay::pipeline;

namespace {

std::string describe(const Packet& p) {
  return p.in + " -> " + p.out + "  " + p.source.to_string() + " -> " + p.destination.to_string() + "  protocol " +
         std::to_string(p.protocol) + "  ports " + std::to_string(p.source_port) + " -> " + std::to_string(p.destination_port) +
         "  icmp " + std::to_string(p.icmp_type) + "/" + std::to_string(p.icmp_code);
}
std::string describe(const Outcome& o) {
  static constexpr const char* kNames[] = {"accepted", "dropped", "left to others"};
  return std::string{kNames[static_cast<int>(o.fate)]} + (o.masqueraded ? ", masqueraded" : "") + ", logged " +
         std::to_string(o.logged);
}
std::string describe(const Cluster& cluster) {
  std::string out;
  for (const auto& manifest : manifests(cluster)) out += manifest.dump() + "\n";
  return out;
}

// What goes wrong with this packet after these clusters in turn; empty: nothing.
std::string trouble(const std::vector<const Cluster*>& history, const Packet& packet) {
  try {
    TestNode node;
    for (const Cluster* cluster : history) node.hold(*cluster);
    const Outcome wanted = decide(*history.back(), packet), got = node.run(packet);
    if (wanted == got) return {};
    return describe(packet) + "\nwanted " + describe(wanted) + ", got " + describe(got) + "\n" + describe(*history.back()) +
           node.chains(packet.source.family);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

// The shortest history and the smallest clusters that still show it.
std::string explain(const Cluster& before, const Cluster& now, const Packet& packet) {
  const auto alone = [&](const Cluster& c) { return !trouble({&c}, packet).empty(); };
  if (alone(now)) {
    const Cluster small = shrink(now, alone);
    return trouble({&small}, packet);
  }
  const Cluster small_now = shrink(now, [&](const Cluster& c) { return !alone(c) && !trouble({&before, &c}, packet).empty(); });
  const Cluster small_before = shrink(before, [&](const Cluster& c) { return !trouble({&c, &small_now}, packet).empty(); });
  return "only after an edit; before it:\n" + describe(small_before) + "after it:\n" +
         trouble({&small_before, &small_now}, packet);
}

}  // namespace

TEST_CASE("what the node does with packets is what the resources say") {
  const std::uint64_t seed = margay::test::from_environment(
      "MARGAY_SEED", static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
  const std::uint64_t clusters = margay::test::from_environment("MARGAY_ITERATIONS", 120);
  constexpr int kPackets = 50;  // per family, before and after the edit
  std::map<Fate, std::uint64_t> fates;
  std::uint64_t logged = 0, masqueraded = 0;
  for (std::uint64_t i = 0; i < clusters; ++i) {
    INFO("MARGAY_SEED=" << seed + i << " MARGAY_ITERATIONS=1");
    Draw draw{seed + i};
    const Cluster first = draw.cluster(), second = draw.edited(first);
    TestNode node;
    for (const Cluster* cluster : {&first, &second}) {
      try {
        node.hold(*cluster);
      } catch (const std::runtime_error& e) {
        FAIL(e.what());
      }
      for (const Family family : kFamilies) {
        for (int n = 0; n < kPackets; ++n) {
          const Packet packet = draw.packet(*cluster, family);
          const Outcome wanted = decide(*cluster, packet);
          ++fates[wanted.fate];
          logged += static_cast<std::uint64_t>(wanted.logged);
          masqueraded += wanted.masqueraded ? 1 : 0;
          if (wanted == node.run(packet)) continue;
          if (cluster == &first) FAIL(explain(first, first, packet));
          FAIL(explain(first, second, packet));
        }
      }
    }
  }
  INFO("seed " << seed << ": accepted " << fates[Fate::Accepted] << ", dropped " << fates[Fate::Dropped] << ", left "
               << fates[Fate::Undecided] << ", logged " << logged << ", masqueraded " << masqueraded);
  const std::uint64_t total = clusters * kPackets * 4;
  if (clusters >= 100) {
    CHECK(fates[Fate::Accepted] * 10 > total);
    CHECK(fates[Fate::Dropped] * 10 > total);
    CHECK(fates[Fate::Undecided] * 500 > total);
    CHECK(logged * 2000 > total);
    CHECK(masqueraded * 2000 > total);
  }
  if (std::getenv("MARGAY_VERBOSE") != nullptr)
    std::cout << "accepted " << fates[Fate::Accepted] << ", dropped " << fates[Fate::Dropped] << ", left "
              << fates[Fate::Undecided] << ", logged " << logged << ", masqueraded " << masqueraded << "\n";
}
