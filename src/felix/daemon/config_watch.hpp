// ConfigWatch: the FelixConfigurations that concern this node, joined with environment and file into one Config.
//
// Pure. Hears every update; keeps only FelixConfigurations and this node's labels (a FelixConfiguration's nodeSelector looks at
// them).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "margay/model/update.hpp"

namespace margay::daemon {

class ConfigWatch {
 public:
  ConfigWatch(Symbol node, std::map<std::string, std::string> environment, std::map<std::string, std::string> file,
              std::string file_path);

  // True if the update may change the configuration.
  bool on_update(const Update& update);
  void set_file(std::map<std::string, std::string> file, std::string file_path);
  [[nodiscard]] std::vector<config::Source> sources() const;  // highest first
  [[nodiscard]] config::Resolved resolve() const { return config::resolve(sources()); }

 private:
  Symbol node_;
  std::map<std::string, std::string> environment_, file_;
  std::string file_path_;
  std::map<Symbol, Ref<FelixConfiguration>> configurations_;
  Labels labels_;
};

}  // namespace margay::daemon
