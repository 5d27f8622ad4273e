#include "calc/sequencer.hpp"

#include "calc/pass_through.hpp"
#include "calc/set_index.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::calc;

namespace {

struct Says {
  std::vector<std::string> lines;
  void flush(Pending<Symbol, int>& pending) {
    lines.clear();
    pending.flush_updates([&](const Symbol& key, int value) { lines.push_back(key.str() + "=" + std::to_string(value)); });
    pending.flush_removes([&](const Symbol& key) { lines.push_back("-" + key.str()); });
  }
};
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("pending values coalesce to the difference from what was sent") {
  Pending<Symbol, int> pending;
  Says says;
  pending.set("b", 1);
  pending.set("a", 1);
  pending.set("a", 2);
  pending.set("gone", 1);
  pending.remove("gone");
  says.flush(pending);
  CHECK(says.lines == Lines{"a=2", "b=1"});
  pending.set("a", 2);  // equal to what was sent
  CHECK(pending.empty());
  pending.set("a", 3);
  pending.set("a", 2);  // and back
  pending.remove("b");
  pending.set("b", 1);
  CHECK(pending.empty());
  pending.remove("never");
  CHECK(pending.empty());
  pending.remove("a");
  pending.remove("b");
  says.flush(pending);
  CHECK(says.lines == Lines{"-b", "-a"});
  CHECK(pending.sent_count() == 0);
}

TEST_CASE("shared values are compared by what they hold") {
  Pending<Symbol, Ref<ActiveProfile>> pending;
  pending.set("p", std::make_shared<const ActiveProfile>());
  pending.flush_updates([](const auto&, const auto&) {});
  pending.set("p", std::make_shared<const ActiveProfile>());
  CHECK(pending.empty());
}

TEST_CASE("of pools with one CIDR the lowest name counts, and the next one takes over") {
  Sequencer out;
  PassThrough pass{"here", out};
  SetIndex sets;
  struct Sink final : MessageSink {
    void on_message(Message message) override {
      if (const auto* update = std::get_if<PoolUpdate>(&message)) lines.push_back("+" + update->name.str());
      if (const auto* remove = std::get_if<PoolRemove>(&message)) lines.push_back("-" + remove->name.str());
    }
    Lines lines;
  } sink;
  auto pool = std::make_shared<IpPool>();
  pool->cidr = *Cidr::parse("10.0.0.0/16");
  pass.on_pool({Kind::IPPool, "", "b"}, pool);
  out.flush(sets, sink);
  pass.on_pool({Kind::IPPool, "", "a"}, pool);
  out.flush(sets, sink);
  pass.on_pool({Kind::IPPool, "", "c"}, pool);
  pass.on_pool({Kind::IPPool, "", "a"}, nullptr);
  out.flush(sets, sink);
  CHECK(sink.lines == Lines{"+b", "-b", "+a", "-a", "+b"});
}
