// SetDef: what a set that rules refer to consists of. Equal definitions have equal ids (policy-rendering §4.1).
#pragma once

#include "calc/messages.hpp"
#include "margay/model/selector.hpp"

namespace margay::calc {

struct SetDef {
  enum class Source : std::uint8_t {
    Selector,          // addresses of everything the selector matches
    NamedPort,         // address and port of each port so named on what the selector matches
    ServicePorts,      // addresses of a service's endpoints with the ports they serve
    ServiceAddresses,  // the same, addresses only
  };
  SetId id;
  Source source = Source::Selector;
  Selector selector;      // Selector, NamedPort
  Protocol protocol = 0;  // NamedPort; 0: any that was given by name
  Symbol port;            // NamedPort
  ServiceRef service;     // Service…

  [[nodiscard]] bool of_service() const noexcept { return source == Source::ServicePorts || source == Source::ServiceAddresses; }
  [[nodiscard]] kernel::SetType type() const noexcept {
    return source == Source::NamedPort || source == Source::ServicePorts ? kernel::SetType::HashIpPort : kernel::SetType::HashNet;
  }
};

}  // namespace margay::calc
