#include "margay/control/http_server.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <sstream>
#include <utility>  // Boost 1.74's Asio needs it before its own headers
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "margay/base/log.hpp"

namespace margay::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr log::Domain kDomain{"http"};
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kRetry{5};
constexpr std::size_t kMostClients = 64;
constexpr std::uint64_t kMostBody = 1 << 20;

// What sessions share with their server, and may outlive it.
struct Shared {
  Handler handler;
  std::size_t clients = 0;
  bool open = true;
};

template <class Protocol>
class Session : public std::enable_shared_from_this<Session<Protocol>> {
 public:
  Session(typename Protocol::socket socket, std::shared_ptr<Shared> shared)
      : stream_{std::move(socket)}, shared_{std::move(shared)} {
    ++shared_->clients;
  }
  ~Session() { --shared_->clients; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    parser_.emplace();
    parser_->body_limit(kMostBody);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (!error && self->shared_->open) self->answer();
    });
  }

 private:
  void answer() {
    auto request = parser_->release();
    Response reply;
    if (request.method() == http::verb::get || request.method() == http::verb::head || request.method() == http::verb::post) {
      reply = shared_->handler({std::string{request.method() == http::verb::post ? "POST" : "GET"},
                                std::string{request.target().data(), request.target().size()}, std::move(request.body())});
    } else {
      reply = {405, "text/plain; charset=utf-8", "only GET and POST are answered here\n"};
    }
    response_ = {};
    response_.result(reply.status);
    response_.version(request.version());
    response_.keep_alive(request.keep_alive());
    response_.set(http::field::content_type, reply.content_type);
    response_.content_length(reply.body.size());
    if (request.method() != http::verb::head) response_.body() = std::move(reply.body);
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = this->shared_from_this()](error_code error, std::size_t) {
      if (!error && self->response_.keep_alive() && self->shared_->open) self->read();
    });
  }

  beast::basic_stream<Protocol> stream_;
  std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_{64 * 1024};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

// Listens on one endpoint, and goes on trying while it is taken.
template <class Protocol>
class Listener {
 public:
  using Endpoint = typename Protocol::endpoint;

  Listener(asio::io_context& io, Endpoint endpoint, std::string where, std::string purpose, std::shared_ptr<Shared> shared)
      : endpoint_{std::move(endpoint)},
        where_{std::move(where)},
        purpose_{std::move(purpose)},
        shared_{std::move(shared)},
        acceptor_{io},
        timer_{io} {
    listen();
  }
  ~Listener() {
    if constexpr (std::is_same_v<Protocol, asio::local::stream_protocol>)
      if (acceptor_.is_open()) ::unlink(endpoint_.path().c_str());
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] bool listening() const { return acceptor_.is_open(); }
  [[nodiscard]] Endpoint local() const { return acceptor_.local_endpoint(); }

 private:
  void listen() {
    const error_code error = try_listen();
    if (!error) {
      if (told_) log::info(kDomain, "listening now", {{"purpose", purpose_}, {"at", where_}});
      told_ = false;
      return accept();
    }
    error_code ignored;
    acceptor_.close(ignored);
    if (!told_)
      log::error(kDomain, "cannot listen, trying again every 5 seconds",
                 {{"purpose", purpose_}, {"at", where_}, {"reason", error.message()}});
    told_ = true;
    timer_.expires_after(kRetry);
    timer_.async_wait([this](error_code aborted) {
      if (!aborted) listen();
    });
  }

  error_code try_listen() {
    error_code error;
    acceptor_.open(endpoint_.protocol(), error);
    if (error) return error;
    if constexpr (std::is_same_v<Protocol, asio::ip::tcp>) {
      acceptor_.set_option(asio::socket_base::reuse_address{true}, error);
      if (endpoint_.address().is_v6()) acceptor_.set_option(asio::ip::v6_only{true}, error);
    } else if (error = make_way(); error) {
      return error;
    }
    acceptor_.bind(endpoint_, error);
    if (error) return error;
    if constexpr (std::is_same_v<Protocol, asio::local::stream_protocol>) {
      const std::string path = endpoint_.path();
      if (const group* g = ::getgrnam("margay"); g && ::chown(path.c_str(), static_cast<uid_t>(-1), g->gr_gid) != 0)
        log::warning(kDomain, "cannot give the socket to group margay", {{"at", where_}});
      if (::chmod(path.c_str(), 0660) != 0) log::warning(kDomain, "cannot set the socket's mode", {{"at", where_}});
    }
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    return error;
  }

