// AddressReconciler: the addresses of this node on interfaces of workloads that are its BGP peers, in both families.
//
// Ours to remove are addresses on workload interfaces with our mark (IFA_PROTO 80), which a restart finds again; whoever else put
// one there keeps it, and where it is one that we want, that is as good as ours. A kernel before 5.18 keeps no mark: there, what
// was given up while nobody ran stays.
//
// The kernel tells of every foreign change (on_address), which is mended at the next apply; while anything is wanted a refresh
// reads all back.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/backoff.hpp"
#include "margay/base/delta_map.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

struct AddressKey {
  int link = 0;
  Addr address;
  friend bool operator==(const AddressKey&, const AddressKey&) = default;
};

}  // namespace margay::dataplane

template <>
struct std::hash<margay::dataplane::AddressKey> {
  std::size_t operator()(const margay::dataplane::AddressKey& k) const noexcept {
    return std::hash<margay::Addr>{}(k.address) ^ (static_cast<std::size_t>(k.link) * 0x9e3779b97f4a7c15ULL);
  }
};

namespace margay::dataplane {

class AddressReconciler {
 public:
  static constexpr std::uint8_t kMark = 80;

  struct Options {
    std::vector<std::string> interface_prefixes{"cali"};
    Duration refresh = std::chrono::seconds{90};  // RouteRefreshInterval; zero: never
  };

  AddressReconciler(kernel::Links& port, Options options) : port_{port}, options_{std::move(options)} {}

  // Everything wanted on this interface; replaces what was. Waits for the link.
  void want(const std::string& interface, std::set<Addr> addresses);

  void on_link(const kernel::Link& link, bool removed);
  // True if there is something to do about it.
  bool on_address(const kernel::LinkAddress& address, bool removed);
  void invalidate() { stale_ = true; }

  [[nodiscard]] bool pending() const { return stale_ || !addresses_.in_sync(); }
  bool apply(TimePoint now);
  // Links of which apply() took an IPv4 address: with the last one the kernel drops the link's routes and neighbours unasked.
  [[nodiscard]] std::set<int> take_bared() { return std::exchange(bared_, {}); }
  [[nodiscard]] std::optional<TimePoint> next_wakeup() const;
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // Takes all that is ours away; links have been told.
  Status cleanup();

 private:
  // Whose an address is makes no difference to its being there, so a foreign one satisfies.
  struct Owner {
    bool ours = true;
    friend bool operator==(const Owner&, const Owner&) { return true; }
  };

  [[nodiscard]] bool is_workload(const std::string& name) const;
  // What we put there ourselves is ours with a kernel that keeps no mark, too.
  [[nodiscard]] Owner owner(const kernel::LinkAddress& address) const;
  [[nodiscard]] bool concerns(const kernel::LinkAddress& address) const;
  Status read(TimePoint now);
  bool write();
  void on_link_gone(int link);

  kernel::Links& port_;
  Options options_;
  std::unordered_map<std::string, std::set<Addr>> wanted_;  // by interface, its link there or not
  std::unordered_map<int, std::string> links_;              // of workloads
  std::unordered_map<std::string, int> by_name_;
  DeltaMap<AddressKey, Owner> addresses_;
  std::set<int> bared_;
  bool stale_ = true;
  std::optional<TimePoint> refresh_due_;
  Backoff backoff_{std::chrono::milliseconds{100}, std::chrono::seconds{10}};
  std::optional<Error> error_;
};

}  // namespace margay::dataplane
