// Endpoint status files: <prefix>/endpoint-status/<orchestrator workload endpoint>, there exactly while the workload's policy is
// in the kernel. The CNI plugin and BGP wait for them (contracts §6; names and JSON are Calico's, datastore-model §6.4).
//
// At the first call with everything known, files of earlier runs that nobody wants go, and those that say the same stay
// untouched. A file that cannot be written is told once and tried again with the next call.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "margay/base/result.hpp"
#include "margay/model/key.hpp"
#include "margay/model/resources.hpp"

namespace margay::daemon {

// File name and content; pure.
[[nodiscard]] std::string status_file_name(const WorkloadEndpoint& endpoint);
[[nodiscard]] std::string status_file_json(const WorkloadEndpoint& endpoint, std::string_view bgp_peer);

class StatusFiles {
 public:
  explicit StatusFiles(std::string directory) : directory_{std::move(directory)} {}

  // `bgp_peer`: the BGPPeer by which it is a BGP peer, or empty.
  void in_force(const Key& id, const WorkloadEndpoint& endpoint, std::string_view bgp_peer);
  void not_in_force(const Key& id);
  // Everything that is in force has been said: stale files of earlier runs may go.
  void complete() { complete_ = true; }
  // Brings the directory in line. True if all went well; false: call again later.
  bool publish();
  [[nodiscard]] bool pending() const { return !dirty_.empty() || (complete_ && !swept_); }

 private:
  struct File {
    std::string name, json;
  };
  void disown(const Key& id, const std::string& name);
  [[nodiscard]] Status write(const std::string& path, const std::string& json);
  [[nodiscard]] Status sweep();
  void tell(const Status& status);

  std::string directory_;
  std::unordered_map<Key, File> wanted_;
  std::unordered_map<std::string, std::set<Key>> owners_;  // by file name; two endpoints might share one
  std::set<std::string> dirty_;                            // names whose file may not be as wanted
  bool complete_ = false, swept_ = false, told_ = false;
};

}  // namespace margay::daemon
