#include "ctl/local_control.hpp"

#include <unistd.h>

#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "margay/control/http_server.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::ctl;
namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kLong{60};

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/margay-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() {
    ::unlink((path + "/x.sock").c_str());
    ::rmdir(path.c_str());
  }
};

}  // namespace

TEST_CASE("local control: asks the daemons' own server") {
  const Directory directory;
  const std::string path = directory.path + "/x.sock";
  asio::io_context io;
  const std::string large(3 << 20, 'x');
  auto server = control::serve_unix(io, path, "test", [&](const control::Request& request) -> control::Response {
    if (request.target == "/large") return {200, "text/plain", large};
    return {503, "text/plain", request.method + " " + request.target};
  });
  REQUIRE(server);
  std::thread loop{[&] { io.run(); }};
  const auto answer = ask_local(path, "/v1/status?x=1", kLong);
  const auto much = ask_local(path, "/large", kLong);
  io.stop();
  loop.join();
  REQUIRE(answer);
  CHECK(answer->status == 503);
  CHECK(answer->body == "GET /v1/status?x=1");
  REQUIRE(much);
  CHECK(much->body == large);
}

TEST_CASE("local control: nobody there, silence and nonsense are told apart") {
  const Directory directory;
  const std::string path = directory.path + "/x.sock";
  CHECK(ask_local(path, "/", kLong).error().code == ErrorCode::Unavailable);
  CHECK(ask_local(std::string(200, 'x'), "/", kLong).error().code == ErrorCode::Invalid);
  asio::io_context io;
  {
    asio::local::stream_protocol::acceptor silent{io, asio::local::stream_protocol::endpoint{path}};
    const auto nothing = ask_local(path, "/", std::chrono::milliseconds{20});
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().code == ErrorCode::Busy);
    CHECK(nothing.error().text == "no answer within 20 ms");
  }
  CHECK(ask_local(path, "/", kLong).error().code == ErrorCode::Unavailable);  // the socket a dead process left
}
