// The client, the parsers and the publisher against a real BIRD, in a network namespace and a directory of their own.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "bird/bird_client.hpp"
#include "bird/bird_status.hpp"
#include "bird/reply_parser.hpp"
#include "client_world.hpp"
#include "datastore/temp_dir.hpp"
#include "kernel/netns.hpp"
#include "publish/bird_watch.hpp"
#include "publish/config_files.hpp"
#include "publish/publish.hpp"

using namespace margay;
using namespace margay::bgp;
using namespace std::chrono_literals;

namespace {

const bool kInside = test::enter_private_netns("test -x /usr/sbin/bird && ip link set lo up && ip addr add fe80::1/64 dev lo");

const std::string kHead =
    "router id 10.77.0.11;\n"
    "timeformat protocol \"%FT%T%z\"; timeformat route \"%FT%T%z\"; timeformat base \"%FT%T%z\";\n"
    "protocol device {}\n";

struct Daemon {
  explicit Daemon(std::string directory) : dir{std::move(directory)} {}
  ~Daemon() { stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  // In the foreground, as our child: it ends with us, by its own id.
  void start(const std::string& config) {
    pid = ::fork();
    if (pid == 0) {
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, 1);
      ::dup2(null, 2);
      ::execl("/usr/sbin/bird", "bird", "-f", "-c", config.c_str(), "-s", socket().c_str(), "-P", (dir + "/bird.pid").c_str(),
              nullptr);
      ::_exit(127);
    }
  }
  void stop() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  [[nodiscard]] std::string socket() const { return dir + "/bird.ctl"; }
  std::string dir;
  pid_t pid = -1;
};

struct World : test::ClientWorld {
  test::TempDir temp;
  Daemon daemon{temp.path()};
  BirdClient client{io, {.path = daemon.socket(), .retry_cap = std::chrono::milliseconds{100}}};

  World() { REQUIRE(::chmod(temp.path().c_str(), 0755) == 0); }
  std::string config(const std::string& name, const std::string& body) {
    test::write_file(temp / name, kHead + body);
    return temp / name;
  }
  void start(const std::string& path) {
    daemon.start(path);
    REQUIRE(wait_for_bird());
  }
  bool wait_for_bird() {
    for (int i = 0; i < 100; ++i)
      if (ask(client, "show status")) return true;  // the client's own back-off paces it
    return false;
  }
  std::vector<ProtocolStatus> protocols() {
    const auto reply = ask(client, "show protocols all");
    REQUIRE(reply);
    return parse_protocols(*reply);
  }
};

const std::string kRoutes =
    "protocol static own4 { ipv4 { preference 200; }; route 192.168.11.0/26 blackhole; route 10.1.0.0/16 unreachable;\n"
    "  route 10.9.0.0/16 via \"lo\"; }\n"
    "protocol static own6 { ipv6; route fd00::/64 blackhole; route fd00:1::/64 via fe80::1%lo; }\n";

std::string session(const std::string& name, const std::string& own, const std::string& peer, const std::string& more = "") {
  return "protocol bgp " + name + " { local " + own + " port 1790 as 64512; neighbor " + peer +
         " port 1790 as 64513; strict bind on; multihop; connect delay time 1; connect retry time 1; " + more +
         " ipv4 { import all; export all; }; }\n";
}

}  // namespace

TEST_CASE("status, protocols and routes of a real BIRD") {
  World w;
  w.start(w.config("bird.conf", kRoutes + session("Mesh_10_77_0_12", "127.0.0.1", "127.0.0.2")));
  const auto status = parse_status(*w.ask(w.client, "show status"));
  REQUIRE(status);
  CHECK(status->version.starts_with("2."));
  CHECK(status->router_id == "10.77.0.11");
  CHECK(status->last_reboot.size() == 24);
  CHECK(status->last_reconfiguration == status->last_reboot);
  CHECK(status->up);
  const auto protocols = w.protocols();
  REQUIRE(protocols.size() == 4);
  CHECK(protocols[0].type == "Device");
  CHECK(protocols[1].imported == 3);
  CHECK(protocols[3].name == "Mesh_10_77_0_12");
  CHECK(protocols[3].type == "BGP");
  CHECK(protocols[3].state == "start");
  CHECK(protocols[3].neighbor == Addr::parse("127.0.0.2"));
  CHECK(protocols[3].neighbor_as == 64513u);
  CHECK(protocols[3].local_as == 64512u);
  CHECK_FALSE(protocols[3].bgp_state.empty());
  const auto plain = parse_protocols(*w.ask(w.client, "show protocols"));
  REQUIRE(plain.size() == 4);
  CHECK(plain[3].name == protocols[3].name);
  const auto routes = parse_routes(*w.ask(w.client, "show route"));
  REQUIRE(routes.size() == 5);
  for (const auto& route : routes) CHECK(route.primary);
  CHECK(routes[0] == RouteStatus{*Cidr::parse("10.1.0.0/16"), "unreachable", "own4", true, {}});
  CHECK(routes[1] == RouteStatus{*Cidr::parse("10.9.0.0/16"), "unicast", "own4", true, {{std::nullopt, "lo"}}});
  CHECK(routes[3] == RouteStatus{*Cidr::parse("fd00:1::/64"), "unicast", "own6", true, {{Addr::parse("fe80::1"), "lo"}}});
  CHECK(parse_routes(*w.ask(w.client, "show route all")) == routes);  // attributes are no routes
  CHECK(w.ask(w.client, "show route for 8.8.8.8")->code == 8001);
  CHECK(w.ask(w.client, "show protocols \"nosuch*\"")->code == 8003);
  CHECK(w.ask(w.client, "nonsense")->code == 9001);
}

