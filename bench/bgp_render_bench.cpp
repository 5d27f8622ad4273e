// Renderer: a router of a large cluster rendered at once, and after one session or one service came, changed or went.
//
// 1,000 mesh nodes, 5,000 peers (of 50 BGPPeers, with passwords), 10,000 service routes. CPU of this process, median of
// MARGAY_ROUNDS (default 21).
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "render/render.hpp"

using namespace margay;
using namespace margay::bgp;

namespace {

double cpu_ms() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

Addr address(std::uint8_t first, std::uint32_t i) {
  Addr a;
  a.bytes = {first, static_cast<std::uint8_t>(i >> 16), static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
  return a;
}

Session session(std::string_view kind, std::uint8_t first, std::uint32_t i) {
  Session s;
  s.peer = address(first, i);
  s.name = fmt::format("{}_{}", kind, s.peer->to_string());
  std::replace(s.name.begin(), s.name.end(), '.', '_');
  s.description = fmt::format("node worker-{}", i);
  s.owner = {Kind::BGPPeer, {}, fmt::format("peer-{}", i % 50)};
  s.local_as = kDefaultAs;
  s.remote_as = kind == "Mesh" ? kDefaultAs : 65000 + i % 50;
  s.source = address(10, 1);
  s.passive = i % 2 == 0;
  if (kind != "Mesh") s.password = fmt::format("password-{}", i % 50);
  return s;
}

StaticRoute service(std::uint32_t i) {
  return {Cidr{address(11, i)}, {}, StaticRoute::Reason::Service, {Kind::Service, "default", fmt::format("service-{}", i)}};
}

Router large() {
  Router r;
  r.node = "here";
  r.router_id = address(10, 1);
  FamilyView& v = r.families[0];
  v.node_ip = r.router_id;
  v.blocks = {Cidr{address(12, 0), 26}};
  v.pools = {{Cidr{address(12, 0), 16}, true, PoolRule::Kernel::Program, {}}};
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    v.statics.push_back(service(i));
    v.services.push_back(v.statics.back().net);
  }
  for (std::uint32_t i = 0; i < 1'000; ++i) r.sessions.push_back(session("Mesh", 20, i));
  for (std::uint32_t i = 0; i < 5'000; ++i) r.sessions.push_back(session("Node", 30, i));
  std::sort(r.sessions.begin(), r.sessions.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return r;
}

template <class Work>
void report(const char* what, Work work) {
  const char* text = std::getenv("MARGAY_ROUNDS");
  std::vector<double> times(text ? std::strtoul(text, nullptr, 10) : 21);
  for (double& t : times) t = work();
  std::sort(times.begin(), times.end());
  fmt::print("{:<40} {:8.3f} ms  (worst {:.3f})\n", what, times[times.size() / 2], times.back());
}

template <class Change>
void report_change(const char* what, Router& router, Renderer& renderer, Change change) {
  unsigned round = 0;
  report(what, [&] {
    change(round++);
    const double before = cpu_ms();
    const Rendered rendered = renderer.render(router);
    return cpu_ms() - before;
  });
}

}  // namespace

int main() {
  Router router = large();
  report("everything, from nothing", [&] {
    const double before = cpu_ms();
    const Rendered rendered = Renderer{"/run/margay/bird"}.render(router);
    return cpu_ms() - before;
  });
  Renderer renderer{"/run/margay/bird"};
  const Rendered first = renderer.render(router);
  std::size_t bytes = first.main.size();
  for (const auto& part : first.parts) bytes += part->text.size();
  fmt::print("{} parts, {} bytes\n", first.parts.size(), bytes);
  report_change("nothing changed", router, renderer, [](unsigned) {});
  report_change("one session changed", router, renderer, [&](unsigned i) {
    router.sessions[(i * 977) % router.sessions.size()].description = fmt::format("changed {}", i);
  });
  report_change("one service came or went", router, renderer, [&](unsigned i) {
    auto& v = router.families[0];
    const auto at = static_cast<std::ptrdiff_t>((i * 977) % 9'000);
    if (i % 2 == 0) v.statics.erase(v.statics.begin() + at), v.services.erase(v.services.begin() + at);
    else {
      const StaticRoute added = service(20'000 + i);
      v.statics.push_back(added), v.services.push_back(added.net);
    }
  });
}
