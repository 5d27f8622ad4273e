// Which service addresses a node advertises (specification §1.10).
#include "support/catch.hpp"

#include "cluster.hpp"

namespace margay::bgp::test {

namespace {

Service service(std::string_view ip, bool local = false) {
  Service out;
  out.type = "ClusterIP";
  if (!ip.empty()) out.cluster_ips = {addr(ip)};
  out.external_policy_local = local;
  return out;
}

EndpointSlice slice(std::string_view of, std::string_view on, bool ready = true, Family family = Family::V4) {
  EndpointSlice out;
  out.service = of;
  out.family = family;
  out.endpoints.push_back({{addr(family == Family::V4 ? "10.65.0.1" : "fd65::1")}, on, ready});
  return out;
}

BgpConfiguration ranges() {
  BgpConfiguration out;
  out.service_cluster_ips = {cidr("10.96.0.0/16"), cidr("fd96::/112")};
  out.service_external_ips = {cidr("192.0.2.0/24"), cidr("198.51.100.7/32")};
  out.service_load_balancer_ips = {cidr("203.0.113.0/24"), cidr("198.51.100.9/32")};
  return out;
}

const std::string kRanges = "10.96.0.0/16 192.0.2.0/24 203.0.113.0/24";

struct Services : Cluster {
  Services() { set("default", ranges()); }
};

}  // namespace

TEST_CASE("without ranges nothing of services is advertised") {
  Cluster c;
  c.set("s", service("10.96.0.1", true));
  c.set("s1", slice("s", "me"));
  CHECK(c.services().empty());
  CHECK(c.router().families[0].kernel_reject.empty());
}

TEST_CASE("ranges are advertised by every node and never learned into the kernel") {
  Services c;
  CHECK(c.services() == kRanges);
  CHECK(c.statics() == kRanges);
  CHECK(c.services(Family::V6) == "fd96::/112");
  const auto& v4 = c.router().families[0];
  CHECK(v4.kernel_reject == std::vector<Cidr>{cidr("10.96.0.0/16"), cidr("192.0.2.0/24"), cidr("203.0.113.0/24")});
  CHECK(v4.reflected.empty());
  CHECK(v4.statics[0].owner == Key{Kind::BGPConfiguration, {}, "default"});
}

TEST_CASE("a route reflector passes on external and load balancer ranges of others") {
  Services c;
  Node me = node("10.0.0.2");
  me.route_reflector_cluster_id = "1.0.0.1";
  c.set("me", me);
  CHECK(c.router().families[0].reflected ==
        std::vector<Cidr>{cidr("192.0.2.0/24"), cidr("198.51.100.7/32"), cidr("198.51.100.9/32"), cidr("203.0.113.0/24")});
}

TEST_CASE("a service of policy Local is advertised where it has a ready endpoint") {
  Services c;
  Service s = service("10.96.0.1", true);
  s.external_ips = {addr("192.0.2.5"), addr("8.8.8.8")};
  s.load_balancer_ips = {addr("203.0.113.5"), addr("9.9.9.9")};
  c.set("s", s);
  CHECK(c.services() == kRanges);
  c.set("s1", slice("s", "other"));
  CHECK(c.services() == kRanges);
  c.set("s2", slice("s", "me"));
  CHECK(c.services() == "10.96.0.0/16 10.96.0.1/32 192.0.2.0/24 192.0.2.5/32 203.0.113.0/24 203.0.113.5/32");
  c.set("s2", slice("s", "me", false));
  CHECK(c.services() == kRanges);
  c.set("s2", slice("s", "me", true, Family::V6));  // the service has no IPv6 address
  CHECK(c.services() == kRanges);
  c.set("s2", slice("s", "me"));
  CHECK(c.services() != kRanges);
  s.external_policy_local = false;
  c.set("s", s);
  CHECK(c.services() == kRanges);
}

TEST_CASE("the last endpoint's slice deleted, or moved to another service, withdraws at once") {
  Services c;
  c.set("s", service("10.96.0.1", true));
  c.set("t", service("10.96.0.2", true));
  c.set("a", slice("s", "me"));
  c.set("b", slice("s", "me"));
  CHECK(c.services() == "10.96.0.0/16 10.96.0.1/32 192.0.2.0/24 203.0.113.0/24");
  c.remove(Kind::EndpointSlice, "a", "ns");
  CHECK(c.services() == "10.96.0.0/16 10.96.0.1/32 192.0.2.0/24 203.0.113.0/24");
  c.remove(Kind::EndpointSlice, "b", "ns");
  CHECK(c.services() == kRanges);
  c.set("a", slice("s", "me"));
  (void)c.router();
  c.set("a", slice("t", "me"));
  CHECK(c.services() == "10.96.0.0/16 10.96.0.2/32 192.0.2.0/24 203.0.113.0/24");
  c.remove(Kind::Service, "t", "ns");
  CHECK(c.services() == kRanges);
  c.set("t", service("10.96.0.2", true));  // its slice is still there
  CHECK(c.services() != kRanges);
}

TEST_CASE("a slice of another namespace's service of that name is not the service's") {
  Services c;
  c.set("s", service("10.96.0.1", true));
  c.view.on_update(update(Kind::EndpointSlice, "a", slice("s", "me"), "elsewhere"));
  CHECK(c.services() == kRanges);
}

TEST_CASE("an address that is a range of its own is advertised by every node, endpoints or not") {
  Services c;
  Service external = service("10.96.0.1"), requested = service("10.96.0.2"), given = service("10.96.0.3");
  external.external_ips = {addr("198.51.100.7"), addr("192.0.2.5")};
  c.set("external", external);
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24 198.51.100.7/32 203.0.113.0/24");
  c.remove(Kind::Service, "external", "ns");
  given.load_balancer_ips = {addr("198.51.100.9")};
  c.set("given", given);
  CHECK(c.services() == kRanges);  // not of type LoadBalancer
  given.type = "LoadBalancer";
  c.set("given", given);
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24 198.51.100.9/32 203.0.113.0/24");
  given.external_policy_local = true;  // only with an endpoint here
  c.set("given", given);
  CHECK(c.services() == kRanges);
  given.external_policy_local = false;
  given.load_balancer_ips.clear();
  given.requested_load_balancer_ip = addr("198.51.100.9");  // asked for, not given yet
  given.external_ips = {addr("198.51.100.7")};
  c.set("given", given);
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24 198.51.100.7/32 203.0.113.0/24");
}

TEST_CASE("without aggregation every load balancer address is advertised while its service has an endpoint") {
  Services c;
  BgpConfiguration config = ranges();
  config.load_balancer_aggregation = false;
  c.set("default", config);
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24");
  CHECK(c.router().families[0].kernel_reject.size() == 3);  // learned addresses still stay out of the kernel
  Service s = service("10.96.0.1");
  s.type = "LoadBalancer";
  s.load_balancer_ips = {addr("203.0.113.5")};
  c.set("s", s);
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24");
  c.set("a", slice("s", "other"));
  // The cluster address is in a range that is advertised anyway.
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24 203.0.113.5/32");
  c.set("a", slice("s", "other", false));
  CHECK(c.services() == "10.96.0.0/16 192.0.2.0/24");
}

TEST_CASE("cluster addresses outside the ranges stay in the cluster") {
  Services c;
  c.set("s", service("10.97.0.1", true));
  c.set("a", slice("s", "me"));
  CHECK(c.services() == kRanges);
}

TEST_CASE("headless services and names of others are nothing to advertise") {
  Services c;
  c.set("headless", service("", true));
  Service named = service("10.96.0.3", true);
  named.type = "ExternalName";
  c.set("named", named);
  c.set("a", slice("headless", "me"));
  c.set("b", slice("named", "me"));
  CHECK(c.services() == kRanges);
}

TEST_CASE("ipFamilies says which slices count") {
  Services c;
  Service s = service("10.96.0.1", true);
  s.cluster_ips.push_back(addr("fd96::1"));
  s.families = {Family::V6};
  c.set("s", s);
  c.set("a", slice("s", "me"));
  CHECK(c.services() == kRanges);
  c.set("b", slice("s", "me", true, Family::V6));
  CHECK(c.services() == "10.96.0.0/16 10.96.0.1/32 192.0.2.0/24 203.0.113.0/24");
  CHECK(c.services(Family::V6) == "fd96::/112 fd96::1/128");
}

TEST_CASE("an address of two services goes with the last of them") {
  Services c;
  Service s = service("10.96.0.1", true), t = service("10.96.0.2", true);
  s.external_ips = t.external_ips = {addr("192.0.2.5")};
  c.set("s", s);
  c.set("t", t);
  c.set("a", slice("s", "me"));
  c.set("b", slice("t", "me"));
  (void)c.router();
  c.remove(Kind::Service, "s", "ns");
  CHECK(c.services() == "10.96.0.0/16 10.96.0.2/32 192.0.2.0/24 192.0.2.5/32 203.0.113.0/24");
  c.remove(Kind::EndpointSlice, "b", "ns");
  CHECK(c.services() == kRanges);
}

TEST_CASE("an excluded or draining node advertises nothing, and keeps learned ranges out of the kernel") {
  Services c;
  c.set("s", service("10.96.0.1", true));
  c.set("a", slice("s", "me"));
  c.set("me", node("10.0.0.2", "", {{"node.kubernetes.io/exclude-from-external-load-balancers", "true"}}));
  CHECK(c.services().empty());
  CHECK(c.router().families[0].kernel_reject.size() == 3);
  c.set("me", node("10.0.0.2", "", {{"node.kubernetes.io/exclude-from-external-load-balancers", "yes"}}));
  CHECK(c.services() != "");
  Node draining = node("10.0.0.2");
  draining.draining = true;
  c.set("me", draining);
  CHECK(c.services().empty());
  CHECK(c.statics().empty());
  CHECK(c.router().draining);
  CHECK(c.router().families[0].kernel_reject.size() == 3);
}

TEST_CASE("the environment's range replaces the cluster's, if it is one") {
  ViewOptions options;
  options.cluster_ips = "10.100.0.0/16";
  Cluster c{options};
  c.set("default", ranges());
  CHECK(c.services() == "10.100.0.0/16 192.0.2.0/24 203.0.113.0/24");
  options.cluster_ips = "everything";
  Cluster d{options};
  d.set("default", ranges());
  CHECK(d.services() == kRanges);
  CHECK(d.problems().find("CALICO_ADVERTISE_CLUSTER_IPS") != std::string::npos);
}

}  // namespace margay::bgp::test
