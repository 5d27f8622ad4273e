#include "local_control.hpp"

#include <sys/un.h>

#include <optional>
#include <utility>  // Boost 1.74's Asio needs it before its own headers

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <fmt/format.h>

namespace margay::ctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::uint64_t kMostBody = 64 << 20;  // thousands of sessions

// Asynchronous inside, because only that can be given a time limit.
struct Exchange {
  asio::io_context io;
  beast::basic_stream<asio::local::stream_protocol> stream{io};
  http::request<http::empty_body> request;
  http::response_parser<http::string_body> parser;
  beast::flat_buffer buffer;
  error_code error;

  void run(const std::string& socket) {
    stream.async_connect(asio::local::stream_protocol::endpoint{socket}, [this](error_code failed) {
      if ((error = failed)) return;
      http::async_write(stream, request, [this](error_code write_failed, std::size_t) {
        if ((error = write_failed)) return;
        http::async_read(stream, buffer, parser, [this](error_code read_failed, std::size_t) { error = read_failed; });
      });
    });
    io.run();
  }
};

ErrorCode code_of(const error_code& error) {
  namespace errc = boost::system::errc;
  if (error == beast::error::timeout) return ErrorCode::Busy;
  if (error == errc::no_such_file_or_directory || error == errc::connection_refused) return ErrorCode::Unavailable;
  if (error == errc::permission_denied || error == errc::operation_not_permitted) return ErrorCode::Permission;
  return ErrorCode::Io;
}

}  // namespace

Result<LocalAnswer> ask_local(const std::string& socket, std::string_view target, std::chrono::milliseconds patience) {
  if (socket.size() >= sizeof(sockaddr_un::sun_path))
    return Error{ErrorCode::Invalid, fmt::format("longer than a socket's path may be ({})", sizeof(sockaddr_un::sun_path) - 1)};
  Exchange exchange;
  exchange.request = {http::verb::get, boost::string_view{target.data(), target.size()}, 11};
  exchange.request.set(http::field::host, "localhost");
  exchange.request.set(http::field::connection, "close");
  exchange.parser.body_limit(kMostBody);
  exchange.stream.expires_after(patience);
  exchange.run(socket);
  if (exchange.error) {
    const ErrorCode code = code_of(exchange.error);
    if (code == ErrorCode::Busy) return Error{code, fmt::format("no answer within {} ms", patience.count())};
    return Error{code, exchange.error.message()};
  }
  auto response = exchange.parser.release();
  return LocalAnswer{response.result_int(), std::move(response.body())};
}

}  // namespace margay::ctl
