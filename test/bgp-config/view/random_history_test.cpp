// Any history gives the router that a fresh view of the final state gives, and leaves alone the sessions it did not concern.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <random>

#include "cluster.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"

namespace margay::bgp::test {

namespace {

// Few names and few values of each kind, so that everything meets everything.
class World {
 public:
  explicit World(unsigned seed) : random_{seed} {}

  Update next() {
    switch (below(21)) {
      case 0:
      case 1:
      case 2:
      case 3: return some_node();
      case 4:
      case 5:
      case 6:
      case 7:
      case 8: return some_peer();
      case 9: return some_filter();
      case 10: return some_configuration();
      case 11: return some_secret();
      case 12: return some_pool();
      case 13: return some_block();
      case 14:
      case 15:
      case 16: return some_service();
      case 17: return some_felix();
      default: return some_slice();
    }
  }

  std::vector<WorkloadStatus> workloads() {
    std::vector<WorkloadStatus> out;
    for (unsigned i = 0; i < 3; ++i)
      if (chance(60))
        out.push_back({"cali" + std::to_string(i),
                       {Cidr{some_addr(Family::V4)}, Cidr{some_addr(Family::V6)}},
                       chance(50) ? pick({"p0", "p1", "p2", "p3", "p4", "p5"}) : ""});
    return out;
  }

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::string pick(std::initializer_list<const char*> of) { return *(of.begin() + below(static_cast<unsigned>(of.size()))); }
  std::string name(const char* prefix, unsigned n) { return prefix + std::to_string(below(n)); }
  Addr some_addr(Family family) { return addr((family == Family::V4 ? "10.0.0." : "fd00::") + std::to_string(1 + below(6))); }
  template <class T>
  Update make(Kind kind, const std::string& name, T value, const char* ns = "") {
    return chance(25) ? gone(kind, name, ns) : update(kind, name, std::move(value), ns);
  }
  std::optional<std::uint16_t> some_port() {
    static constexpr std::uint16_t kPorts[] = {179, 1790, 1791};
    return chance(60) ? std::nullopt : std::optional{kPorts[below(3)]};
  }
  Selector some_selector() { return selector(pick({"all()", "has(a)", "!has(a)", "b == '1'", "a == '0' && has(b)"})); }

  Update some_node() {
    const std::string which = chance(25) ? "me" : name("n", 6);
    Labels::Pair a{"a", std::to_string(below(2))}, b{"b", std::to_string(below(2))};
    std::vector<Labels::Pair> labels;
    if (chance(50)) labels.push_back(a);
    if (chance(50)) labels.push_back(b);
    if (chance(5)) labels.emplace_back("node.kubernetes.io/exclude-from-external-load-balancers", "true");
    Node out;
    out.labels = Labels{labels};
    if (chance(85)) out.ipv4 = some_addr(Family::V4);
    if (chance(60)) out.ipv6 = some_addr(Family::V6);
    if (chance(20)) out.as_number = 65000 + below(2);
    if (chance(20)) out.route_reflector_cluster_id = chance(50) ? "1.0.0.1" : "1.0.0.2";
    if (chance(30)) out.wireguard[below(2)] = some_addr(Family::V4);
    if (chance(30)) out.pod_cidrs = {cidr("10.65.9.0/24")};
    out.draining = chance(5);
    return which == "me" && chance(90) ? update(Kind::Node, which, out) : make(Kind::Node, which, out);
  }

  Update some_peer() {
    BgpPeer out;
    const unsigned form = below(10);
    if (form < 5) out.peer_ip = some_addr(chance(70) ? Family::V4 : Family::V6);
    else if (form < 8) out.peer_selector = some_selector();
    else if (form == 8) out.local_workload_selector = some_selector();
    else out.extensions.interface = name("eth", 2);
    if (chance(30)) out.node = chance(50) ? "me" : name("n", 6);
    else if (chance(50)) out.node_selector = some_selector();
    if (out.peer_ip) {
      out.peer_port = some_port();
      if (chance(30)) out.reachable_by = some_addr(out.peer_ip->family);
    }
    if (chance(50)) out.as_number = chance(60) ? 64512 : 65000 + below(2);
    if (chance(20)) out.local_as_number = 65000 + below(2);
    if (chance(30)) out.password = SecretRef{name("s", 2), name("k", 2)};
    if (chance(50)) out.filters.emplace_back(name("f", 3));
    if (chance(20)) out.filters.emplace_back("f3");
    out.next_hop = static_cast<BgpPeer::NextHop>(below(4));
    out.reverse_peering = chance(70);
    out.source_node_ip = chance(80);
    return make(Kind::BGPPeer, name("p", 6), std::move(out));
  }

