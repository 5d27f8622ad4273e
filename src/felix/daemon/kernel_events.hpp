// KernelEvents: the kernel's notices (links, addresses, routes) as callbacks on the loop.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "margay/kernel/ports.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::daemon {

class KernelEvents {
 public:
  using Callback = std::function<void(std::vector<kernel::KernelEvent>)>;

  // `monitor` outlives this. A monitor that fails to be read counts as Lost: its reader dumps everything anew.
  KernelEvents(boost::asio::io_context& io, kernel::Monitor& monitor, Callback callback);
  ~KernelEvents();
  KernelEvents(const KernelEvents&) = delete;
  KernelEvents& operator=(const KernelEvents&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace margay::daemon
