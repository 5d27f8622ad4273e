// Update: one resource now has this value, or is gone. What the datastore's watcher tells its readers.
#pragma once

#include <optional>

#include "margay/base/clock.hpp"
#include "margay/model/key.hpp"
#include "margay/model/resources.hpp"

namespace margay {

// Keys are those of the calculation model, whatever manifest they came from:
//   Pod → Kind::WorkloadEndpoint (namespace, WEP name)      Namespace, ServiceAccount → Kind::Profile
//   v1 Node → Kind::Node                                    the policy kinds, Service, EndpointSlice… → themselves
struct Update {
  Key key;
  std::optional<Resource> value;  // absent: deleted. A delete of a key never announced is legal and means nothing.
  Clock::time_point seen{};       // when the datastore's event arrived, for the enforcement-latency histogram
};

enum class SyncState {
  WaitForDatastore,  // not there, or an outage: keep what is in force
  Resync,            // reading a snapshot
  InSync,            // everything announced; updates follow as they happen
};

}  // namespace margay
