// The Monitor port over rtnetlink's multicast groups: links, addresses and routes of both families.
#pragma once

#include <cstddef>
#include <memory>

#include "margay/kernel/ports.hpp"

struct mnl_socket;

namespace margay::kernel {

class NetlinkMonitor final : public Monitor {
 public:
  // Subscribes from now on, in the network namespace the thread is in. `receive_buffer`: bytes the kernel may queue until it
  // drops events, which read_events() reports as Lost; 100k route notices take some 80 MB, so a flood is Lost at any sensible
  // size.
  static Result<std::unique_ptr<NetlinkMonitor>> open(std::size_t receive_buffer = 4 << 20);
  ~NetlinkMonitor() override;
  NetlinkMonitor(const NetlinkMonitor&) = delete;
  NetlinkMonitor& operator=(const NetlinkMonitor&) = delete;

  [[nodiscard]] int fd() const noexcept override;
  Result<std::vector<KernelEvent>> read_events() override;

 private:
  explicit NetlinkMonitor(mnl_socket* socket);
  mnl_socket* socket_;
  std::vector<char> buffer_;
};

}  // namespace margay::kernel
