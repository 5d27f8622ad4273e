// Sessions over an interface's link-local addresses, with a second BIRD at the other end of two veth pairs that have no other
// address: routes of both families go both ways and into both kernels, through the filters of their own family (RFC 8950).
#include <fstream>

#include <fmt/format.h>

#include "kernel/live_netns.hpp"
#include "routers.hpp"
#include "running_bird.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using bgp::test::addr;
using bgp::test::eventually;
using bgp::test::net;
using bgp::test::RunningBird;
using bgp::test::session;
using margay::test::output_of;
using margay::test::run;

namespace {

margay::test::PrivateNetns netns;

BgpFilterRule rejects(std::string_view cidr) {
  BgpFilterRule out;
  out.cidr = net(cidr);
  return out;
}

// eth0: whoever answers; eth1: the peer by its address.
Router here() {
  Router r = bgp::test::plain_router();
  Session any = session("Global_eth0", "fe80::1", 0);
  any.peer.reset();
  any.interface = "eth0";
  Session named = session("Node_fe80__21_eth1", "fe80::21", 65001);
  named.interface = "eth1";
  for (Session* s : {&any, &named}) {
    s->source.reset();
    s->filters = {"f"};
  }
  r.sessions = {any, named};
  auto filter = std::make_shared<BgpFilter>();
  filter->import_rules = {{{rejects("10.99.0.0/16")}, {rejects("fd99::/32")}}};
  filter->export_rules = {{{rejects("10.65.0.64/26")}, {rejects("fd65::40/122")}}};
  r.filters["f"] = filter;
  for (const auto& [family, second] : {std::pair{Family::V4, "10.65.0.64/26"}, std::pair{Family::V6, "fd65::40/122"}}) {
    FamilyView& v = r.families[index(family)];
    v.blocks.push_back(net(second));
    v.statics.push_back({net(second), {}, StaticRoute::Reason::Block, {}});
  }
  return r;
}

std::string there(std::string_view directory) {
  std::string out =
      "log stderr all; router id 10.77.0.2; protocol device { }\n"
      "protocol kernel { ipv4 { export where source = RTS_BGP; }; } protocol kernel { ipv6 { export where source = RTS_BGP; }; "
      "}\n"
      "protocol static { ipv4; route 10.66.0.0/26 blackhole; route 10.66.1.0/26 blackhole; route 10.99.0.0/26 blackhole; }\n"
      "protocol static { ipv6; route fd66::/122 blackhole; route fd66:1::/122 blackhole; route fd99::/122 blackhole; }\n";
  for (const int n : {0, 1})
    out += fmt::format(
        "protocol bgp p{0} {{ local fe80::2{0} port 179 as 65001; neighbor fe80::1{0} as 64512; interface \"eth{0}\"; direct;\n"
        "  connect delay time 1; connect retry time 1;\n"
        "  ipv4 {{ extended next hop on; import all; export where net ~ [10.66.{0}.0/26, 10.99.0.0/26]; }};\n"
        "  ipv6 {{ import all; export where net ~ [{1}, fd99::/122]; }}; }}\n",
        n, n == 0 ? "fd66::/122" : "fd66:1::/122");
  const std::string path = fmt::format("{}/there.cfg", directory);
  std::ofstream{path} << out;
  return path;
}

}  // namespace