  // Removes a socket on which nobody listens any more.
  error_code make_way() {
    error_code error;
    const std::string path = endpoint_.path();
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return {};
    if (!S_ISSOCK(info.st_mode)) return boost::system::errc::make_error_code(boost::system::errc::file_exists);
    typename Protocol::socket probe{acceptor_.get_executor()};
    probe.connect(endpoint_, error);
    if (!error) return boost::system::errc::make_error_code(boost::system::errc::address_in_use);
    ::unlink(path.c_str());
    return {};
  }

  void accept() {
    acceptor_.async_accept([this](error_code error, typename Protocol::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Out of descriptors: leave the queue alone for a moment instead of spinning.
      if (error) {
        timer_.expires_after(std::chrono::milliseconds{100});
        timer_.async_wait([this](error_code aborted) {
          if (!aborted) accept();
        });
        return;
      }
      if (shared_->clients < kMostClients) std::make_shared<Session<Protocol>>(std::move(socket), shared_)->read();
      accept();
    });
  }

  Endpoint endpoint_;
  std::string where_, purpose_;
  std::shared_ptr<Shared> shared_;
  typename Protocol::acceptor acceptor_;
  asio::steady_timer timer_;
  bool told_ = false;
};

template <class Protocol>
class Server final : public HttpServer {
 public:
  Server(asio::io_context& io, std::vector<typename Protocol::endpoint> endpoints, const std::string& purpose, Handler handler)
      : shared_{std::make_shared<Shared>()} {
    shared_->handler = std::move(handler);
    for (auto& endpoint : endpoints) {
      // Of several addresses with port 0, all get the first one's port.
      if constexpr (std::is_same_v<Protocol, asio::ip::tcp>)
        if (endpoint.port() == 0 && port() != 0) endpoint.port(port());
      listeners_.push_back(std::make_unique<Listener<Protocol>>(io, endpoint, text(endpoint), purpose, shared_));
    }
  }
  ~Server() override { shared_->open = false; }

  [[nodiscard]] std::uint16_t port() const override {
    if constexpr (std::is_same_v<Protocol, asio::ip::tcp>)
      for (const auto& listener : listeners_)
        if (listener->listening()) return listener->local().port();
    return 0;
  }

 private:
  static std::string text(const typename Protocol::endpoint& endpoint) {
    std::ostringstream out;
    out << endpoint;
    return out.str();
  }

  std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Listener<Protocol>>> listeners_;
};

bool has_ipv6_loopback(asio::io_context& io) {
  asio::ip::tcp::acceptor probe{io};
  error_code error;
  probe.open(asio::ip::tcp::v6(), error);
  if (!error) probe.bind({asio::ip::address_v6::loopback(), 0}, error);
  return !error;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> serve_tcp(asio::io_context& io, const std::string& host, std::uint16_t port,
                                              std::string purpose, Handler handler) {
  std::vector<asio::ip::tcp::endpoint> endpoints;
  if (host == "localhost") {
    endpoints.emplace_back(asio::ip::address_v4::loopback(), port);
    if (has_ipv6_loopback(io)) endpoints.emplace_back(asio::ip::address_v6::loopback(), port);
  } else if (host.empty() || host == "any" || host == "*") {
    endpoints.emplace_back(asio::ip::address_v4::any(), port);
    if (has_ipv6_loopback(io)) endpoints.emplace_back(asio::ip::address_v6::any(), port);
  } else {
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error)
      return Error{ErrorCode::Invalid,
                   purpose + ": \"" + host + "\" is neither an IP address nor localhost; no name is looked up"};
    endpoints.emplace_back(address, port);
  }
  return std::unique_ptr<HttpServer>{
      std::make_unique<Server<asio::ip::tcp>>(io, std::move(endpoints), purpose, std::move(handler))};
}

Result<std::unique_ptr<HttpServer>> serve_unix(asio::io_context& io, const std::string& path, std::string purpose,
                                               Handler handler) {
  if (path.empty() || path.size() > 107)
    return Error{ErrorCode::Invalid, purpose + ": socket path \"" + path + "\" is empty or longer than 107 bytes"};
  return std::unique_ptr<HttpServer>{std::make_unique<Server<asio::local::stream_protocol>>(
      io, std::vector<asio::local::stream_protocol::endpoint>{{path}}, purpose, std::move(handler))};
}

}  // namespace margay::control
