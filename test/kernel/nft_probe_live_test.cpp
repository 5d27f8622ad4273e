// What the nft variant of iptables leaves in the kernel is seen, beside our own legacy tables; in a namespace of its own.
#include "netns.hpp"
#include "nft_probe.hpp"
#include "support/catch.hpp"

using namespace margay::kernel;
using margay::test::sh;

namespace {

[[maybe_unused]] const bool kNetns =
    margay::test::enter_private_netns("iptables-nft -w -S && ip6tables-nft -w -S && iptables-legacy -w -S");

std::vector<NftChain> read() {
  const auto chains = read_nft_filters();
  REQUIRE(chains);
  return *chains;
}

void must(const std::string& command) {
  const auto done = sh(command);
  INFO(command << ": " << done.output);
  REQUIRE(done.status == 0);
}

}  // namespace

TEST_CASE("drop policies and rules of the nft variant are seen, and nothing else") {
  CHECK(read().empty());
  must("iptables-legacy -w -P FORWARD DROP && iptables-legacy -w -A INPUT -j ACCEPT");
  CHECK(read().empty());  // the legacy tables are the ones we share

  must("iptables-nft -w -A FORWARD -j ACCEPT && iptables-nft -w -D FORWARD -j ACCEPT");
  CHECK(read().empty());  // a chain that lets everything pass

  must("iptables-nft -w -t nat -A POSTROUTING -j ACCEPT && iptables-nft -w -t nat -A OUTPUT -j ACCEPT");
  CHECK(read().empty());  // translation does not filter

  must("iptables-nft -w -P FORWARD DROP");
  REQUIRE(read() == std::vector<NftChain>{{"ip", "filter", "FORWARD", "forward", true, 0}});

  must("ip6tables-nft -w -A INPUT -p tcp --dport 9 -j DROP && ip6tables-nft -w -N mine && ip6tables-nft -w -A mine -j DROP");
  const auto both = read();
  REQUIRE(both.size() == 2);
  CHECK(to_text(both[0]) == "ip filter FORWARD (policy drop, 0 rules)");
  CHECK(to_text(both[1]) == "ip6 filter INPUT (policy accept, 1 rule)");

  must("iptables-nft -w -P FORWARD ACCEPT && ip6tables-nft -w -F INPUT");
  CHECK(read().empty());
}
