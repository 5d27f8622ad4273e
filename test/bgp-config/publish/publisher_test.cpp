#include "publish/publish.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "fakes/fake_bird.hpp"
#include "fakes/fake_config_files.hpp"
#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using namespace std::chrono_literals;
using Ended = Publisher::Outcome::Kind;

namespace {

Rendered rendered(const std::string& what, const std::string& part_text = "peers\n") {
  Rendered out;
  const std::string name = "peers-" + std::to_string(std::hash<std::string>{}(part_text)) + ".part";
  out.main = what + "\ninclude \"/d/" + name + "\"\n";
  auto part = std::make_shared<RenderedFile>();
  *part = {name, part_text, {{1, Key{margay::Kind::BGPPeer, {}, "p1"}}, {2, Key{margay::Kind::BGPPeer, {}, "p2"}}}};
  out.parts = {part};
  return out;
}
std::string in_force(const std::string& what, const std::string& part_text = "peers\n") { return what + "\n" + part_text; }

// A BIRD and a directory that stay, publishers that come and go, and the events between them in order.
struct World {
  fakes::Fuse fuse;
  fakes::ManualClock clock;
  fakes::FakeConfigFiles files{fuse};
  fakes::FakeBird bird{fuse, [this](const std::string& path) { return files.read(path); }};
  struct Timer {
    Clock::time_point at;
    std::function<void()> run;
  };
  std::vector<Timer> timers;
  std::vector<Publisher::Outcome> outcomes;
  std::function<void(const Publisher::Outcome&)> on_report;
  std::unique_ptr<Publisher> publisher;