TEST_CASE("a restricted connection may look and not touch") {
  World w;
  w.start(w.config("bird.conf", ""));
  BirdClient status{w.io, {.path = w.daemon.socket(), .restricted = true}};
  CHECK(w.ask(status, "show status")->code == 13);
  CHECK(w.ask(status, "configure")->code == 8007);
  CHECK(w.ask(w.client, "configure")->code == 3);
}

TEST_CASE("several commands in one write are answered in order, a long listing in pieces") {
  World w;
  std::string routes = "protocol static many { ipv4;\n";
  for (int i = 0; i < 5000; ++i)
    routes += "route 10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24 blackhole;\n";
  w.start(w.config("bird.conf", routes + "}\n"));
  boost::asio::local::stream_protocol::socket socket{w.io};
  socket.connect({w.daemon.socket()});
  const std::string commands = "show status\nshow route\nnonsense\necho all\nshow route count\nconfigure status\n";
  boost::asio::write(socket, boost::asio::buffer(commands));
  ReplyParser parser;
  std::vector<Reply> replies;
  while (replies.size() < 7) {
    char buffer[1000];
    const std::size_t got = socket.read_some(boost::asio::buffer(buffer));
    REQUIRE(parser.feed({buffer, got}));
    while (auto reply = parser.next_reply()) replies.push_back(std::move(*reply));
  }
  std::vector<int> codes;
  for (const Reply& reply : replies) codes.push_back(reply.code);
  CHECK(codes == std::vector<int>{1, 13, 0, 9001, 0, 14, 0});
  CHECK(parse_routes(replies[2]).size() == 5000);
  CHECK(replies[6].lines[0].code == 3);
}

TEST_CASE("BIRD is killed, and started again") {
  World w;
  const std::string config = w.config("bird.conf", "");
  w.start(config);
  int lost = 0;
  w.client.on_lost([&] { ++lost; });
  w.daemon.stop();
  REQUIRE(w.run_until([&] { return lost == 1; }));
  CHECK(w.ask(w.client, "show status").error().code == ErrorCode::Unavailable);
  w.start(config);
  CHECK(w.client.connected());
}

namespace {

// The publisher on real files and the real daemon.
struct PublishingWorld : World {
  SteadyClock clock;
  BirdConfigDir files{temp / "conf"};
  std::vector<Publisher::Outcome> outcomes;
  std::unique_ptr<Publisher> publisher;
  std::vector<std::unique_ptr<boost::asio::steady_timer>> timers;

  PublishingWorld() { begin(); }
  void begin() {
    publisher = std::make_unique<Publisher>(
        client, files, clock,
        [this](Clock::duration delay, std::function<void()> run) {
          timers.push_back(std::make_unique<boost::asio::steady_timer>(io, delay));
          timers.back()->async_wait([run = std::move(run)](boost::system::error_code error) {
            if (!error) run();
          });
        },
        [this](const Publisher::Outcome& outcome) { outcomes.push_back(outcome); });
  }
  Rendered rendered(const std::string& body, const std::string& digest) {
    auto part = std::make_shared<RenderedFile>();
    *part = {"peers-" + digest + ".conf", body, {{1, Key{Kind::BGPPeer, {}, "first"}}, {2, Key{Kind::BGPPeer, {}, "second"}}}};
    return {kHead + "include \"" + temp.path() + "/conf/" + part->name + "\";\n", {part}};
  }
  const Publisher::Outcome& publish(Rendered what) {
    const auto before = outcomes.size();
    publisher->publish(std::move(what));
    REQUIRE(run_until([&] { return outcomes.size() > before; }));
    return outcomes.back();
  }
  bool has(const std::string& name) {
    for (const auto& protocol : protocols())
      if (protocol.name == name) return true;
    return false;
  }
};

}  // namespace

