// ServiceIndex: which endpoint slices belong to a service. Slices are tied to a service by namespace and label only; no Service
// object is needed, and readiness plays no part (policy-rendering §4.3).
#pragma once

#include <unordered_map>
#include <vector>

#include "calc/messages.hpp"

namespace margay::calc {

struct ServiceRefHash {
  std::size_t operator()(const ServiceRef& ref) const noexcept {
    const std::size_t h = std::hash<Symbol>{}(ref.ns);
    return std::hash<Symbol>{}(ref.name) ^ (h << 1 | h >> 63);
  }
};

class ServiceIndex {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // The service is about to have `now` in the place of `before`; either may be null.
    virtual void on_slice_changing(const ServiceRef& service, const EndpointSlice* before, const EndpointSlice* now) = 0;
  };
  explicit ServiceIndex(Listener& listener) : listener_{listener} {}

  void on_slice(const Key& key, const Ref<EndpointSlice>& slice);  // null: gone

  template <class F>
  void for_each_slice(const ServiceRef& service, F&& f) const {
    const auto it = by_service_.find(service);
    if (it == by_service_.end()) return;
    for (const Ref<EndpointSlice>& slice : it->second) f(*slice);
  }

  // The members a slice gives a set of its service: address and port, or the address alone. May repeat.
  template <class F>
  static void for_each_member(const EndpointSlice& slice, bool with_ports, F&& f) {
    for (const auto& endpoint : slice.endpoints) {
      for (const Addr& address : endpoint.addresses) {
        if (!with_ports) {
          f(kernel::SetMember{.net = Cidr{address}});
          continue;
        }
        for (const ServicePort& port : slice.ports) {
          f(kernel::SetMember{.net = Cidr{address}, .protocol = port.protocol, .port = port.port});
        }
      }
    }
  }

 private:
  Listener& listener_;
  std::unordered_map<Key, Ref<EndpointSlice>> slices_;
  std::unordered_map<ServiceRef, std::vector<Ref<EndpointSlice>>, ServiceRefHash> by_service_;
};

}  // namespace margay::calc
