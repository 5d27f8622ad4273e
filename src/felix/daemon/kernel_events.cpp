#include "daemon/kernel_events.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "margay/base/log.hpp"

namespace margay::daemon {

namespace asio = boost::asio;

namespace {
constexpr log::Domain kDomain{"netlink"};
}

struct KernelEvents::Impl {
  Impl(asio::io_context& io, kernel::Monitor& m, Callback c) : monitor{m}, callback{std::move(c)}, descriptor{io, ::dup(m.fd())} {
    wait();
  }

  void wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
      if (error) return;
      auto events = monitor.read_events();
      if (!events) {
        log::warning(kDomain, "cannot read the kernel's notices, reading everything back", {{"reason", events.error().text}});
        events = std::vector<kernel::KernelEvent>{kernel::Lost{}};
      } else if (std::any_of(events->begin(), events->end(),
                             [](const auto& event) { return std::holds_alternative<kernel::Lost>(event); })) {
        log::warning(kDomain, "notices of the kernel were lost, reading everything back");
      }
      if (!events->empty()) callback(std::move(*events));
      wait();
    });
  }

  kernel::Monitor& monitor;
  Callback callback;
  asio::posix::stream_descriptor descriptor;
};

KernelEvents::KernelEvents(asio::io_context& io, kernel::Monitor& monitor, Callback callback)
    : impl_{std::make_unique<Impl>(io, monitor, std::move(callback))} {}
KernelEvents::~KernelEvents() = default;

}  // namespace margay::daemon
