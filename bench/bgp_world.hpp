// A cluster for the benchmarks of BGP: nodes in a mesh, BGPPeers, services with a slice each. Node "n0" is this one.
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

#include "margay/model/update.hpp"

namespace margay::bench {

struct BgpWorld {
  unsigned nodes = 1000, peers = 5000, services = 10'000;
  // All BGPPeers are this node's own sessions; else they are spread over the nodes by name.
  bool all_here = false;

  template <class T>
  static Update update(Kind kind, std::string_view name, T value, std::string_view ns = {}) {
    return {{kind, ns, name}, Ref<T>{std::make_shared<T>(std::move(value))}, {}};
  }

  [[nodiscard]] Update node(unsigned i, unsigned label = 0) const {
    Node out;
    out.labels = Labels{{"kubernetes.io/hostname", fmt::format("n{}", i)},
                        {"rack", fmt::format("r{}", i / 40)},
                        {"turn", fmt::format("{}", label)}};
    out.ipv4 = Addr::parse(fmt::format("10.{}.{}.1", 1 + i / 250, i % 250));
    out.ipv4_net = Cidr{*out.ipv4, 16};
    return update(Kind::Node, fmt::format("n{}", i), std::move(out));
  }
  [[nodiscard]] Update peer(unsigned i, std::uint32_t keepalive = 30) const {
    BgpPeer out;
    out.peer_ip = Addr::parse(fmt::format("172.{}.{}.{}", 16 + i / 62500, i / 250 % 250, 1 + i % 250));
    out.as_number = 65000 + i % 10;
    out.keepalive_time = keepalive;
    out.filters = {fmt::format("filter{}", i % 5)};
    if (!all_here) out.node = fmt::format("n{}", i % nodes);
    return update(Kind::BGPPeer, fmt::format("peer{}", i), std::move(out));
  }
  [[nodiscard]] Update service(unsigned i) const {
    Service out;
    out.type = "LoadBalancer";
    out.cluster_ips = {*Addr::parse(fmt::format("10.96.{}.{}", i / 250, 1 + i % 250))};
    out.load_balancer_ips = {*Addr::parse(fmt::format("10.97.{}.{}", i / 250, 1 + i % 250))};
    out.external_policy_local = true;
    return update(Kind::Service, fmt::format("s{}", i), std::move(out), "default");
  }
  // `here`: an endpoint on this node, so that the service is advertised.
  [[nodiscard]] Update slice(unsigned i, bool here = true) const {
    EndpointSlice out;
    out.service = fmt::format("s{}", i);
    out.family = Family::V4;
    for (unsigned n = 0; n < 5; ++n)
      out.endpoints.push_back({{}, fmt::format("n{}", n == 0 && here ? 0 : 1 + (i + n) % (nodes - 1)), true});
    return update(Kind::EndpointSlice, fmt::format("s{}-a", i), std::move(out), "default");
  }

  template <class Sink>
  void announce(Sink sink) const {
    BgpConfiguration config;
    config.service_cluster_ips = {*Cidr::parse("10.96.0.0/16")};
    config.service_load_balancer_ips = {*Cidr::parse("10.97.0.0/16")};
    sink(update(Kind::BGPConfiguration, "default", std::move(config)));
    for (unsigned i = 0; i < 5; ++i) sink(update(Kind::BGPFilter, fmt::format("filter{}", i), BgpFilter{}));
    BgpPeer racks;  // pairs with nodes
    racks.node_selector = *Selector::parse("rack == 'r0'");
    racks.peer_selector = *Selector::parse("rack == 'r1'");
    sink(update(Kind::BGPPeer, "racks", std::move(racks)));
    for (unsigned i = 0; i < nodes; ++i) sink(node(i));
    for (unsigned i = 0; i < peers; ++i) sink(peer(i));
    for (unsigned i = 0; i < services; ++i) sink(service(i));
    for (unsigned i = 0; i < services; ++i) sink(slice(i));
  }
};

}  // namespace margay::bench
