#include "routers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace margay::bgp::test {

Addr addr(std::string_view text) {
  const auto parsed = Addr::parse(text);
  if (!parsed) throw std::invalid_argument{std::string{text}};
  return *parsed;
}
Cidr net(std::string_view text) {
  const auto parsed = Cidr::parse(text);
  if (!parsed) throw std::invalid_argument{std::string{text}};
  return *parsed;
}
Key key(Kind kind, std::string_view name) { return {kind, {}, name}; }

Session session(std::string_view name, std::string_view peer, std::uint32_t remote_as) {
  Session s;
  s.name = name;
  s.owner = key(Kind::BGPPeer, "peer-of-" + s.name);
  s.peer = addr(peer);
  s.family = s.peer->family;
  s.remote_as = remote_as;
  s.local_as = kDefaultAs;
  s.source = addr(s.family == Family::V4 ? "10.77.0.1" : "fd77::1");
  s.origin = s.name.starts_with("Mesh_")     ? Session::Origin::Mesh
             : s.name.starts_with("Global_") ? Session::Origin::Global
             : s.name.starts_with("Node_")   ? Session::Origin::Node
                                             : Session::Origin::LocalWorkload;
  if (s.origin == Session::Origin::Mesh) s.owner = key(Kind::BGPConfiguration, "default");
  return s;
}

Router plain_router() {
  Router r;
  r.node = "here";
  r.router_id = addr("10.77.0.1");
  FamilyView& v4 = r.families[0];
  v4.node_ip = addr("10.77.0.1");
  v4.subnet = net("10.77.0.0/24");
  v4.blocks = {net("10.65.0.0/26")};
  v4.statics = {{net("10.65.0.0/26"), {}, StaticRoute::Reason::Block, key(Kind::BlockAffinity, "here-10-65-0-0-26")}};
  v4.pools = {{net("10.65.0.0/16"), true, PoolRule::Kernel::Program, key(Kind::IPPool, "pool-v4")}};
  FamilyView& v6 = r.families[1];
  v6.node_ip = addr("fd77::1");
  v6.subnet = net("fd77::/64");
  v6.blocks = {net("fd65::/122")};
  v6.statics = {{net("fd65::/122"), {}, StaticRoute::Reason::Block, key(Kind::BlockAffinity, "here-fd65")}};
  v6.pools = {{net("fd65::/64"), true, PoolRule::Kernel::Program, key(Kind::IPPool, "pool-v6")}};
  Session a = session("Mesh_10_77_0_2", "10.77.0.2");
  a.description = "node worker-2";
  a.passive = true;
  Session b = session("Mesh_fd77__2", "fd77::2");
  b.description = "node worker-2";
  r.sessions = {a, b};
  return r;
}

