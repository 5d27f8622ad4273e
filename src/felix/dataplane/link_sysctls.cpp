#include "dataplane/link_sysctls.hpp"

#include <utility>
#include <vector>

namespace margay::dataplane {

void LinkSysctls::want(const std::string& interface, bool spoofs) {
  const auto [it, fresh] = wanted_.try_emplace(interface, spoofs);
  if (!fresh && std::exchange(it->second, spoofs) == spoofs) return;
  dirty_.insert(interface);
}

void LinkSysctls::unwant(const std::string& interface) {
  wanted_.erase(interface);
  dirty_.erase(interface);
}

Status LinkSysctls::write_host() {
  if (!config_.ip_forwarding) return {};
  if (auto status = port_.write("net/ipv4/ip_forward", "1"); !status) return status;
  if (!config_.rules.ipv6) return {};
  auto status = port_.write("net/ipv6/conf/all/forwarding", "1");
  // A kernel booted without IPv6 has no such path, and nothing to forward.
  return !status && status.error().code == ErrorCode::NotFound ? Status{} : status;
}

// policy-rendering §7.7: no address of ours is on the link, so the host answers ARP and NDP for everything.
Status LinkSysctls::write_link(const std::string& name, bool spoofs) {
  if (!host_rp_filter_) host_rp_filter_ = port_.read("net/ipv4/conf/default/rp_filter").value_or("0");
  struct Setting {
    std::string path;
    std::string_view value;
    bool best_effort;
  };
  const std::string v4 = "net/ipv4/conf/" + name + "/", v6 = "net/ipv6/conf/" + name + "/";
  std::vector<Setting> settings{{v4 + "route_localnet", "1", false},
                                {"net/ipv4/neigh/" + name + "/proxy_delay", "0", true},
                                {v4 + "proxy_arp", "1", false},
                                {v4 + "forwarding", "1", false},
                                {v4 + "rp_filter", spoofs ? std::string_view{"0"} : std::string_view{*host_rp_filter_}, false},
                                {v6 + "accept_ra", "0", true}};
  if (config_.rules.ipv6) {
    settings.push_back({v6 + "proxy_ndp", "1", false});
    settings.push_back({v6 + "forwarding", "1", false});
  }
  for (const auto& setting : settings) {
    const auto status = port_.write(setting.path, setting.value);
    // The link may be gone by now, or the kernel without IPv6.
    if (!status && !setting.best_effort && status.error().code != ErrorCode::NotFound) return status;
  }
  return {};
}

bool LinkSysctls::apply(TimePoint now) {
  error_.reset();
  if (refresh_due_ && now >= *refresh_due_) {
    host_dirty_ = true;
    for (const auto& [name, spoofs] : wanted_) dirty_.insert(name);
  }
  if (config_.route_refresh > Duration::zero() && (!refresh_due_ || now >= *refresh_due_)) {
    refresh_due_ = now + config_.route_refresh;
  }
  if (host_dirty_) {
    if (auto status = write_host(); status) host_dirty_ = false;
    else error_ = std::move(status).error().in("host sysctls");
  }
  for (auto it = dirty_.begin(); it != dirty_.end();) {
    auto status = write_link(*it, wanted_.at(*it));
    if (status) {
      it = dirty_.erase(it);
    } else {
      error_ = std::move(status).error().in("sysctls of " + *it);
      ++it;
    }
  }
  if (error_) backoff_.on_failure(now);
  else backoff_.on_success();
  return !error_;
}

std::optional<TimePoint> LinkSysctls::next_wakeup() const {
  return backoff_.failing() ? earlier(backoff_.due(), refresh_due_) : refresh_due_;
}

}  // namespace margay::dataplane