TEST_CASE("a session on an interface carries both families, through the filters of each") {
  bgp::test::need_bird();
  const margay::test::OtherNetns other;
  const auto in_other = [&](const std::string& command) {
    other.enter();
    std::string out = output_of(command);
    other.leave();
    return out;
  };
  for (const int n : {0, 1}) {
    REQUIRE(run(fmt::format("ip link add eth{0} type veth peer name p{0} && ip link set p{0} netns {1}", n, other.path())) == 0);
    REQUIRE(run(fmt::format("ip link set eth{0} addrgenmode none up && ip addr add fe80::1{0}/64 dev eth{0} nodad", n)) == 0);
    in_other(fmt::format(
        "ip link set p{0} name eth{0}; ip link set eth{0} addrgenmode none up; ip addr add fe80::2{0}/64 dev eth{0} nodad", n));
  }

  bgp::test::Directory directory;
  directory.write(Renderer{directory.path()}.render(here()));
  const RunningBird bird{directory.path() + "/bird.conf", directory.path() + "/here"};
  INFO(output_of("cat " + directory.path() + "/here.err"));
  REQUIRE(bird.started());
  other.enter();
  const RunningBird peer{there(directory.path()), directory.path() + "/there"};
  other.leave();
  INFO(output_of("cat " + directory.path() + "/there.err"));
  REQUIRE(peer.started());

  const auto has = [](const auto& now, const std::string& wanted) {
    const bool found = eventually([&] { return now().find(wanted) != std::string::npos; });
    INFO(now());
    CAPTURE(wanted);
    CHECK(found);
  };
  for (const int n : {0, 1}) {
    const std::string v6 = n == 0 ? "fd66::/122" : "fd66:1::/122";
    has([&] { return output_of(fmt::format("ip route show 10.66.{}.0/26 proto bird", n)); },
        fmt::format("via inet6 fe80::2{0} dev eth{0} metric 768", n));
    has([&] { return output_of(fmt::format("ip -6 route show {} proto bird", v6)); },
        fmt::format("via fe80::2{0} dev eth{0} metric 768", n));
  }
  // The other kernel has our block by one of the two; by which, is its own affair.
  has([&] { return in_other("ip route show 10.65.0.0/26"); }, "via inet6 fe80::1");
  has([&] { return in_other("ip -6 route show fd65::/122"); }, "via fe80::1");
  for (const char* session : {"p0", "p1"})
    for (const char* block : {"10.65.0.0/26", "fd65::/122"})
      has([&] { return peer.ask(fmt::format("show route {} protocol {}", block, session)); }, block);
  INFO(bird.ask("show protocols all"));
  INFO(peer.ask("show route"));
  for (const char* refused : {"10.99.0.0/26", "fd99::/122"})
    CHECK(bird.ask(fmt::format("show route {}", refused)).find(refused) == std::string::npos);
  for (const char* held : {"10.65.0.64/26", "fd65::40/122"})
    CHECK(peer.ask(fmt::format("show route {}", held)).find(held) == std::string::npos);
  if (std::getenv("MARGAY_SHOW") != nullptr)
    WARN(bird.ask("show protocols all") << output_of("ip route") << output_of("ip -6 route"));
}

// A workload dials localWorkloadPeeringIPV4, which felix puts on the workload's interface when it comes.
TEST_CASE("where addresses are listened on one by one, a workload finds the one it dials") {
  bgp::test::need_bird();
  const margay::test::OtherNetns other;
  REQUIRE(run("ip link set lo up && ip addr add 10.77.0.1/32 dev lo") == 0);
  REQUIRE(run("ip link add cali1 type veth peer name c1 && ip link set c1 netns " + other.path()) == 0);
  REQUIRE(run("ip link set cali1 up && ip route add 10.65.0.9/32 dev cali1") == 0);
  Router r = bgp::test::plain_router();
  r.bind_node_ip = true;
  Session workload = session("Local_Workload_10_65_0_9", "10.65.0.9", 65009);
  workload.passive = true;
  workload.source = addr("169.254.1.1");
  Session mesh = session("Mesh_10_77_0_2", "10.77.0.2");
  r.sessions = {workload, mesh};

  bgp::test::Directory directory;
  directory.write(Renderer{directory.path()}.render(r));
  CHECK(bgp::test::refusal(directory).empty());
  const RunningBird bird{directory.path() + "/bird.conf", directory.path() + "/here"};
  INFO(output_of("cat " + directory.path() + "/here.err"));
  REQUIRE(bird.started());
  const auto listeners = [] { return output_of("ss -Hltn 'sport = :179' | awk '{print $4}' | sort | tr '\\n' ' '"); };
  CHECK(eventually([&] { return listeners() == "10.77.0.1:179 169.254.1.1:179 "; }));
  CHECK(listeners() == "10.77.0.1:179 169.254.1.1:179 ");

  REQUIRE(run("ip addr add 169.254.1.1/32 dev cali1 scope link") == 0);  // only now, as felix does
  other.enter();
  CHECK(run("ip link set lo up; ip link set c1 name eth0 && ip link set eth0 up && ip addr add 10.65.0.9/32 dev eth0 && "
            "ip route add 169.254.1.1/32 dev eth0") == 0);
  std::ofstream{directory.path() + "/there.cfg"} << "log stderr all; router id 10.65.0.9; protocol device { }\n"
                                                    "protocol bgp p { local 10.65.0.9 as 65009; neighbor 169.254.1.1 as 64512; "
                                                    "multihop; connect delay time 1; connect retry "
                                                    "time 1;\n  ipv4 { import all; export none; }; }\n";
  const RunningBird peer{directory.path() + "/there.cfg", directory.path() + "/there"};
  other.leave();
  REQUIRE(peer.started());
  const bool up = eventually([&] { return peer.ask("show protocols p").find("Established") != std::string::npos; });
  INFO(peer.ask("show protocols all p") << bird.ask("show protocols all"));
  CHECK(up);
}