  Update some_filter() {
    BgpFilter out;
    out.import_rules[below(2)].resize(below(3));
    return make(Kind::BGPFilter, name("f", 4), std::move(out));
  }

  Update some_configuration() {
    BgpConfiguration out;
    out.listen_port = some_port();
    if (chance(40)) out.prefix_advertisements = {{cidr("10.0.0.0/8"), {Community{false, {1, below(3), 0}}}}};
    if (chance(50)) return make(Kind::BGPConfiguration, chance(40) ? "node.me" : "node." + name("n", 6), std::move(out));
    out.mesh = chance(70);
    out.bind_node_ip = chance(50);
    if (chance(50)) out.local_workload_peering_v4 = some_addr(Family::V4);
    if (chance(30)) out.as_number = 65000 + below(2);
    if (chance(30)) out.mesh_password = SecretRef{name("s", 2), name("k", 2)};
    if (chance(70)) out.service_cluster_ips = {cidr("10.96.0.0/28")};
    if (chance(50)) out.service_external_ips = {cidr("10.97.0.0/28"), cidr("10.98.0.1/32")};
    if (chance(50)) out.service_load_balancer_ips = {cidr("10.99.0.0/28"), cidr("10.98.0.2/32")};
    out.load_balancer_aggregation = chance(60);
    out.cluster_routes = static_cast<ClusterRoutes>(below(4));
    if (chance(30)) out.normal_priority[below(2)] = 500 + below(100);
    return make(Kind::BGPConfiguration, "default", std::move(out));
  }

  Update some_felix() {
    FelixConfiguration out;
    if (chance(70)) out.parameters["ProgramClusterRoutes"] = pick({"Enabled", "Disabled", "EnabledIPIPOnly"});
    return make(Kind::FelixConfiguration, chance(80) ? "default" : "node.me", std::move(out));
  }

  Update some_secret() {
    Secret out;
    for (const char* key : {"k0", "k1"})
      if (chance(60)) out.data[key] = pick({"one", "two", "bad\"", ""});
    return make(Kind::Secret, name("s", 2), std::move(out), chance(90) ? "kube-system" : "default");
  }

  Update some_pool() {
    IpPool out;
    out.cidr = cidr("10." + std::to_string(64 + below(3)) + ".0.0/16");
    out.ipip = static_cast<IpPool::Encap>(below(3));
    out.disable_bgp_export = chance(30);
    return make(Kind::IPPool, name("pool", 3), std::move(out));
  }

  Update some_block() {
    BlockAffinity out;
    out.node = chance(70) ? "me" : "n1";
    out.cidr = cidr("10.65." + std::to_string(below(4)) + ".0/26");
    if (chance(20)) out.cidr = Cidr{some_addr(Family::V4)};  // perhaps a service's, or a peer's
    out.state = static_cast<BlockAffinity::State>(below(3));
    out.of_host = chance(90);
    return make(Kind::BlockAffinity, name("b", 5), std::move(out));
  }

