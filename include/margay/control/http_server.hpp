// A small HTTP server on the daemon's own loop: health, metrics and the local control socket.
//
// Serves GET and POST with bodies up to 1 MiB; one answer a request, computed by a plain function on the loop's thread. A port or
// path that is taken is tried again every five seconds and reported once; the daemon goes on without. Slow or silent clients are
// cut off after ten seconds, and at most 64 are served at once, so that nobody can starve the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "margay/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::control {

struct Request {
  std::string method;  // "GET", "POST"
  std::string target;  // "/readiness", with its query if any
  std::string body;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

using Handler = std::function<Response(const Request&)>;

class HttpServer {
 public:
  virtual ~HttpServer() = default;  // stops listening and drops what is open; a Unix socket's file goes with it
  // The port in force (useful when 0 was asked for); 0 while not listening and for Unix sockets.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};

// On every address `host` resolves to without DNS: an IP literal, "localhost" (127.0.0.1 and ::1 where there is one) or empty or
// "any" (everywhere). Invalid: anything else.
[[nodiscard]] Result<std::unique_ptr<HttpServer>> serve_tcp(boost::asio::io_context& io, const std::string& host,
                                                            std::uint16_t port, std::string purpose, Handler handler);

// On a Unix socket at `path`, mode 0660 and, where there is such a group, group `margay`. A socket left by a dead process is
// replaced; one on which somebody answers is not.
[[nodiscard]] Result<std::unique_ptr<HttpServer>> serve_unix(boost::asio::io_context& io, const std::string& path,
                                                             std::string purpose, Handler handler);

}  // namespace margay::control
