// margayctl node status.
#include <ostream>

#include "daemons.hpp"
#include "node.hpp"
#include "node_report.hpp"
#include "session.hpp"

namespace margay::ctl {
namespace {

using nlohmann::json;

bool bird_runs(const json& status) {
  const auto bird = status.find("bird");
  return bird != status.end() && bird->is_object() && bird->value("running", json{}) == true;
}

// The daemon's own document; where it does not answer, one that has no session and says why.
json as_json(const settings::Settings& settings, const Result<json>& bgp, const Result<Readiness>& felix) {
  json out =
      bgp ? *bgp
          : json{{"node", settings.node}, {"error", bgp.error().text}, {"sessions", json::array()}, {"problems", json::array()}};
  if (felix) out["felix"] = {{"running", true}, {"ready", felix->ready}};
  else out["felix"] = {{"running", false}, {"ready", false}, {"error", felix.error().text}};
  return out;
}

}  // namespace

void run_node_status(Session& session, const NodeStatusOptions& options) {
  const settings::Settings* settings = session.settings();
  if (settings == nullptr) return;
  const auto bgp = ask_bgp_config(*settings);
  const auto felix = ask_felix(*settings);
  if (options.output == "json") {
    session.out << as_json(*settings, bgp, felix).dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    if (bgp) session.out << node_report(*bgp);
    if (felix)
      session.out << (bgp ? "\n" : "") << "margay-felix is " << (felix->ready ? "ready\n" : "not ready:\n" + felix->table);
  }
  session.out.flush();
  if (!bgp) session.error(bgp.error().text);
  else if (!bird_runs(*bgp))
    session.error("BIRD is not running; start it (systemctl start bird), or see why it ended (journalctl -u bird)");
  if (!felix) session.error(felix.error().text);
}

}  // namespace margay::ctl