namespace {

BgpFilterRule rule(bool accept) {
  BgpFilterRule r;
  r.accept = accept;
  return r;
}

Router with_services() {
  Router r = plain_router();
  FamilyView& v = r.families[0];
  const Key service{Kind::Service, "default", "web"};
  v.statics.push_back({net("10.96.0.0/12"), {}, StaticRoute::Reason::Service, key(Kind::BGPConfiguration, "default")});
  v.statics.push_back({net("203.0.113.7/32"), {}, StaticRoute::Reason::Service, service});
  v.statics.push_back({net("10.78.0.1/32"), addr("10.77.0.254"), StaticRoute::Reason::Reachable, key(Kind::BGPPeer, "far")});
  std::sort(v.statics.begin(), v.statics.end(), [](const auto& a, const auto& b) { return a.net < b.net; });
  v.services = {net("10.96.0.0/12"), net("203.0.113.7/32")};
  v.kernel_reject = {net("10.96.0.0/12"), net("203.0.113.0/24")};
  v.communities = {{net("203.0.113.0/24"), {Community{false, {64512, 7, 0}}, Community{true, {64512, 1, 2}}}}};
  v.wireguard_nodes = {addr("10.77.0.5")};
  v.ready_workloads = {{net("10.65.0.2/32")}};
  r.families[1].ready_workloads.emplace();
  r.draining = true;
  r.log_level = Router::LogLevel::Debug;
  r.ignored_interfaces = {"docker*", "virbr0"};
  return r;
}

Router with_pools() {
  Router r = plain_router();
  FamilyView& v = r.families[0];
  const auto pool = [](std::string_view cidr, bool exported, PoolRule::Kernel kernel) {
    return PoolRule{net(cidr), exported, kernel, key(Kind::IPPool, fmt::format("pool-{}", cidr))};
  };
  v.pools = {pool("10.65.0.0/16", true, PoolRule::Kernel::Program), pool("10.66.0.0/16", true, PoolRule::Kernel::Reject),
             pool("10.67.0.0/16", true, PoolRule::Kernel::Tunnel), pool("10.68.0.0/16", true, PoolRule::Kernel::TunnelOffLink),
             pool("10.69.0.0/16", false, PoolRule::Kernel::Program)};
  r.tunnel_routes = true;
  return r;
}

Router with_reflector() {
  Router r = plain_router();
  r.cluster_id = addr("244.0.0.1");
  r.listen_port = 1790;
  r.bind_node_ip = true;
  r.families[0].reflected = {net("203.0.113.0/24")};
  Session client = session("Node_10_77_0_3", "10.77.0.3");
  client.cluster_id = r.cluster_id;
  client.port = 1790;
  client.source.reset();
  Session external = session("Global_10_77_0_254", "10.77.0.254", 65000);
  external.next_hop = Session::NextHop::Self;
  external.password = "s3cret with spaces # and {braces}";
  external.ttl_hops = 2;
  external.restart_time = 10;
  external.keepalive_time = 5;
  external.extensions.hold_time = 15;
  external.extensions.max_prefixes = 1000;
  external.extensions.max_prefix_action = BgpPeerExtensions::MaxPrefixAction::Block;
  external.allowed_local_as = 2;
  Session local = session("Local_Workload_10_65_0_9", "10.65.0.9", 65009);
  local.passive = true;
  local.source.reset();
  local.next_hop = Session::NextHop::Keep;
  r.sessions = {external, local, client};
  return r;
}

Router with_extensions() {
  Router r = plain_router();
  Session tor = session("Global_10_77_0_254", "10.77.0.254", 65000);
  tor.extensions.bfd = tor.extensions.direct = true;
  tor.extensions.bfd_min_rx = tor.extensions.bfd_min_tx = 100;
  tor.extensions.bfd_multiplier = 3;
  tor.extensions.long_lived_restart_time = 86400;
  Session far = session("Global_10_78_0_1", "10.78.0.1", 65001);
  far.extensions.bfd = true;
  far.source.reset();
  Session unnumbered = session("Global_eth0", "fe80::1", 65000);
  unnumbered.peer.reset();
  unnumbered.source.reset();
  unnumbered.remote_as = 0;
  unnumbered.interface = unnumbered.extensions.interface = "eth0";
  Session link_local = session("Node_fe80__2", "fe80::2", 65000);
  link_local.interface = "eth1";
  r.sessions = {tor, far, unnumbered, link_local};
  return r;
}

Router with_filters() {
  Router r = plain_router();
  auto filter = std::make_shared<BgpFilter>();
  BgpFilterRule a = rule(true);
  a.cidr = net("10.65.0.0/16");
  a.min_length = 24;
  a.max_length = 32;
  a.external_peer = true;
  a.from_remote_peers = true;
  a.interface = "eth*";
  a.community = Community{false, {64512, 100, 0}};
  a.as_path_prefix = {65000, 4294967295};
  a.priority = 512;
  a.operations = {BgpFilterRule::AddCommunity{Community{true, {64512, 1, 2}}}, BgpFilterRule::PrependAsPath{{65010, 65011}},
                  BgpFilterRule::SetPriority{512}};
  BgpFilterRule b = rule(false);
  b.cidr = net("10.0.0.0/8");
  b.match = BgpFilterRule::Match::NotIn;
  b.external_peer = false;
  filter->export_rules[0] = {a, b};
  filter->import_rules[0] = {a, rule(false)};
  filter->export_rules[1] = {rule(true)};
  r.filters["rack.1-out"] = filter;
  Session s = session("Node_10_77_0_3", "10.77.0.3");
  s.filters = {"rack.1-out"};
  Session six = session("Node_fd77__3", "fd77::3", 65000);
  six.filters = {"rack.1-out", "not-there"};
  r.sessions = {s, six};
  return r;
}

}  // namespace

std::vector<std::pair<std::string, Router>> named_routers() {
  return {{"empty", Router{}},        {"plain", plain_router()},       {"services", with_services()},
          {"pools", with_pools()},    {"reflector", with_reflector()}, {"extensions", with_extensions()},
          {"filters", with_filters()}};
}

std::string joined(const Rendered& rendered) {
  std::string out = rendered.main;
  for (const auto& part : rendered.parts) out += fmt::format("\n# ---- {}\n{}", part->name, part->text);
  return out;
}

Directory::Directory() {
  std::string name = std::filesystem::temp_directory_path() / "margay-bird-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
  path_ = name;
  std::filesystem::permissions(path_, std::filesystem::perms{0755});
}
Directory::~Directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
void Directory::write(const Rendered& rendered, std::string_view more) const {
  for (const auto& entry : std::filesystem::directory_iterator{path_})
    if (entry.path().extension() == ".conf") std::filesystem::remove(entry.path());
  std::ofstream{path_ + "/bird.conf"} << rendered.main << more;
  for (const auto& part : rendered.parts) std::ofstream{path_ + "/" + part->name} << part->text;
}

std::string refusal(const Directory& directory) {
  std::string text;
  FILE* pipe = ::popen(fmt::format("{} -p -c {}/bird.conf 2>&1", BIRD, directory.path()).c_str(), "r");
  if (!pipe) return "popen failed";
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = ::pclose(pipe);
  return status == 0 ? "" : fmt::format("status {}: {}", status, text);
}

void need_bird() {
  if (std::string_view{BIRD}.empty()) {
    std::puts("SKIP: BIRD 2 is not installed (package bird2)");
    std::fflush(stdout);
    std::_Exit(77);
  }
}

}  // namespace margay::bgp::test
