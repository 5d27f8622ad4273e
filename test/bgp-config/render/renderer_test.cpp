// What the renderer promises beside the text: whose a line is, what a change leaves alone, what is left out.
#include <algorithm>
#include <iterator>
#include <set>

#include "routers.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;
using bgp::test::key;
using bgp::test::net;

namespace {

// Where a text stands: file and line.
std::pair<std::string, unsigned> place(const Rendered& rendered, std::string_view text) {
  for (const auto& part : rendered.parts)
    if (const auto at = part->text.find(text); at != std::string::npos)
      return {part->name, 1 + static_cast<unsigned>(
                                  std::count(part->text.begin(), part->text.begin() + static_cast<std::ptrdiff_t>(at), '\n'))};
  return {};
}
std::optional<Key> whose(const Rendered& rendered, std::string_view text) {
  const auto [file, line] = place(rendered, text);
  REQUIRE(!file.empty());
  return owner_of(rendered, "/run/margay/bird/" + file, line);
}
std::set<std::string> names(const Rendered& rendered) {
  std::set<std::string> out;
  for (const auto& part : rendered.parts) out.insert(part->name);
  return out;
}
std::set<std::string> only_in(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

Router many() {
  Router r = bgp::test::plain_router();
  r.sessions.clear();
  for (unsigned i = 0; i < 2000; ++i) {
    Session s = bgp::test::session("Mesh_" + std::to_string(10000 + i),
                                   "10.80." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1));
    s.description = "node " + std::to_string(i);
    r.sessions.push_back(s);
  }
  for (unsigned i = 0; i < 2000; ++i)
    r.families[0].statics.push_back({net("10.90." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "/32"),
                                     {},
                                     StaticRoute::Reason::Service,
                                     {Kind::Service, "default", "s" + std::to_string(i)}});
  return r;
}

}  // namespace

TEST_CASE("a line is its resource's") {
  Router r = bgp::test::named_routers().back().second;  // filters
  Renderer renderer{"/run/margay/bird"};
  const Rendered rendered = renderer.render(r);
  CHECK(whose(rendered, "protocol bgp Node_10_77_0_3") == key(Kind::BGPPeer, "peer-of-Node_10_77_0_3"));
  CHECK(whose(rendered, "neighbor fd77::3") == key(Kind::BGPPeer, "peer-of-Node_fd77__3"));
  CHECK(whose(rendered, "(64512, 100) ~ bgp_community") == key(Kind::BGPFilter, "rack.1-out"));
  CHECK(whose(rendered, "route 10.65.0.0/26") == key(Kind::BlockAffinity, "here-10-65-0-0-26"));
  CHECK(whose(rendered, "net ~ [fd65::/64+]") == key(Kind::IPPool, "pool-v6"));
  CHECK(whose(rendered, "function margay_send4") == std::nullopt);
  CHECK(owner_of(rendered, "bird.conf", 3) == std::nullopt);
}

TEST_CASE("a change writes few files, and the rest are those of before") {
  Router r = many();
  Renderer renderer{"/run/margay/bird"};
  const auto before = renderer.render(r);
  REQUIRE(before.parts.size() > 12);

  SECTION("one session gone") {
    r.sessions.erase(r.sessions.begin() + 700);
    CHECK(only_in(names(renderer.render(r)), names(before)).size() == 1);
  }
  SECTION("one session new") {
    r.sessions.insert(r.sessions.begin() + 1, r.sessions[0]);
    r.sessions[1].name += "_x";
    CHECK(only_in(names(renderer.render(r)), names(before)).size() == 1);
  }
  SECTION("a service gone: no filter of any session is another") {
    r.families[0].statics.erase(r.families[0].statics.begin() + 900);
    const auto fresh = only_in(names(renderer.render(r)), names(before));
    REQUIRE(fresh.size() == 1);
    CHECK(fresh.begin()->starts_with("routes4-"));
  }
  SECTION("a filter that others have not") {
    r.filters["f"] = std::make_shared<BgpFilter>();
    r.sessions[5].filters = {"f"};
    const auto now = renderer.render(r);
    CHECK(only_in(names(now), names(before)).size() == 3);  // its session, a template more, its functions
  }
  SECTION("nothing") { CHECK(renderer.render(r) == before); }
}

TEST_CASE("what BIRD could not take is left out alone") {
  Router r = bgp::test::plain_router();
  const Session good = r.sessions[0];
  const auto with = [&](auto change) {
    Session s = good;
    s.name = "Mesh_x";
    change(s);
    r.sessions = {good, s};
    const std::string text = bgp::test::joined(Renderer{"/run/margay/bird"}.render(r));
    CHECK(text.find("protocol bgp Mesh_10_77_0_2 ") != std::string::npos);
    return text.find("protocol bgp Mesh_x ") != std::string::npos;
  };
  CHECK(with([](Session&) {}));
  CHECK(with([](Session& s) { s.password = std::string(80, 'p'); }));
  CHECK(with([](Session& s) { s.password = "h\xc3\xa4\\n'`$;#{}"; }));  // as the view has let it pass
  CHECK(!with([](Session& s) { s.password = std::string(81, 'p'); }));
  CHECK(!with([](Session& s) { s.password = "a\nb"; }));
  CHECK(!with([](Session& s) { s.password = "a\";\nprotocol bgp evil {"; }));
  CHECK(!with([](Session& s) { s.local_as = 0; }));
  CHECK(!with([](Session& s) { s.remote_as = 0; }));
  CHECK(!with([](Session& s) { s.peer.reset(); }));
  CHECK(with([](Session& s) { s.peer.reset(), s.interface = "eth0"; }));
  CHECK(!with([](Session& s) { s.peer = bgp::test::addr("fe80::1"); }));
}
