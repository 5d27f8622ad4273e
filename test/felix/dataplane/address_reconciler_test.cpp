#include "dataplane/address_reconciler.hpp"

#include "fakes/fake_links.hpp"
#include "fakes/manual_clock.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::dataplane;
using namespace std::chrono_literals;

namespace {

const Addr k4 = *Addr::parse("169.254.1.1"), k6 = *Addr::parse("fd00::1"), kOther = *Addr::parse("169.254.1.2");

kernel::LinkAddress at(int link, const Addr& address, std::uint8_t protocol = 80) {
  return {.index = link, .net = Cidr{address}, .address = address, .protocol = protocol};
}

struct Bench {
  fakes::Fuse fuse;
  fakes::FakeRoutes routes{fuse};
  fakes::FakeLinks links{fuse, routes};
  fakes::ManualClock clock;
  AddressReconciler addresses{links, {}};

  void event(const kernel::LinkEvent& e) { addresses.on_link(e.link, e.removed); }
  bool apply() { return addresses.apply(clock.now()); }
  // By link, then address.
  std::vector<kernel::LinkAddress>& table() {
    std::sort(links.address_table.begin(), links.address_table.end(),
              [](const auto& a, const auto& b) { return a.index != b.index ? a.index < b.index : a.address < b.address; });
    return links.address_table;
  }
};
using Table = std::vector<kernel::LinkAddress>;

}  // namespace

TEST_CASE("addresses wait for their link, of one family and both, and go when nobody wants them") {
  Bench b;
  b.addresses.want("cali1", {k4, k6});
  REQUIRE(b.apply());
  CHECK(b.table().empty());
  b.event(b.links.add(7, "cali1"));
  CHECK(b.addresses.pending());
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(7, k4), at(7, k6)});
  CHECK_FALSE(b.addresses.pending());
  CHECK(b.addresses.take_bared().empty());
  b.fuse.observer = [&](const std::string&) { CHECK(b.table().front().address.family == Family::V4); };
  b.addresses.want("cali1", {k6, kOther});
  REQUIRE(b.apply());
  b.fuse.observer = {};
  CHECK(b.addresses.take_bared() == std::set{7});
  CHECK(b.table() == Table{at(7, kOther), at(7, k6)});
  b.addresses.want("cali1", {});
  REQUIRE(b.apply());
  CHECK(b.table().empty());
}

TEST_CASE("a link that comes again, of another index or another name, has what its name wants") {
  Bench b;
  b.addresses.want("cali1", {k4});
  b.event(b.links.add(7, "cali1"));
  REQUIRE(b.apply());
  b.event(b.links.remove(7));
  REQUIRE(b.apply());
  CHECK_FALSE(b.addresses.pending());
  b.event(b.links.add(8, "cali1"));
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(8, k4)});
  b.event(b.links.add(8, "cali2"));
  REQUIRE(b.apply());
  CHECK(b.table().empty());
  b.event(b.links.add(9, "cali1"));
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(9, k4)});
}

TEST_CASE("an address that somebody deletes is back when the kernel tells, or at the refresh") {
  Bench b;
  b.addresses.want("cali1", {k4});
  b.event(b.links.add(7, "cali1"));
  REQUIRE(b.apply());
  b.table().clear();
  CHECK(b.addresses.on_address(at(7, k4), true));
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(7, k4)});
  CHECK_FALSE(b.addresses.on_address(at(7, k4), false));  // our own, told back
  b.table().clear();
  REQUIRE(b.addresses.next_wakeup());
  b.clock.advance(*b.addresses.next_wakeup() - b.clock.now());
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(7, k4)});
}

TEST_CASE("a restart finds its addresses by their mark and removes those nobody wants; others' stay") {
  Bench b;
  const auto e7 = b.links.add(7, "cali1"), e2 = b.links.add(2, "eth0");
  kernel::LinkAddress wide = at(7, kOther, 0);
  wide.net = *Cidr::parse("169.254.0.0/16");
  b.table() = {at(7, k4), at(7, k6), at(7, *Addr::parse("169.254.1.3"), 0), at(2, k4), wide};
  b.event(e7);
  b.event(e2);
  b.addresses.want("cali1", {k6});
  REQUIRE(b.apply());
  CHECK(b.table() == Table{at(2, k4), wide, at(7, *Addr::parse("169.254.1.3"), 0), at(7, k6)});
  CHECK(b.fuse.count("links.add_address") == 0);
  REQUIRE(b.addresses.cleanup());
  CHECK(b.table() == Table{at(2, k4), wide, at(7, *Addr::parse("169.254.1.3"), 0)});
}

TEST_CASE("an address that somebody put there is as good as ours, and stays when we want it no more") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  const bool known = GENERATE(false, true);
  if (known) REQUIRE(b.apply());  // and then nobody tells of it
  b.table() = {at(7, k4, 0)};
  b.addresses.want("cali1", {k4});
  REQUIRE(b.apply());
  CHECK_FALSE(b.addresses.pending());
  CHECK(b.table() == Table{at(7, k4, 0)});
  b.addresses.want("cali1", {});
  REQUIRE(b.apply());
  CHECK_FALSE(b.addresses.pending());
  CHECK(b.table() == Table{at(7, k4, 0)});
}

TEST_CASE("with a kernel that keeps no mark, what this process put there is still its own") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.addresses.want("cali1", {k4});
  REQUIRE(b.apply());
  b.table() = {at(7, k4, 0)};
  CHECK_FALSE(b.addresses.on_address(at(7, k4, 0), false));
  b.addresses.invalidate();
  REQUIRE(b.apply());
  b.addresses.want("cali1", {});
  REQUIRE(b.apply());
  CHECK(b.table().empty());
}

TEST_CASE("an IPv4 address with a prefix is another address, an IPv6 one is not") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  kernel::LinkAddress wide4 = at(7, k4, 0), wide6 = at(7, k6, 0);
  wide4.net = *Cidr::parse("169.254.0.0/16");
  wide6.net = *Cidr::parse("fd00::/64");
  b.table() = {wide4, wide6};
  b.addresses.want("cali1", {k4, k6});
  REQUIRE(b.apply());
  CHECK_FALSE(b.addresses.pending());
  CHECK(std::count(b.table().begin(), b.table().end(), at(7, k4)) == 1);
  CHECK(b.table().size() == 3);
}

TEST_CASE("one refused address does not hold up the others and is tried again") {
  Bench b;
  b.event(b.links.add(7, "cali1"));
  b.event(b.links.add(8, "cali2"));
  REQUIRE(b.apply());
  b.addresses.want("cali1", {k4});
  b.addresses.want("cali2", {k4});
  b.fuse.fail("links.add_address", {ErrorCode::Permission, "no"}, 1);
  CHECK_FALSE(b.apply());
  CHECK(b.table().size() == 1);
  REQUIRE(b.addresses.error());
  REQUIRE(b.addresses.next_wakeup());
  CHECK(*b.addresses.next_wakeup() <= b.clock.now() + 1s);
  REQUIRE(b.apply());
  CHECK(b.table().size() == 2);
  b.fuse.fail("links.addresses", {ErrorCode::Busy, "no"}, 1);
  b.addresses.invalidate();
  CHECK_FALSE(b.apply());
  CHECK(b.apply());
}
