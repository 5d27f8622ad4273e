// Manager: turns messages of the calculation graph into desired state in the reconcilers. Pure: no port is touched here.
#pragma once

#include "calc/messages.hpp"
#include "margay/kernel/ports.hpp"

namespace margay::dataplane {

class Manager {
 public:
  virtual ~Manager() = default;
  // Cheap: notes the change.
  virtual void on_message(const calc::Message& message) = 0;
  virtual void on_link(const kernel::Link& link, bool removed) { (void)link, (void)removed; }
  // Renders what changed since last time. Managers run in the order they are listed (dataplane.cpp).
  virtual void complete() = 0;
};

}  // namespace margay::dataplane
