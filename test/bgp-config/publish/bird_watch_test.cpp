#include "publish/bird_watch.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using namespace std::chrono_literals;
using Fact = BirdWatch::Fact;

namespace {

const Publisher::Baseline kOurs{"boot-1", "config-1"};

BirdStatus status(const std::string& reboot = "boot-1", const std::string& reconfiguration = "config-1") {
  BirdStatus out;
  out.version = "2.0.12";
  out.last_reboot = reboot;
  out.last_reconfiguration = reconfiguration;
  out.up = true;
  return out;
}
ProtocolStatus session(const std::string& name, const std::string& state, const std::string& since = "t0",
                       const std::string& error = "") {
  ProtocolStatus out{name,  "BGP", "---", state == "Established" ? "up" : state == "Down" ? "down" : "start",
                     since, state, state, error};
  return out;
}

struct World {
  BirdWatch watch;
  Clock::time_point now{std::chrono::hours{1}};
  BirdWatch::Judgement look(const std::vector<ProtocolStatus>& protocols = {}, const BirdStatus& said = status(),
                            std::optional<Publisher::Baseline> ours = kOurs) {
    return watch.look(said, protocols, ours, now);
  }
};

}  // namespace

TEST_CASE("nothing happened, nothing is to do") {
  World w;
  for (int i = 0; i < 3; ++i) {
    const auto judgement = w.look({session("Mesh_1", "Active")});
    CHECK(judgement.again.empty());
    CHECK(judgement.facts.empty());
  }
}

TEST_CASE("a restarted BIRD is configured, again with back-off until it is ours") {
  World w;
  auto judgement = w.look({}, status("boot-2", "boot-2"));
  CHECK(judgement.again == "BIRD was restarted");
  CHECK(judgement.facts == std::vector<Fact>{{Fact::Kind::Restarted, "", "boot-2"}});
  CHECK(w.look({}, status("boot-2", "boot-2")).again.empty());
  w.now += 2s;
  CHECK_FALSE(w.look({}, status("boot-2", "boot-2")).again.empty());
  w.now += 2s;
  CHECK(w.look({}, status("boot-2", "boot-2")).again.empty());
  w.now += 2s;
  CHECK_FALSE(w.look({}, status("boot-2", "boot-2")).again.empty());
  // Ours again: the next one is new.
  CHECK(w.look({}, status("boot-2", "config-2"), Publisher::Baseline{"boot-2", "config-2"}).again.empty());
  CHECK_FALSE(w.look({}, status("boot-3", "boot-3"), Publisher::Baseline{"boot-2", "config-2"}).again.empty());
}

TEST_CASE("somebody else's reconfiguration is believed when it is seen twice") {
  World w;
  CHECK(w.look({}, status("boot-1", "theirs")).again.empty());
  const auto judgement = w.look({}, status("boot-1", "theirs"));
  CHECK(judgement.again == "BIRD was reconfigured by somebody else");
  CHECK(judgement.facts == std::vector<Fact>{{Fact::Kind::Foreign, "", "theirs"}});
  CHECK(w.look({}, status("boot-1", "theirs")).again.empty());  // back-off
  // An answer from before our own last one, once.
  World other;
  CHECK(other.look({}, status("boot-1", "config-0")).again.empty());
  CHECK(other.look().again.empty());
  CHECK(other.look({}, status("boot-1", "config-0")).again.empty());
}

TEST_CASE("while a publication is under way nobody is suspected") {
  World w;
  for (int i = 0; i < 3; ++i)
    CHECK(w.look({session("A", "Down", "t0", "Error: No listening socket")}, status("x", "y"), std::nullopt).again.empty());
}

TEST_CASE("a protocol that only configuring cures is told once and cured with back-off, each on its own") {
  for (const char* error : {"Error: No listening socket", "Error: Kernel MD5 auth failed"}) {
    World w;
    const auto a = session("A", "Down", "t0", error);
    auto judgement = w.look({a});
    CHECK(judgement.again == std::string{"A: "} + (error + 7));
    CHECK(judgement.facts == std::vector<Fact>{{Fact::Kind::Stuck, "A", error + 7}});
    std::vector<int> cures;
    for (int second = 1; second <= 1200; ++second) {
      w.now += 1s;
      judgement = w.look({a});
      CHECK(judgement.facts.empty());
      if (!judgement.again.empty()) cures.push_back(second);
    }
    CHECK(cures == std::vector<int>{2, 6, 14, 30, 62, 126, 254, 510, 810, 1110});
    // Another one does not wait for the first.
    CHECK(w.look({a, session("B", "Down", "t0", error)}).again == std::string{"B: "} + (error + 7));
    // Cured: forgotten.
    CHECK(w.look({session("A", "Active")}).again.empty());
    CHECK_FALSE(w.look({a}).again.empty());
  }
  World w;
  auto shown = session("A", "Down");  // `show protocols` has it in info alone
  shown.info = "Error: No listening socket";
  CHECK_FALSE(w.look({shown}).again.empty());
  // Down on purpose, on its way, or down for what BIRD tries again.
  CHECK(w.look({session("B", "Down"), session("C", "Idle", "t0", "Socket: Connection refused"),
                session("D", "Active", "t0", "Error: No listening socket")})
            .again.empty());
}

TEST_CASE("sessions come and go, with the reason, and flaps are counted") {
  World w;
  CHECK(w.look({session("A", "Active")}).facts.empty());
  CHECK(w.look({session("A", "Established", "t1")}).facts == std::vector<Fact>{{Fact::Kind::SessionUp, "A", ""}});
  CHECK(w.look({session("A", "Established", "t1")}).facts.empty());
  CHECK(w.look({session("A", "Idle", "t2", "Received: Administrative shutdown")}).facts ==
        std::vector<Fact>{{Fact::Kind::SessionDown, "A", "Received: Administrative shutdown"}});
  CHECK(w.watch.sessions().at("A").flaps == 1);
  CHECK_FALSE(w.watch.sessions().at("A").established);
  CHECK(w.look({session("A", "Established", "t3")}).facts.size() == 1);
  CHECK(w.watch.sessions().at("A").last_error == "Received: Administrative shutdown");
  // Between two looks: only the time shows it.
  CHECK(w.look({session("A", "Established", "t4")}).facts.size() == 2);
  CHECK(w.watch.sessions().at("A").flaps == 2);
  // Configured away and back: no flap.
  CHECK(w.look({}).facts.empty());
  CHECK(w.watch.sessions().empty());
  CHECK(w.look({session("A", "Established", "t5")}).facts.size() == 1);
  CHECK(w.watch.sessions().at("A").flaps == 0);
}

TEST_CASE("silence takes all sessions down, once") {
  World w;
  (void)w.look({session("A", "Established"), session("B", "Active")});
  CHECK(w.watch.on_silence() == std::vector<Fact>{{Fact::Kind::SessionDown, "A", "BIRD does not answer"}});
  CHECK(w.watch.on_silence().empty());
  CHECK(w.look({session("A", "Established"), session("B", "Active")}).facts ==
        std::vector<Fact>{{Fact::Kind::SessionUp, "A", ""}});
}
