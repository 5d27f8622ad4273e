// margayctl node drain and undrain.
#include <ostream>
#include <thread>

#include <fmt/format.h>

#include "daemons.hpp"
#include "edit.hpp"
#include "kinds.hpp"
#include "node.hpp"
#include "object.hpp"
#include "session.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

constexpr const char* kAnnotation = "bgp.margay.io/drain";  // decoded to Node::draining
constexpr std::chrono::milliseconds kBetweenQuestions{100};

json with_drain(json node, bool drain) {
  json& metadata = node["metadata"];
  json annotations =
      metadata.contains("annotations") && metadata["annotations"].is_object() ? metadata["annotations"] : json::object();
  if (drain) annotations[kAnnotation] = "true";
  else annotations.erase(kAnnotation);
  if (annotations.empty()) metadata.erase("annotations");
  else metadata["annotations"] = std::move(annotations);
  return node;
}

// Answers whether anything changed.
Result<bool> mark(Session& session, const ObjectId& id, bool drain) {
  return retried([&]() -> Result<bool> {
    auto current = session.fetch(id);
    if (!current && current.error().code == ErrorCode::NotFound)
      return Error{ErrorCode::NotFound, "does not exist; margayctl node init makes it" + session.where_else(id)};
    if (!current) return current.error();
    json after = with_drain(current->object, drain);
    if (after == current->object) return false;
    auto put = session.put(id, after, current->revision);
    if (!put) return put.error();
    return true;
  });
}

std::string why_not_yet(const json& status, bool drain) {
  if (status.value("inSync", json{}) != true) return "margay-bgp-config waits for the datastore";
  if ((status.value("draining", json{}) == true) != drain)
    return "margay-bgp-config has not seen it, or has no configuration for this node (margayctl node status)";
  return "BIRD has not taken the configuration (margayctl node status shows why)";
}

void wait_for(Session& session, const DrainOptions& options) {
  const settings::Settings& settings = *session.settings();
  const auto deadline = std::chrono::steady_clock::now() + options.patience;
  for (bool first = true;; first = false) {
    const auto status = ask_bgp_config(settings);
    // Where it is not there from the start it is not this host's, or stopped. Later, it may be starting anew.
    if (!status && (first || status.error().code != ErrorCode::Unavailable))
      return session.error("written, but nobody can say when it is in force: " + status.error().text);
    if (status) {
      if (const json node = status->value("node", json{}); node.is_string() && node != settings.node)
        return session.error(
            fmt::format("written, but the margay-bgp-config here is the one of node {}; --wait works on the node's "
                        "own host",
                        node.get<std::string>()));
      if (status->value("inSync", json{}) == true && (status->value("draining", json{}) == true) == options.drain &&
          status->value("inForce", json{}) == true) {
        session.out << (options.drain ? "drain" : "undrain") << " is in force\n";
        return;
      }
    }
    if (std::chrono::steady_clock::now() >= deadline)
      return session.error(fmt::format("written, but not in force after {} s: {}", options.patience.count() / 1000,
                                       status ? why_not_yet(*status, options.drain) : status.error().text));
    std::this_thread::sleep_for(kBetweenQuestions);
  }
}

}  // namespace

void run_node_drain(Session& session, const DrainOptions& options) {
  const settings::Settings* settings = session.settings();
  if (settings == nullptr) return;
  const auto ids = named_objects({"node", settings->node}, {});
  if (!ids) return session.usage(ids.error().text);
  if (!session.connect()) return;
  const ObjectId& id = ids->front();
  const auto changed = mark(session, id, options.drain);
  if (!changed) return session.error(describe(id), changed.error());
  session.out << object_word(id) << (options.drain ? " drained" : " undrained") << (*changed ? "\n" : " (no change)\n");
  if (options.drain)
    session.out << fmt::format(
        "What follows, by margay-bgp-config on {0}: its routes get the graceful-shutdown community (RFC 8326), so that peers "
        "which\n"
        "honour it prefer other paths, and its service addresses are withdrawn. Workloads and sessions stay up.\n"
        "Back: margayctl node undrain {0}\n",
        id.name);
  session.out.flush();
  if (options.wait) wait_for(session, options);
}

}  // namespace margay::ctl