  Update some_service() {
    Service out;
    out.type = pick({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"});
    if (chance(90)) out.cluster_ips.push_back(addr("10.96.0." + std::to_string(below(4))));
    if (chance(50)) out.external_ips.push_back(addr(pick({"10.97.0.1", "10.97.0.2", "10.98.0.1", "10.0.0.3"})));
    if (chance(50)) out.load_balancer_ips.push_back(addr(pick({"10.99.0.1", "10.99.0.2", "10.98.0.2"})));
    if (chance(20)) out.requested_load_balancer_ip = addr("10.98.0.2");
    out.external_policy_local = chance(50);
    return make(Kind::Service, name("svc", 5), std::move(out), "ns");
  }

  Update some_slice() {
    EndpointSlice out;
    if (chance(90)) out.service = name("svc", 5);
    if (chance(90)) out.family = chance(80) ? Family::V4 : Family::V6;
    for (unsigned n = below(3); n != 0; --n) out.endpoints.push_back({{}, chance(50) ? "me" : "n1", chance(70)});
    return make(Kind::EndpointSlice, name("slice", 8), std::move(out), "ns");
  }

  std::mt19937 random_;
};

ViewOptions options_of(unsigned seed) {
  ViewOptions out;
  out.node = "me";
  out.wait_for_policy = seed % 2 == 0;
  out.pod_cidrs_are_blocks = seed % 3 == 0;
  return out;
}

// What is refused twice is not refused once.
struct State {
  std::map<Key, Update> resources;
  std::map<Key, unsigned> refused;
  std::vector<WorkloadStatus> workloads;
};

void check_against_fresh(View& view, const State& state, const ViewOptions& options, std::mt19937& random) {
  View fresh{options};
  std::vector<Update> order;
  for (const auto& [key, update] : state.resources) order.push_back(update);
  std::shuffle(order.begin(), order.end(), random);
  for (const Update& update : order) fresh.on_update(update);
  fresh.set_workloads(state.workloads);
  for (const auto& [key, count] : state.refused)
    for (unsigned n = 0; n < count; ++n) fresh.quarantine(key, "refused");
  const auto mine = view.router(), theirs = fresh.router();
  REQUIRE(mine.has_value() == theirs.has_value());
  if (!mine) return;
  const Router &a = **mine, &b = **theirs;
  CHECK(a.sessions == b.sessions);
  CHECK(a.filters == b.filters);
  CHECK(a.families[0] == b.families[0]);
  CHECK(a.families[1] == b.families[1]);
  REQUIRE(a == b);
  REQUIRE(view.problems() == fresh.problems());
  for (std::size_t i = 0; i < a.sessions.size(); ++i) {
    REQUIRE(a.sessions[i].name.size() <= 60);
    if (i != 0) REQUIRE(a.sessions[i - 1].name < a.sessions[i].name);
  }
}

}  // namespace

TEST_CASE("a router depends on the state, not on how it came about") {
  const auto first = static_cast<unsigned>(margay::test::from_environment("MARGAY_SEED", std::random_device{}()));
  const auto iterations = static_cast<unsigned>(margay::test::from_environment("MARGAY_ITERATIONS", 30));
  for (unsigned i = 0; i < iterations; ++i) {
    const unsigned seed = first + i;
    INFO("MARGAY_SEED=" << seed);
    World world{seed};
    std::mt19937 random{seed};
    const ViewOptions options = options_of(seed);
    View view{options};
    State state;
    for (unsigned step = 0; step < 120; ++step) {
      for (unsigned n = 1 + world.below(world.chance(20) ? 40 : 3); n != 0; --n) {
        const unsigned what = world.below(30);
        if (what == 0) {
          state.workloads = world.workloads();
          view.set_workloads(state.workloads);
        } else if (what == 1 && !state.resources.empty()) {
          const auto at = std::next(state.resources.begin(), world.below(static_cast<unsigned>(state.resources.size())));
          ++state.refused[at->first];
          view.quarantine(at->first, "refused");
        } else {
          const Update update = world.next();
          view.on_update(update);
          state.refused.erase(update.key);
          if (update.value) state.resources[update.key] = update;
          else state.resources.erase(update.key);
        }
      }
      if (world.chance(70)) (void)view.router();
      if (step % 8 == 7) check_against_fresh(view, state, options, random);
    }
  }
}

// Equality of a session is what keeps it up: whatever else changes, one whose parameters did not is to be the same value.
TEST_CASE("what does not concern a session leaves it equal") {
  Cluster c;
  c.set("a", node("10.0.0.1", "fd00::1"));
  BgpPeer p = peer("192.0.2.1", 65001);
  p.filters = {"f"};
  p.password = SecretRef{"s", "k"};
  c.set("f", BgpFilter{});
  c.set("p", p);
  c.secret("s", {{"k", "one"}, {"other", "x"}});
  const std::vector<Session> before = c.router().sessions;
  REQUIRE(before.size() == 3);

  const auto check = [&](const char* what) {
    INFO(what);
    for (const Session& session : before) {
      const Session* now = c.session(session.name);
      REQUIRE(now != nullptr);
      CHECK(*now == session);
    }
  };
  BgpFilter other;
  other.export_rules[0].resize(2);
  c.set("f", other);
  check("a filter's rules");
  c.secret("s", {{"k", "one"}, {"other", "y"}});
  check("another key of the secret");
  Node a = node("10.0.0.1", "fd00::1", {{"x", "1"}});
  a.pod_cidrs = {cidr("10.65.0.0/24")};
  a.wireguard[0] = addr("10.65.0.1");
  c.set("a", a);
  check("labels of another node");
  Node me = node("10.0.0.2", "fd00::2", {{"x", "1"}});
  me.draining = true;
  c.set("me", me);
  check("labels and draining of this node");
  c.set("b", node("10.0.0.3"));
  c.set("q", peer("192.0.2.2", 65001));
  check("another node and peer");
  BgpConfiguration config;
  config.as_number = 64512;
  config.listen_port = 179;
  config.service_cluster_ips = {cidr("10.96.0.0/16")};
  config.log_severity = "Debug";
  c.set("default", config);
  check("defaults written down");
  IpPool pool;
  pool.cidr = cidr("10.65.0.0/16");
  c.set("pool", pool);
  c.set("all", between("x == '2'", "all()"));
  check("a pool, a peer of others");
}

}  // namespace margay::bgp::test