  explicit World(bool with_bird = true) {
    if (with_bird) {
      files.files["/d/bird.conf"] = "bootstrap\n";
      REQUIRE(bird.start("/d/bird.conf"));
    }
    begin();
  }
  void begin() {
    publisher = std::make_unique<Publisher>(
        bird, files, clock,
        [this](Clock::duration delay, std::function<void()> run) {
          timers.push_back({clock.now() + delay, std::move(run)});
        },
        [this](const Publisher::Outcome& outcome) {
          outcomes.push_back(outcome);
          if (on_report) on_report(outcome);
        });
  }
  void kill() {
    publisher.reset();
    timers.clear();
    bird.forget_clients();
    fuse.repair();
  }
  // One event; timers only if they are due within `patience`.
  bool step(Clock::duration patience) {
    if (bird.waiting()) {
      bird.answer();
      return true;
    }
    const auto next = std::min_element(timers.begin(), timers.end(), [](const Timer& a, const Timer& b) { return a.at < b.at; });
    if (next == timers.end() || next->at > clock.now() + patience) return false;
    if (next->at > clock.now()) clock.advance(next->at - clock.now());
    const auto run = std::move(next->run);
    timers.erase(next);
    run();
    return true;
  }
  void settle(Clock::duration patience = 0s) {
    for (int i = 0; step(patience); ++i) REQUIRE(i < 10'000);
  }
  void publish(Rendered what) {
    publisher->publish(std::move(what));
    settle(200ms);
  }
};

}  // namespace

TEST_CASE("a publication is staged, checked, renamed, configured and noted") {
  World w;
  CHECK_FALSE(w.publisher->in_force());
  w.publisher->publish(rendered("a"));
  CHECK(w.outcomes.empty());  // never from within publish()
  w.settle();
  REQUIRE(w.outcomes.size() == 1);
  CHECK(w.outcomes[0].kind == Ended::InForce);
  CHECK(w.outcomes[0].reconfigured);
  CHECK(w.bird.heard == std::vector<std::string>{"show status", "configure check \"/d/bird.conf.new\"",
                                                 "configure \"/d/bird.conf\"", "show status"});
  CHECK(w.bird.running == in_force("a"));
  CHECK(w.publisher->in_force());
  CHECK(w.publisher->baseline() == Publisher::Baseline{"100", "100"});
  CHECK_FALSE(w.files.read("/d/bird.conf.new"));
}

TEST_CASE("what BIRD runs is not configured again, a difference is, and unused parts go after the acknowledgement") {
  World w;
  w.publish(rendered("a"));
  w.bird.heard.clear();
  w.publish(rendered("a"));
  CHECK(w.bird.heard.empty());
  REQUIRE(w.outcomes.size() == 2);
  CHECK(w.outcomes[1].kind == Ended::InForce);
  CHECK_FALSE(w.outcomes[1].reconfigured);

  const auto parts = [&] {
    return std::count_if(w.files.files.begin(), w.files.files.end(), [](const auto& f) { return f.first.ends_with(".part"); });
  };
  w.publisher->publish(rendered("a", "others\n"));
  while (w.bird.heard.empty() || !w.bird.heard.back().starts_with("configure \"")) {
    CHECK(w.step(0s));
    if (w.bird.heard.size() < 2) CHECK(parts() >= 1);
  }
  w.settle();
  CHECK(w.bird.running == in_force("a", "others\n"));
  CHECK(parts() == 1);
}

TEST_CASE("of what is asked while one is under way only the newest follows") {
  World w;
  w.publisher->publish(rendered("a"));
  w.step(0s);
  w.step(0s);  // the check is asked
  for (const char* what : {"b", "c", "d"}) w.publisher->publish(rendered(what));
  CHECK_FALSE(w.publisher->in_force());
  w.settle();
  CHECK(w.outcomes.size() == 2);
  CHECK(w.bird.configured == 2);
  CHECK(w.bird.running == in_force("d"));
}

TEST_CASE("what BIRD refuses never lies live, names its owner, and what ran goes on running") {
  World w;
  w.publish(rendered("a"));
  w.publish(rendered("b", "fine\nSYNTAX\n"));
  REQUIRE(w.outcomes.size() == 2);
  CHECK(w.outcomes[1].kind == Ended::Refused);
  REQUIRE(w.outcomes[1].owner);
  CHECK(w.outcomes[1].owner->name == "p2");
  CHECK(w.outcomes[1].error.text.find("syntax error") != std::string::npos);
  CHECK(w.bird.running == in_force("a"));
  CHECK(w.files.live_main() == rendered("a").main);
  CHECK_FALSE(w.publisher->in_force());
  CHECK_FALSE(w.step(1h));  // nothing is tried again by itself
  // The view leaves it out and asks again, from within the report too.
  w.on_report = [&](const Publisher::Outcome& outcome) {
    if (outcome.kind == Ended::Refused) w.publisher->publish(rendered("b", "fine\n"));
  };
  w.publish(rendered("b", "SYNTAX\n"));
  CHECK(w.outcomes.size() == 4);
  CHECK(w.outcomes[2].owner->name == "p1");
  CHECK(w.bird.running == in_force("b", "fine\n"));
  CHECK(w.publisher->in_force());
  // An error in no one's lines.
  w.on_report = {};
  w.publish(rendered("SYNTAX"));
  CHECK(w.outcomes.back().kind == Ended::Refused);
  CHECK_FALSE(w.outcomes.back().owner);
}

TEST_CASE("a refusal that names no place is trouble around the files, tried again") {
  World w;
  w.bird.unreadable = true;
  w.publish(rendered("a"));
  REQUIRE(w.outcomes.size() == 1);
  CHECK(w.outcomes[0].kind == Ended::Failed);
  CHECK(w.outcomes[0].error.text.find("Permission denied") != std::string::npos);
  w.bird.unreadable = false;
  w.settle(250ms);
  CHECK(w.outcomes.back().kind == Ended::InForce);
}

TEST_CASE("a reconfiguration in progress is polled until it is done") {
  for (const bool queued : {false, true}) {
    World w;
    w.bird.slow_for = 5;
    w.bird.queued = queued;
    const auto begin = w.clock.now();
    w.publish(rendered("a"));
    REQUIRE(w.outcomes.size() == 1);
    CHECK(w.outcomes[0].kind == Ended::InForce);
    CHECK(w.outcomes[0].took == 600ms);
    CHECK(w.clock.now() - begin == 600ms);
    CHECK(std::count(w.bird.heard.begin(), w.bird.heard.end(), "configure status") == 6);
  }
}

TEST_CASE("one that does not end is given up and tried again") {
  World w;
  w.bird.slow_for = 100'000;
  w.publish(rendered("a"));
  REQUIRE_FALSE(w.outcomes.empty());
  CHECK(w.outcomes[0].kind == Ended::Failed);
  CHECK(w.outcomes[0].error.code == ErrorCode::Busy);
  CHECK(w.outcomes[0].took == 30s);
  w.bird.slow_for = 0;
  w.settle(31s);
  CHECK(w.outcomes.back().kind == Ended::InForce);
}

TEST_CASE("without BIRD: one that can start is left for it, and it is tried again from 250 ms to 30 s") {
  World w{false};
  w.publish(rendered("a"));
  REQUIRE(w.outcomes.size() == 1);
  CHECK(w.outcomes[0].kind == Ended::Failed);
  CHECK(w.files.live_main() == "bootstrap");
  std::vector<Clock::duration> pauses;
  for (auto before = w.clock.now(); pauses.size() < 10;) {
    const auto count = w.outcomes.size();
    while (w.outcomes.size() == count) REQUIRE(w.step(1h));
    pauses.push_back(w.clock.now() - before);
    before = w.clock.now();
  }
  CHECK(pauses == std::vector<Clock::duration>{250ms, 500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s});
  w.publisher->publish(rendered("b"));  // waits its turn
  w.settle();
  CHECK(w.outcomes.size() == 11);
  REQUIRE(w.bird.start("/d/bird.conf"));
  w.publisher->again("BIRD is there");  // does not
  w.settle();
  CHECK(w.bird.running == in_force("b"));
  CHECK(w.outcomes.back().kind == Ended::InForce);
  CHECK(w.outcomes.back().cause == "BIRD is there");
  // The next failure begins at the beginning.
  w.fuse.fail("bird.configure check", {ErrorCode::Unavailable, "no answer"});
  w.publish(rendered("c"));
  CHECK(w.outcomes.back().kind == Ended::Failed);
  w.settle(250ms);
  CHECK(w.outcomes.back().kind == Ended::InForce);
}

TEST_CASE("a full disk leaves what is in force alone") {
  World w;
  w.publish(rendered("a"));
  for (const char* call : {"files.part", "files.stage", "files.commit"}) {
    w.fuse.fail(call, {ErrorCode::NoSpace, "disk full"}, 2);
    w.publish(rendered(call, call));
    CHECK(w.outcomes.back().kind == Ended::Failed);
    CHECK(w.outcomes.back().error.code == ErrorCode::NoSpace);
    CHECK(w.files.live_main() != rendered(call, call).main);
    std::string text;
    w.settle(500ms);
    CHECK(w.outcomes.back().kind == Ended::InForce);
  }
}

TEST_CASE("our restart configures nothing that BIRD runs") {
  World w;
  w.publish(rendered("a"));
  w.kill();
  w.begin();
  w.bird.heard.clear();
  w.bird.now = 200;
  SECTION("and knows it by one question") {
    w.publish(rendered("a"));
    CHECK(w.bird.heard == std::vector<std::string>{"show status"});
    CHECK(w.outcomes.back().kind == Ended::InForce);
    CHECK_FALSE(w.outcomes.back().reconfigured);
    CHECK(w.publisher->in_force());
    CHECK(w.publisher->baseline() == Publisher::Baseline{"100", "100"});
  }
  SECTION("but what is wanted now, if that is another") {
    w.publish(rendered("b"));
    CHECK(w.bird.running == in_force("b"));
  }
  SECTION("or if BIRD was restarted") {
    w.bird.die();
    REQUIRE(w.bird.start("/d/bird.conf"));
    w.publish(rendered("a"));
    CHECK(w.bird.configured == 2);
  }
  SECTION("or if somebody else configured") {
    w.bird.meddle("theirs");
    w.publish(rendered("a"));
    CHECK(w.bird.running == in_force("a"));
  }
  SECTION("or if the file is another") {
    w.files.files["/d/bird.conf"] = "theirs\n";
    w.publish(rendered("a"));
    CHECK(w.bird.configured == 2);
    CHECK(w.files.live_main() == rendered("a").main);
  }
  SECTION("or if the note is no note") {
    for (const char* note : {"", "\n", "x\ny\nz\n", "x\n\n"}) {
      w.files.files["/d/note"] = note;
      w.publish(rendered("a"));
      CHECK(w.publisher->in_force());
    }
    CHECK(w.bird.configured == 2);
  }
}

TEST_CASE("a lost connection leaves open what BIRD runs: it is configured again") {
  World w;
  w.publish(rendered("a"));
  w.bird.heard.clear();
  w.bird.now = 200;
  SECTION("the same BIRD") {
    w.bird.running = in_force("a");
    const std::string before = w.bird.running;
    w.bird.die();
    CHECK_FALSE(w.publisher->in_force());
    w.bird.alive = true;
    w.bird.running = before;
    w.settle();
    CHECK(w.bird.configured == 2);
    CHECK(w.outcomes.size() == 2);
    CHECK(w.publisher->in_force());
  }
  SECTION("another BIRD") {
    w.bird.die();
    w.settle();
    CHECK(w.outcomes.back().kind == Ended::Failed);
    w.files.files["/etc/bird.conf"] = "the distribution's\n";
    REQUIRE(w.bird.start("/etc/bird.conf"));
    w.settle(250ms);
    CHECK(w.bird.running == in_force("a"));
    CHECK(w.publisher->in_force());
    CHECK(w.publisher->baseline() == Publisher::Baseline{"200", "200"});
  }
  SECTION("another BIRD, within the same second") {
    w.bird.now = 100;
    w.bird.die();
    w.files.files["/etc/bird.conf"] = "the distribution's\n";
    REQUIRE(w.bird.start("/etc/bird.conf"));
    w.settle();
    CHECK(w.bird.running == in_force("a"));
  }
  SECTION("between two polls") {
    w.bird.slow_for = 3;
    w.publisher->publish(rendered("b"));
    w.settle();
    REQUIRE(w.outcomes.size() == 1);  // polling
    w.bird.die();
    w.files.files["/etc/bird.conf"] = "the distribution's\n";
    REQUIRE(w.bird.start("/etc/bird.conf"));
    CHECK(w.outcomes.back().kind == Ended::Failed);
    w.settle(250ms);
    CHECK(w.bird.running == in_force("b"));
  }
}

TEST_CASE("again configures what did not change, also when asked in the middle") {
  World w;
  w.publisher->again("nothing was published");
  w.settle();
  CHECK(w.outcomes.empty());
  w.publish(rendered("a"));
  w.bird.meddle("theirs");
  w.publisher->again("somebody else");
  w.settle();
  CHECK(w.bird.running == in_force("a"));
  CHECK(w.outcomes.back().reconfigured);
  CHECK(w.outcomes.back().cause == "somebody else");
  CHECK(w.bird.configured == 2);
  // After `configure` was sent: another one follows. Before: it is part of this one.
  w.bird.slow_for = 1;
  w.publisher->again("first");
  w.step(0s);
  w.publisher->again("second");
  w.settle();
  CHECK(w.bird.configured == 3);
  w.publisher->again("third");
  w.settle(200ms);
  CHECK(w.bird.configured == 4);
}

TEST_CASE("a retry that was overtaken does not come on top") {
  World w{false};
  w.publish(rendered("a"));  // tried again in 250 ms
  REQUIRE(w.bird.start("/d/bird.conf"));
  w.bird.slow_for = 5;
  w.publisher->again("BIRD is there");
  w.settle(1s);
  CHECK(w.bird.configured == 1);
  CHECK(w.outcomes.size() == 2);
}

TEST_CASE("where the wanted one is refused, what lies live is put in force again") {
  World w;
  w.publish(rendered("a"));
  w.publish(rendered("SYNTAX"));
  w.bird.die();
  w.files.files["/etc/bird.conf"] = "the distribution's\n";
  w.bird.now = 200;
  REQUIRE(w.bird.start("/etc/bird.conf"));
  w.settle();
  CHECK(w.outcomes.back().kind == Ended::Refused);
  CHECK(w.bird.running == in_force("a"));
  const int before = w.bird.configured;
  w.publisher->again("a port was taken");
  w.settle();
  CHECK(w.bird.configured == before + 1);
  CHECK(w.outcomes.back().kind == Ended::Refused);
  w.publish(rendered("a"));  // runs: nothing to configure
  CHECK(w.bird.configured == before + 1);
  CHECK(w.outcomes.back().kind == Ended::InForce);
}

TEST_CASE("killed at any step and started again, BIRD runs what is wanted") {
  for (const bool restarted : {false, true})
    for (const bool after : {false, true})
      for (long at = 1;; ++at) {
        CAPTURE(restarted, after, at);
        World w;
        w.publish(rendered("a", "old\n"));
        // Whatever lies live can be read by a BIRD that starts now.
        w.fuse.observer = [&](const std::string& call) {
          CAPTURE(call);
          fakes::Fuse none;
          fakes::FakeBird other{none, [&](const std::string& path) { return w.files.read(path); }};
          CHECK(other.start("/d/bird.conf"));
        };
        w.bird.slow_for = 1;
        w.fuse.blow_in(at, after);
        bool killed = false;
        try {
          w.publish(rendered("b", "new\n"));
        } catch (const fakes::Killed&) {
          killed = true;
        }
        w.kill();
        w.begin();
        w.bird.now = 200;
        if (restarted) {
          w.bird.die();
          REQUIRE(w.bird.start("/d/bird.conf"));
        }
        w.publish(rendered("b", "new\n"));
        CHECK(w.publisher->in_force());
        CHECK(w.bird.running == in_force("b", "new\n"));
        CHECK(w.files.files.size() == 3);  // bird.conf, its part, the note
        if (!killed) {
          CHECK(at > 6);
          break;
        }
      }
}

TEST_CASE("destroyed in the middle, and from within a report") {
  World w;
  w.publisher->publish(rendered("a"));
  w.step(0s);
  w.publisher.reset();
  w.settle(1h);
  CHECK(w.outcomes.empty());
  w.begin();
  w.on_report = [&](const Publisher::Outcome&) { w.publisher.reset(); };
  w.publish(rendered("a"));
  CHECK(w.outcomes.size() == 1);
  w.bird.die();
}

TEST_CASE("the place an error names") {
  const auto place = parse_place("/etc/bird/peers-0123.conf:12:34 syntax error, unexpected '{'");
  REQUIRE(place);
  CHECK(place->file == "/etc/bird/peers-0123.conf");
  CHECK(place->line == 12);
  CHECK(place->column == 34);
  CHECK(place->what == "syntax error, unexpected '{'");
  CHECK(parse_place("/odd:1/b.conf:7:2 x")->file == "/odd:1/b.conf");
  for (const char* none : {"", ":", "/b.conf: Permission denied", "/b.conf:1: x", "/b.conf:1:x", "/b.conf:99999999999:1 x",
                           "/b.conf:1:2", "/b.conf:1"})
    CHECK_FALSE(parse_place(none));
}
