#include "daemon/node_status.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "margay/base/log.hpp"

namespace margay::bgp {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using boost::system::error_code;
using nlohmann::ordered_json;

namespace {

constexpr log::Domain kDomain{"bgp"};

std::string_view calico_type(Session::Origin origin) {
  switch (origin) {
    case Session::Origin::Mesh: return "NodeMesh";
    case Session::Origin::Global: return "GlobalPeer";
    case Session::Origin::Node:
    case Session::Origin::LocalWorkload: return "NodePeer";
  }
  return "";
}

ordered_json agent_json(const Knowledge& knowledge, Family family) {
  ordered_json out;
  const bool has_family = knowledge.router && knowledge.router->families[index(family)].node_ip;
  const bool ready = knowledge.bird && has_family;
  out["state"] = ready ? "Ready" : "NotReady";
  if (!ready) return out;
  const BirdStatus& status = knowledge.bird->status;
  out["version"] = status.version;
  out["routerID"] = status.router_id;
  out["lastBootTime"] = status.last_reboot;
  out["lastReconfigurationTime"] = status.last_reconfiguration;
  return out;
}

// One of Calico's values; BIRD's Passive (waits for the peer to dial) is none of them.
std::string calico_state(const SessionReport& report) {
  if (!report.protocol || report.protocol->bgp_state.empty()) return "Idle";
  return report.protocol->bgp_state == "Passive" ? "Active" : report.protocol->bgp_state;
}

ordered_json bgp_json(const Knowledge& knowledge) {
  ordered_json out;
  const auto sessions = sessions_of(knowledge);
  for (const Family family : kFamilies) {
    const char* suffix = family == Family::V4 ? "V4" : "V6";
    unsigned up = 0, down = 0;
    ordered_json peers = ordered_json::array();
    for (const SessionReport& report : sessions) {
      if (report.session->family != family) continue;
      ++(report.established() ? up : down);
      peers.push_back({{"peerIP", report.session->peer ? report.session->peer->to_string() : report.session->interface},
                       {"type", calico_type(report.session->origin)},
                       {"state", calico_state(report)},
                       {"since", report.protocol ? report.protocol->since : ""}});
    }
    out[std::string{"numberEstablished"} + suffix] = up;
    out[std::string{"numberNotEstablished"} + suffix] = down;
    out[std::string{"peers"} + suffix] = std::move(peers);
  }
  return out;
}

ordered_json source_json(const RouteStatus& route, const Knowledge& knowledge) {
  if (knowledge.router)
    for (const Session& session : knowledge.router->sessions)
      if (is_protocol_of(session, route.protocol))
        return {{"sourceType", session.origin == Session::Origin::Mesh ? "NodeMesh" : "BGPPeer"},
                {"peerIP", session.peer ? session.peer->to_string() : session.interface}};
  std::string type = "Static";
  if (knowledge.bird)
    for (const ProtocolStatus& protocol : knowledge.bird->protocols)
      if (protocol.name == route.protocol && (protocol.type == "Kernel" || protocol.type == "Direct")) type = protocol.type;
  return {{"sourceType", type}};
}

ordered_json routes_json(const std::vector<RouteStatus>& routes, const Knowledge& knowledge) {
  ordered_json out;
  for (const Family family : kFamilies) {
    ordered_json list = ordered_json::array();
    for (const RouteStatus& route : routes) {
      if (route.net.family() != family) continue;
      const auto row = [&](const std::string& gateway, const std::string& interface) {
        list.push_back({{"type", route.primary ? "FIB" : "RIB"},
                        {"destination", route.net.to_string()},
                        {"gateway", gateway},
                        {"interface", interface},
                        {"learnedFrom", source_json(route, knowledge)}});
      };
      if (route.hops.empty()) row("N/A", route.type);
      for (const auto& hop : route.hops) row(hop.via ? hop.via->to_string() : "N/A", hop.interface);
    }
    out[family == Family::V4 ? "routesV4" : "routesV6"] = std::move(list);
  }
  return out;
}

}  // namespace

std::string node_status_json(const CalicoNodeStatus& wanted, const Knowledge& knowledge, const std::vector<RouteStatus>* routes) {
  ordered_json out;
  if (wanted.agent) out["agent"] = {{"birdV4", agent_json(knowledge, Family::V4)}, {"birdV6", agent_json(knowledge, Family::V6)}};
  if (wanted.bgp && knowledge.bird) out["bgp"] = bgp_json(knowledge);
  if (wanted.routes && routes) out["routes"] = routes_json(*routes, knowledge);
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct NodeStatus::Impl : std::enable_shared_from_this<Impl> {
  struct Reporter {
    Ref<CalicoNodeStatus> wanted;
    asio::steady_timer timer;
    std::string written;  // without lastUpdated
  };

  Impl(asio::io_context& loop, Bird& port, std::string where, std::string name, Know knows)
      : io{loop}, bird{port}, directory{std::move(where)}, node{std::move(name)}, know{std::move(knows)} {}

  [[nodiscard]] std::string path(const std::string& name) const { return directory + "/" + name + ".json"; }

  void on_update(const Update& update) {
    const std::string name = update.key.name.str();
    const auto* value = update.value ? std::get_if<Ref<CalicoNodeStatus>>(&*update.value) : nullptr;
    if (!value || (*value)->node.view() != node) {
      if (reporters.erase(name)) {
        std::error_code ignored;
        fs::remove(path(name), ignored);
      }
      return;
    }
    const auto reporter = std::make_shared<Reporter>(Reporter{*value, asio::steady_timer{io}, {}});
    reporters[name] = reporter;
    ask(name, reporter);
  }

  // After the delay; a first one gives the sessions of a start the time to come up.
  void ask(const std::string& name, const std::shared_ptr<Reporter>& reporter) {
    reporter->timer.expires_after(reporter->written.empty() ? std::chrono::seconds{1}
                                                            : std::chrono::seconds{reporter->wanted->update_period});
    reporter->timer.async_wait([self = weak_from_this(), name, weak = std::weak_ptr{reporter}](error_code aborted) {
      const auto impl = self.lock();
      const auto still = weak.lock();
      if (aborted || !impl || !still) return;
      if (!still->wanted->routes) return impl->write(name, *still, nullptr), impl->next(name, still);
      impl->bird.command("show route", [self, name, weak](Result<Reply> reply) {
        const auto again = self.lock();
        const auto there = weak.lock();
        if (!again || !there) return;
        if (reply && !reply->failed()) {
          const auto routes = parse_routes(*reply);
          again->write(name, *there, &routes);
        } else {
          again->write(name, *there, nullptr);
        }
        again->next(name, there);
      });
    });
  }

  void next(const std::string& name, const std::shared_ptr<Reporter>& reporter) {
    if (reporter->wanted->update_period != 0) ask(name, reporter);
  }

  void write(const std::string& name, Reporter& reporter, const std::vector<RouteStatus>* routes) {
    const std::string json = node_status_json(*reporter.wanted, know(), routes);
    if (json == reporter.written) return;
    auto whole = ordered_json::parse(json);
    whole["lastUpdated"] = to_rfc3339(std::chrono::system_clock::now());
    std::error_code error;
    fs::create_directories(directory, error);
    const std::string temporary = path(name) + ".tmp";
    std::ofstream file{temporary};
    file << whole.dump(2) << "\n";
    file.close();
    if (file) fs::rename(temporary, path(name), error);
    if (!file || error) {
      if (!std::exchange(told, true)) log::warning(kDomain, "cannot write a node status, trying again", {{"file", path(name)}});
      return;
    }
    told = false;
    reporter.written = json;
  }

  asio::io_context& io;
  Bird& bird;
  std::string directory, node;
  Know know;
  std::map<std::string, std::shared_ptr<Reporter>> reporters;
  bool told = false;
};

NodeStatus::NodeStatus(asio::io_context& io, Bird& bird, std::string directory, std::string node, Know know)
    : impl_{std::make_shared<Impl>(io, bird, std::move(directory), std::move(node), std::move(know))} {}
NodeStatus::~NodeStatus() = default;
void NodeStatus::on_update(const Update& update) { impl_->on_update(update); }

}  // namespace margay::bgp