TEST_CASE("published into a BIRD that was started with another file, refused, and put right") {
  PublishingWorld w;
  w.start(w.config("debian.conf", "protocol static theirs { ipv4; }\n"));
  CHECK(w.publish(w.rendered("protocol static ours { ipv4; }\n", "0000000000000001")).kind == Publisher::Outcome::Kind::InForce);
  CHECK(w.has("ours"));
  CHECK_FALSE(w.has("theirs"));
  const auto& refused = w.publish(w.rendered("protocol static more { ipv4; }\nprotocol bgp {{\n", "0000000000000002"));
  CHECK(refused.kind == Publisher::Outcome::Kind::Refused);
  REQUIRE(refused.owner);
  CHECK(refused.owner->name == "second");
  CHECK(refused.error.text.find("peers-0000000000000002.conf:2:") != std::string::npos);
  CHECK(w.has("ours"));
  CHECK_FALSE(w.has("more"));
  CHECK(w.publish(w.rendered("protocol static more { ipv4; }\n", "0000000000000003")).reconfigured);
  CHECK(w.has("more"));
  CHECK(std::distance(std::filesystem::directory_iterator{w.temp / "conf"}, {}) == 3);
  // Ours again: nothing is configured.
  w.begin();
  CHECK_FALSE(w.publish(w.rendered("protocol static more { ipv4; }\n", "0000000000000003")).reconfigured);
  // BIRD comes back with what the distribution gave it.
  const auto count = w.outcomes.size();
  w.daemon.stop();
  w.start(w.temp / "debian.conf");
  REQUIRE(w.run_until([&] { return w.outcomes.size() > count && w.publisher->in_force(); }));
  CHECK(w.has("more"));
}

TEST_CASE("a BIRD that needs a file to start with finds one, and then gets the real one") {
  PublishingWorld w;
  CHECK(w.publish(w.rendered("protocol static ours { ipv4; }\n", "0000000000000001")).kind == Publisher::Outcome::Kind::Failed);
  w.start(w.files.live_path());
  REQUIRE(w.run_until([&] { return w.publisher->in_force(); }));
  CHECK(w.has("ours"));
}

TEST_CASE("a reconfiguration in progress is waited for") {
  PublishingWorld w;
  // Sessions that are up take a moment to go down when they are configured anew.
  const auto sessions = [](int hold) {
    std::string text;
    for (int i = 2; i < 40; ++i)
      text += session("S" + std::to_string(i), "127.0.0.1", "127.0.0." + std::to_string(i),
                      "hold time " + std::to_string(hold) + ";");
    return text;
  };
  w.start(w.config("bird.conf", ""));
  CHECK(w.publish(w.rendered(sessions(100), "0000000000000001")).kind == Publisher::Outcome::Kind::InForce);
  const auto& outcome = w.publish(w.rendered(sessions(101), "0000000000000002"));
  CHECK(outcome.kind == Publisher::Outcome::Kind::InForce);
  CHECK(outcome.took >= 100ms);  // polled at least once
  CHECK(w.ask(w.client, "configure status")->lines[0].code == 3);
  // Meanwhile another one: queued by BIRD behind the one in progress.
  CHECK(w.publish(w.rendered(sessions(102), "0000000000000003")).kind == Publisher::Outcome::Kind::InForce);
}

TEST_CASE("a session without its address is stuck until it is configured again") {
  PublishingWorld w;
  w.start(w.config("bird.conf", ""));
  w.publish(w.rendered(session("A", "10.1.2.3", "127.0.0.2"), "0000000000000001"));
  BirdWatch watch;
  const auto look = [&] {
    const auto status = parse_status(*w.ask(w.client, "show status"));
    REQUIRE(status);
    return watch.look(*status, w.protocols(), w.publisher->baseline(), w.clock.now());
  };
  const auto judgement = look();
  CHECK(judgement.again == "A: No listening socket");
  REQUIRE(test::sh("ip addr add 10.1.2.3/32 dev lo").status == 0);
  CHECK(w.protocols().back().state == "down");  // not by itself
  const auto count = w.outcomes.size();
  w.publisher->again(judgement.again);
  REQUIRE(w.run_until([&] { return w.outcomes.size() > count; }));
  CHECK(w.protocols().back().state == "start");
  CHECK(look().again.empty());
  REQUIRE(test::sh("ip addr del 10.1.2.3/32 dev lo").status == 0);
}

TEST_CASE("a password too long for the kernel is recognised") {
  PublishingWorld w;
  w.start(w.config("bird.conf", ""));
  w.publish(w.rendered(session("A", "127.0.0.1", "127.0.0.2", "password \"" + std::string(90, 'x') + "\";"), "0000000000000001"));
  BirdWatch watch;
  const auto status = parse_status(*w.ask(w.client, "show status"));
  CHECK(watch.look(*status, w.protocols(), w.publisher->baseline(), w.clock.now()).again == "A: Kernel MD5 auth failed");
}
