// Cluster: short ways to write resources down in tests of the view.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "view/view.hpp"

namespace margay::bgp::test {

inline Addr addr(std::string_view text) {
  const auto out = Addr::parse(text);
  if (!out) throw std::invalid_argument{std::string{text}};
  return *out;
}
inline Cidr cidr(std::string_view text) {
  const auto out = Cidr::parse(text);
  if (!out) throw std::invalid_argument{std::string{text}};
  return *out;
}
inline Selector selector(std::string_view text) {
  auto out = Selector::parse(text);
  if (!out) throw std::invalid_argument{std::string{text}};
  return *out;
}

template <class T>
Update update(Kind kind, std::string_view name, T value, std::string_view ns = {}) {
  return {{kind, ns, name}, Ref<T>{std::make_shared<T>(std::move(value))}, {}};
}
inline Update gone(Kind kind, std::string_view name, std::string_view ns = {}) { return {{kind, ns, name}, {}, {}}; }

inline Node node(std::string_view v4, std::string_view v6 = {}, Labels labels = {}) {
  Node out;
  out.labels = std::move(labels);
  if (!v4.empty()) {
    out.ipv4 = addr(v4);
    out.ipv4_net = Cidr{*out.ipv4, 24};
  }
  if (!v6.empty()) {
    out.ipv6 = addr(v6);
    out.ipv6_net = Cidr{*out.ipv6, 64};
  }
  return out;
}

inline BgpPeer peer(std::string_view ip, std::optional<std::uint32_t> as_number = {}) {
  BgpPeer out;
  if (!ip.empty()) out.peer_ip = addr(ip);
  out.as_number = as_number;
  return out;
}
inline BgpPeer between(std::string_view nodes, std::string_view peers) {
  BgpPeer out;
  out.node_selector = selector(nodes);
  out.peer_selector = selector(peers);
  return out;
}

// A view of node "me", 10.0.0.2 and fd00::2.
struct Cluster {
  explicit Cluster(ViewOptions options = {}) : view{with_node(std::move(options))} { set("me", node("10.0.0.2", "fd00::2")); }

  static ViewOptions with_node(ViewOptions options) {
    options.node = "me";
    return options;
  }
  void set(std::string_view name, Node value) { view.on_update(update(Kind::Node, name, std::move(value))); }
  void set(std::string_view name, BgpPeer value) { view.on_update(update(Kind::BGPPeer, name, std::move(value))); }
  void set(std::string_view name, BgpFilter value) { view.on_update(update(Kind::BGPFilter, name, std::move(value))); }
  void set(std::string_view name, IpPool value) { view.on_update(update(Kind::IPPool, name, std::move(value))); }
  void set(std::string_view name, BlockAffinity value) { view.on_update(update(Kind::BlockAffinity, name, std::move(value))); }
  void set(std::string_view name, BgpConfiguration value) {
    view.on_update(update(Kind::BGPConfiguration, name, std::move(value)));
  }
  void set(std::string_view name, Service value) { view.on_update(update(Kind::Service, name, std::move(value), "ns")); }
  void set(std::string_view name, EndpointSlice value) {
    view.on_update(update(Kind::EndpointSlice, name, std::move(value), "ns"));
  }
  void secret(std::string_view name, std::map<std::string, std::string> data, std::string_view ns = "kube-system") {
    view.on_update(update(Kind::Secret, name, Secret{std::move(data)}, ns));
  }
  void remove(Kind kind, std::string_view name, std::string_view ns = {}) { view.on_update(gone(kind, name, ns)); }
  void no_mesh() {
    BgpConfiguration config;
    config.mesh = false;
    set("default", config);
  }

  const Router& router() {
    auto out = view.router();
    if (!out) throw std::runtime_error{out.error().text};
    return **out;
  }
  const Session* session(std::string_view name) {
    for (const Session& session : router().sessions)
      if (session.name == name) return &session;
    return nullptr;
  }
  std::string names() {
    std::string out;
    for (const Session& session : router().sessions) out += (out.empty() ? "" : " ") + session.name;
    return out;
  }
  std::string problems() {
    (void)view.router();
    std::string out;
    for (const Problem& problem : view.problems()) out += problem.owner.to_string() + ": " + problem.text + "\n";
    return out;
  }
  std::string services(Family family = Family::V4) {
    std::string out;
    for (const Cidr& net : router().families[index(family)].services) out += (out.empty() ? "" : " ") + net.to_string();
    return out;
  }
  std::string statics(Family family = Family::V4) {
    std::string out;
    for (const StaticRoute& route : router().families[index(family)].statics)
      out += (out.empty() ? "" : " ") + route.net.to_string() + (route.via ? " via " + route.via->to_string() : "");
    return out;
  }

  View view;
};

}  // namespace margay::bgp::test
