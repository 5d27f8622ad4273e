#include "dataplane/address_reconciler.hpp"

#include <algorithm>

namespace margay::dataplane {
namespace {

kernel::LinkAddress host_address(const AddressKey& key) {
  return {.index = key.link, .net = Cidr{key.address}, .address = key.address, .protocol = AddressReconciler::kMark};
}

}  // namespace

bool AddressReconciler::is_workload(const std::string& name) const {
  return std::any_of(options_.interface_prefixes.begin(), options_.interface_prefixes.end(),
                     [&](const auto& prefix) { return name.starts_with(prefix); });
}

// ---- wanted --------------------------------------------------------------------------------------------------------

void AddressReconciler::want(const std::string& interface, std::set<Addr> addresses) {
  const auto old = wanted_.find(interface);
  const auto link = by_name_.find(interface);
  if (link != by_name_.end()) {
    if (old != wanted_.end()) {
      for (const Addr& address : old->second) {
        if (!addresses.contains(address)) addresses_.unwant({link->second, address});
      }
    }
    for (const Addr& address : addresses) addresses_.want({link->second, address}, {});
  }
  if (!addresses.empty()) wanted_[interface] = std::move(addresses);
  else if (old != wanted_.end()) wanted_.erase(old);
}

// ---- events --------------------------------------------------------------------------------------------------------

// The kernel takes a link's addresses along.
void AddressReconciler::on_link_gone(int link) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  if (const auto wanted = wanted_.find(it->second); wanted != wanted_.end()) {
    for (const Addr& address : wanted->second) addresses_.unwant({link, address});
  }
  std::vector<AddressKey> seen;
  for (const auto& [key, owner] : addresses_.seen()) {
    if (key.link == link) seen.push_back(key);
  }
  for (const AddressKey& key : seen) addresses_.seen_gone(key);
  if (const auto named = by_name_.find(it->second); named != by_name_.end() && named->second == link) by_name_.erase(named);
  links_.erase(it);
}

void AddressReconciler::on_link(const kernel::Link& link, bool removed) {
  const auto known = links_.find(link.index);
  if (removed) return on_link_gone(link.index);
  if (known != links_.end()) {
    if (known->second == link.name) return;
    on_link_gone(link.index);  // renamed: its addresses stay, whosever they are now
    stale_ = true;
  }
  if (!is_workload(link.name)) return;
  links_[link.index] = link.name;
  by_name_[link.name] = link.index;
  if (const auto wanted = wanted_.find(link.name); wanted != wanted_.end()) {
    for (const Addr& address : wanted->second) addresses_.want({link.index, address}, {});
  }
}

// The kernel tells IPv4 addresses apart by their prefix too, IPv6 ones not.
bool AddressReconciler::concerns(const kernel::LinkAddress& address) const {
  if (address.address.family == Family::V4 && !address.net.is_host()) return false;
  const AddressKey key{address.index, address.address};
  if (addresses_.find_wanted(key) || addresses_.find_seen(key)) return true;
  return address.protocol == kMark && links_.contains(address.index);
}

AddressReconciler::Owner AddressReconciler::owner(const kernel::LinkAddress& address) const {
  const Owner* known = addresses_.find_seen({address.index, address.address});
  return {address.protocol == kMark || (known && known->ours)};
}

bool AddressReconciler::on_address(const kernel::LinkAddress& address, bool removed) {
  if (stale_) return true;
  const AddressKey key{address.index, address.address};
  if (removed) {
    if (address.address.family == Family::V6 || address.net.is_host()) addresses_.seen_gone(key);
  } else if (concerns(address)) {
    addresses_.seen(key, owner(address));
  }
  return !addresses_.in_sync();
}

// ---- the world -----------------------------------------------------------------------------------------------------

Status AddressReconciler::read(TimePoint now) {
  auto all = port_.addresses();
  if (!all) return std::move(all).error();
  decltype(addresses_)::Map seen;
  for (const auto& address : *all) {
    if (concerns(address)) seen[{address.index, address.address}] = owner(address);
  }
  addresses_.replace_seen(std::move(seen));
  stale_ = false;
  if (options_.refresh > Duration::zero()) refresh_due_ = now + options_.refresh;
  return {};
}

bool AddressReconciler::write() {
  bool all = true;
  // New ones first: where one takes another's place the link is never without (take_bared).
  addresses_.for_each_update([&](const AddressKey& key, const Owner&) {
    auto status = port_.add_address(host_address(key));
    if (status) return Applied::Yes;
    if (status.error().code == ErrorCode::AlreadyExists) {
      stale_ = true;                                          // there after all; whose it is only reading tells
    } else if (status.error().code != ErrorCode::NotFound) {  // the link went meanwhile: the kernel will say so
      error_ = std::move(status).error();
      all = false;
    }
    return Applied::No;
  });
  addresses_.for_each_delete([&](const AddressKey& key) {
    if (!addresses_.find_seen(key)->ours) return Applied::Yes;  // not ours to remove: forgotten
    auto status = port_.remove_address(host_address(key));
    if (status) {
      if (key.address.family == Family::V4) bared_.insert(key.link);
      return Applied::Yes;
    }
    error_ = std::move(status).error();
    all = false;
    return Applied::No;
  });
  return all;
}

bool AddressReconciler::apply(TimePoint now) {
  error_.reset();
  if (refresh_due_ && now >= *refresh_due_) stale_ = true;
  bool ok = true;
  // A second time where what we add turns out to be there.
  for (int i = 0; ok && i < 2 && pending(); ++i) {
    if (stale_) {
      if (auto status = read(now); !status) {
        error_ = std::move(status).error();
        ok = false;
        break;
      }
    }
    ok = write();
    if (!stale_) break;
  }
  if (ok) {
    backoff_.on_success();
  } else {
    error_ = std::move(*error_).in("addresses");
    backoff_.on_failure(now);
  }
  return ok;
}

std::optional<TimePoint> AddressReconciler::next_wakeup() const {
  std::optional<TimePoint> due;
  if (!wanted_.empty()) due = refresh_due_;
  return backoff_.failing() ? earlier(backoff_.due(), due) : due;
}

Status AddressReconciler::cleanup() {
  auto all = port_.addresses();
  if (!all) return std::move(all).error().in("addresses");
  Status result;
  for (const auto& address : *all) {
    if (address.protocol != kMark || !links_.contains(address.index)) continue;
    if (auto status = port_.remove_address(address); !status) result = std::move(status).error();
  }
  stale_ = true;
  return result;
}

}  // namespace margay::dataplane
