#include "daemon/config_watch.hpp"

#include <algorithm>

namespace margay::daemon {

using config::Source;
using config::SourceKind;

ConfigWatch::ConfigWatch(Symbol node, std::map<std::string, std::string> environment, std::map<std::string, std::string> file,
                         std::string file_path)
    : node_{std::move(node)}, environment_{std::move(environment)}, file_{std::move(file)}, file_path_{std::move(file_path)} {}

bool ConfigWatch::on_update(const Update& update) {
  if (update.key.kind == Kind::FelixConfiguration) {
    if (update.value) configurations_.insert_or_assign(update.key.name, std::get<Ref<FelixConfiguration>>(*update.value));
    else configurations_.erase(update.key.name);
    return true;
  }
  if (update.key.kind == Kind::Node && update.key.name == node_) {
    const Labels before = std::exchange(labels_, update.value ? std::get<Ref<Node>>(*update.value)->labels : Labels{});
    return !(before == labels_);
  }
  return false;
}

void ConfigWatch::set_file(std::map<std::string, std::string> file, std::string file_path) {
  file_ = std::move(file);
  file_path_ = std::move(file_path);
}

std::vector<Source> ConfigWatch::sources() const {
  std::vector<Source> out;
  if (!environment_.empty()) out.push_back({SourceKind::Environment, "environment", environment_});
  if (!file_.empty()) out.push_back({SourceKind::File, file_path_, file_});

  const std::string per_node = "node." + node_.str();
  const auto name = [](const Symbol& configuration) { return "FelixConfiguration " + configuration.str(); };
  std::vector<std::pair<Symbol, Ref<FelixConfiguration>>> selecting;
  for (const auto& [symbol, value] : configurations_) {
    if (symbol.view() == per_node) out.push_back({SourceKind::PerNode, name(symbol), value->parameters});
    else if (value->node_selector && !(symbol == "default") && !symbol.view().starts_with("node.") &&
             value->node_selector->matches(labels_))
      selecting.emplace_back(symbol, value);
  }
  // The oldest decides; of equally old ones the one whose name sorts first, so that every node and every start agree.
  std::sort(selecting.begin(), selecting.end(), [](const auto& a, const auto& b) {
    return std::pair{std::string_view{a.second->creation_timestamp}, a.first.view()} <
           std::pair{std::string_view{b.second->creation_timestamp}, b.first.view()};
  });
  for (const auto& [symbol, value] : selecting) out.push_back({SourceKind::PerSelector, name(symbol), value->parameters});
  if (const auto it = configurations_.find("default"); it != configurations_.end())
    out.push_back({SourceKind::Global, name(it->first), it->second->parameters});
  return out;
}

}  // namespace margay::daemon
