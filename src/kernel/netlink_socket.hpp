// One netlink socket: batches of requests with an outcome each, and dumps that are whole or fail.
//
// Opened at first use, in the network namespace the thread is in then. A batch asks for an acknowledgement of its last request
// only: errors come by themselves, and the kernel works a batch off in order before send() returns, so no news is good news. That
// is 1.35-1.5 times faster than an acknowledgement each, and a batch cannot flood its own receive buffer with them.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "margay/base/result.hpp"

namespace margay::kernel {

// A failed system call or a kernel's answer (positive errno) as an Error: "what: No such device".
[[nodiscard]] Error netlink_error(int error, std::string_view what);

class NetlinkSocket {
 public:
  static constexpr std::size_t kBatchBytes = 32 * 1024;  // more gains nothing, and 128 KB of acknowledgements overflow a socket
  static constexpr std::size_t kMaxRequest = 1024;       // bytes one request may take

  explicit NetlinkSocket(int protocol) : protocol_{protocol} {}
  ~NetlinkSocket() { close(); }
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  // Sends `count` requests: `encode(i, header)` fills in the i-th (type, NLM_F_* beyond REQUEST, payload, at most kMaxRequest
  // bytes). Answers an errno for each, 0 if done. ENOBUFS: the outcome was lost, read back.
  std::vector<int> request(std::size_t count, const std::function<void(std::size_t, nlmsghdr&)>& encode);

  // Runs one dump; `encode` fills in the request (without NLM_F_DUMP where the subsystem wants none). `restart` is called before
  // each try: what came before it is void. A dump that a concurrent change interrupted (NLM_F_DUMP_INTR) or that lost messages
  // (ENOBUFS) is tried again, kDumpTries times in all; then Busy.
  Status dump(std::string_view what, const std::function<void(nlmsghdr&)>& encode, const std::function<void()>& restart,
              const std::function<void(const nlmsghdr&)>& on_message);

 private:
  static constexpr int kDumpTries = 20;
  enum class DumpEnd { Whole, Interrupted };

  int open();  // errno
  void close();
  // One receive; bytes, or a negative errno.
  long receive(int flags);
  int flush(std::uint32_t first_seq, std::uint32_t last_seq, std::vector<int>& outcome, std::size_t first_index,
            std::size_t bytes);
  int dump_once(const std::function<void(nlmsghdr&)>& encode, const std::function<void(const nlmsghdr&)>& on_message,
                DumpEnd& end);

  int protocol_;
  mnl_socket* socket_ = nullptr;
  std::uint32_t seq_ = 0;
  std::vector<char> send_, receive_;
};

}  // namespace margay::kernel
