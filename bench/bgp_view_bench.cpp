// What a router costs: from nothing, and after one change. CPU time of the process.
#include <algorithm>
#include <ctime>
#include <functional>
#include <vector>

#include <fmt/core.h>

#include "bgp_world.hpp"
#include "view/view.hpp"

namespace {

using margay::Update;
using margay::bench::BgpWorld;
using margay::bgp::View;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void measure(const char* what, View& view, const std::function<Update(unsigned)>& change) {
  std::vector<double> took;
  for (unsigned i = 0; i < 200; ++i) {
    const Update update = change(i);
    const double before = cpu_ms();
    view.on_update(update);
    if (!view.router()) std::abort();
    took.push_back(cpu_ms() - before);
  }
  std::sort(took.begin(), took.end());
  fmt::print("  {:<44} median {:7.3f} ms, worst {:7.3f} ms\n", what, took[took.size() / 2], took.back());
}

void run(bool all_here) {
  const BgpWorld world{1000, 5000, 10'000, all_here};
  std::vector<Update> updates;
  world.announce([&](Update update) { updates.push_back(std::move(update)); });
  margay::bgp::ViewOptions options;
  options.node = "n0";
  View view{options};
  const double start = cpu_ms();
  for (const Update& update : updates) view.on_update(update);
  const double taken = cpu_ms();
  const auto router = view.router();
  const double made = cpu_ms();
  if (!router) std::abort();
  fmt::print("{} nodes, {} BGPPeers ({}), {} services: {} sessions, {} routes\n", world.nodes, world.peers,
             all_here ? "all here" : "spread over the nodes", world.services, (*router)->sessions.size(),
             (*router)->families[0].statics.size());
  fmt::print("  {:<44} taken in {:.1f} ms, router {:.1f} ms\n", "everything", taken - start, made - taken);
  measure("a slice: the service's endpoint here goes, comes", view, [&](unsigned i) { return world.slice(5000, i % 2 != 0); });
  measure("a BGPPeer of this node: another keepalive", view, [&](unsigned i) { return world.peer(2000, 31 + i); });
  measure("another node: a label", view, [&](unsigned i) { return world.node(45, i + 1); });
  measure("another node: goes, comes", view, [&](unsigned i) {
    return i % 2 == 0 ? Update{{margay::Kind::Node, {}, "n500"}, {}, {}} : world.node(500);
  });
  measure("this node: a label", view, [&](unsigned i) { return world.node(0, i + 1); });
  measure("nothing that matters", view, [&](unsigned i) { return world.slice(i, true); });
}

}  // namespace

int main() {
  run(false);
  run(true);
}
