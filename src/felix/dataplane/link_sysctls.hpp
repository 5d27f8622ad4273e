// LinkSysctls: the per-interface settings a workload's link needs, and the host's own: written when a link comes up, again on
// failure and on the refresh. Each write reads first, so what is right costs no change.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "dataplane/config.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

class LinkSysctls {
 public:
  LinkSysctls(const Config& config, kernel::Sysctls& port) : config_{config}, port_{port} {}

  // The link is up and a workload's. spoofs: it may use foreign source addresses, so the kernel's own check must not stop them.
  void want(const std::string& interface, bool spoofs);
  void unwant(const std::string& interface);

  [[nodiscard]] bool pending() const { return host_dirty_ || !dirty_.empty(); }
  bool apply(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  Status write_host();
  Status write_link(const std::string& interface, bool spoofs);

  const Config& config_;
  kernel::Sysctls& port_;
  std::unordered_map<std::string, bool> wanted_;
  std::unordered_set<std::string> dirty_;
  bool host_dirty_ = true;
  std::optional<std::string> host_rp_filter_;
  std::optional<TimePoint> refresh_due_;
  Backoff backoff_{std::chrono::milliseconds{100}, std::chrono::seconds{10}};
  std::optional<Error> error_;
};

}  // namespace margay::dataplane
