#include "netlink_socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace margay::kernel {

Error netlink_error(int error, std::string_view what) {
  ErrorCode code = ErrorCode::Io;
  switch (error) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: code = ErrorCode::NotFound; break;
    case EEXIST: code = ErrorCode::AlreadyExists; break;
    case EPERM:
    case EACCES: code = ErrorCode::Permission; break;
    case EBUSY:
    case EINTR:
    case EAGAIN:
    case ENOBUFS:
    case ETIMEDOUT: code = ErrorCode::Busy; break;
    case ENOSPC:
    case ENOMEM: code = ErrorCode::NoSpace; break;
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT: code = ErrorCode::Unsupported; break;
    case ENETDOWN:
    case ENETUNREACH: code = ErrorCode::Unavailable; break;
    case EINVAL: code = ErrorCode::Invalid; break;
    default: break;
  }
  return Error{code, std::strerror(error)}.in(what);
}

int NetlinkSocket::open() {
  if (socket_) return 0;
  socket_ = mnl_socket_open2(protocol_, SOCK_CLOEXEC);
  if (!socket_) return errno;
  if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) {
    const int error = errno;
    close();
    return error;
  }
  const int fd = mnl_socket_get_fd(socket_);
  // FORCE needs CAP_NET_ADMIN, which whoever may use these ports has; else the default size serves with more ENOBUFS.
  const int bytes = 4 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  // An answer is there when send() returns; the limit only keeps a kernel bug from hanging the loop.
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int on = 1;
  ::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);  // errors do not carry the request back
  if (protocol_ == NETLINK_ROUTE)
    ::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);  // dumps filter in the kernel
  send_.resize(kBatchBytes);
  receive_.resize(64 * 1024);
  return 0;
}

void NetlinkSocket::close() {
  if (socket_) mnl_socket_close(socket_);
  socket_ = nullptr;
}

long NetlinkSocket::receive(int flags) {
  for (;;) {
    const ssize_t n = ::recv(mnl_socket_get_fd(socket_), receive_.data(), receive_.size(), flags);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

// Sends what is in send_ and notes the outcome of requests [first_seq, last_seq], whose indices start at first_index.
int NetlinkSocket::flush(std::uint32_t first_seq, std::uint32_t last_seq, std::vector<int>& outcome, std::size_t first_index,
                         std::size_t bytes) {
  if (mnl_socket_sendto(socket_, send_.data(), bytes) < 0) return errno;
  std::vector<bool> answered(last_seq - first_seq + 1, false);
  bool lost = false;
  for (bool done = false; !done;) {
    const long n = receive(lost ? MSG_DONTWAIT : 0);
    if (n == -ENOBUFS) {
      lost = true;
      continue;
    }
    if (n < 0) {
      if (!lost) return n == -EAGAIN ? ETIMEDOUT : static_cast<int>(-n);
      break;  // after a loss: all that is left in the queue has been read
    }
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(receive_.data()); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
      if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq < first_seq || h->nlmsg_seq > last_seq) continue;
      outcome[first_index + (h->nlmsg_seq - first_seq)] = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(h))->error;
      answered[h->nlmsg_seq - first_seq] = true;
      if (h->nlmsg_seq == last_seq) done = true;
    }
  }
  if (lost)
    for (std::size_t i = 0; i < answered.size(); ++i)
      if (!answered[i]) outcome[first_index + i] = ENOBUFS;
  return 0;
}

std::vector<int> NetlinkSocket::request(std::size_t count, const std::function<void(std::size_t, nlmsghdr&)>& encode) {
  std::vector<int> outcome(count, 0);
  if (const int error = open()) return std::vector<int>(count, error);
  for (std::size_t i = 0; i < count;) {
    const std::size_t first_index = i;
    const std::uint32_t first_seq = seq_ + 1;
    std::size_t bytes = 0;
    nlmsghdr* last = nullptr;
    for (; i < count && bytes + kMaxRequest <= kBatchBytes; ++i) {
      std::memset(send_.data() + bytes, 0, kMaxRequest);
      last = mnl_nlmsg_put_header(send_.data() + bytes);
      encode(i, *last);
      MARGAY_ASSERT(last->nlmsg_len <= kMaxRequest);
      last->nlmsg_flags = static_cast<std::uint16_t>(last->nlmsg_flags | NLM_F_REQUEST);
      last->nlmsg_seq = ++seq_;
      bytes += MNL_ALIGN(last->nlmsg_len);
    }
    last->nlmsg_flags = static_cast<std::uint16_t>(last->nlmsg_flags | NLM_F_ACK);
    if (const int error = flush(first_seq, seq_, outcome, first_index, bytes)) {
      for (std::size_t k = first_index; k < count; ++k) outcome[k] = error;
      close();
      return outcome;
    }
  }
  return outcome;
}

int NetlinkSocket::dump_once(const std::function<void(nlmsghdr&)>& encode, const std::function<void(const nlmsghdr&)>& on_message,
                             DumpEnd& end) {
  std::memset(send_.data(), 0, kMaxRequest);
  nlmsghdr* request = mnl_nlmsg_put_header(send_.data());
  encode(*request);
  request->nlmsg_flags = static_cast<std::uint16_t>(request->nlmsg_flags | NLM_F_REQUEST);
  request->nlmsg_seq = ++seq_;
  if (mnl_socket_sendto(socket_, request, request->nlmsg_len) < 0) return errno;
  end = DumpEnd::Whole;
  for (;;) {
    const long n = receive(0);
    if (n < 0) return n == -EAGAIN ? ETIMEDOUT : static_cast<int>(-n);
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(receive_.data()); mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
      if (h->nlmsg_seq != seq_) continue;
      if (h->nlmsg_flags & NLM_F_DUMP_INTR) end = DumpEnd::Interrupted;
      if (h->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(h))->error;
      if (h->nlmsg_type == NLMSG_DONE) {
        if (mnl_nlmsg_get_payload_len(h) < sizeof(int)) return 0;
        const int error = -*static_cast<const int*>(mnl_nlmsg_get_payload(h));
        return error > 0 ? error : 0;
      }
      if (h->nlmsg_type >= NLMSG_MIN_TYPE) on_message(*h);
    }
  }
}

Status NetlinkSocket::dump(std::string_view what, const std::function<void(nlmsghdr&)>& encode,
                           const std::function<void()>& restart, const std::function<void(const nlmsghdr&)>& on_message) {
  int error = 0;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    error = open();
    if (error) break;
    restart();
    DumpEnd end{};
    error = dump_once(encode, on_message, end);
    if (!error && end == DumpEnd::Whole) return {};
    if (!error) {
      error = EINTR;
      continue;
    }
    // Whatever is left of the broken dump must not be taken for an answer to the next request.
    if (error == ENOBUFS || error == EINTR || error == EAGAIN) {
      close();
      continue;
    }
    if (error == ETIMEDOUT) close();
    break;
  }
  return netlink_error(error, what);
}

}  // namespace margay::kernel
