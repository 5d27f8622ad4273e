// margayctl node …: the verbs about one node and its daemons. As verbs.hpp: one function a verb, its options as they were given.
#pragma once

#include <chrono>
#include <string>

#include "margay/settings/settings.hpp"

namespace CLI {
class App;
}

namespace margay::ctl {

class Session;
struct Command;

void add_node(CLI::App& app, Command& command);

struct NodeInitOptions {
  std::string ip, ip6, as_number;
  bool overwrite = false, allow_duplicate = false;
};
void run_node_init(Session& session, const NodeInitOptions& options);

struct DrainOptions {
  bool drain = true, wait = false;
  std::chrono::milliseconds patience{60'000};
};
// Of the node that the settings name.
void run_node_drain(Session& session, const DrainOptions& options);

struct NodeStatusOptions {
  std::string output;
};
void run_node_status(Session& session, const NodeStatusOptions& options);

}  // namespace margay::ctl
