#include "margay/control/http_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "margay/base/log.hpp"
#include "support/catch.hpp"

using namespace margay;
using namespace margay::control;
namespace asio = boost::asio;

namespace {

Response echo(const Request& request) {
  if (request.target == "/bad") return {503, "text/plain", "not now\n"};
  return {200, "text/plain", request.method + " " + request.target + " " + request.body};
}

// Sends bytes, runs the loop until the answer has come in whole, and gives it back.
template <class Protocol>
std::string talk(asio::io_context& io, const typename Protocol::endpoint& to, const std::string& text) {
  typename Protocol::socket socket{io};
  socket.connect(to);
  asio::write(socket, asio::buffer(text));
  std::string answer;
  std::array<char, 4096> chunk{};
  bool done = false;
  std::function<void()> more = [&] {
    socket.async_read_some(asio::buffer(chunk), [&](boost::system::error_code error, std::size_t n) {
      answer.append(chunk.data(), n);
      if (error) done = true;
      else more();
    });
  };
  more();
  while (!done) io.run_one();
  return answer;
}

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"; }

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    char name[] = "/tmp/margay-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TemporaryDirectory() { ::rmdir(path.c_str()); }
};

}  // namespace

TEST_CASE("answers carry the handler's status and body") {
  asio::io_context io{1};
  auto server = serve_tcp(io, "127.0.0.1", 0, "test", echo);
  REQUIRE(server);
  REQUIRE((*server)->port() != 0);
  const asio::ip::tcp::endpoint to{asio::ip::address_v4::loopback(), (*server)->port()};
  const std::string good = talk<asio::ip::tcp>(io, to, get("/x?y=1"));
  CHECK(good.starts_with("HTTP/1.1 200 OK"));
  CHECK(good.ends_with("GET /x?y=1 "));
  CHECK(talk<asio::ip::tcp>(io, to, get("/bad")).starts_with("HTTP/1.1 503"));
  CHECK(talk<asio::ip::tcp>(io, to, "POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
            .ends_with("POST /p abc"));
  CHECK(talk<asio::ip::tcp>(io, to, "DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
}

TEST_CASE("garbage and bodies that are too large end that connection only") {
  asio::io_context io{1};
  auto server = serve_tcp(io, "127.0.0.1", 0, "test", echo);
  const asio::ip::tcp::endpoint to{asio::ip::address_v4::loopback(), (*server)->port()};
  CHECK(talk<asio::ip::tcp>(io, to, "\x16\x03\x01garbage\r\n\r\n").empty());
  CHECK(talk<asio::ip::tcp>(io, to, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n").empty());
  CHECK(talk<asio::ip::tcp>(io, to, get("/")).starts_with("HTTP/1.1 200"));
}

TEST_CASE("localhost answers on IPv4, names are not looked up") {
  asio::io_context io{1};
  auto server = serve_tcp(io, "localhost", 0, "test", echo);
  REQUIRE(server);
  CHECK(talk<asio::ip::tcp>(io, {asio::ip::address_v4::loopback(), (*server)->port()}, get("/")).starts_with("HTTP/1.1 200"));
  CHECK_FALSE(serve_tcp(io, "example.org", 0, "test", echo));
}

TEST_CASE("a port that is taken is an error in the log, and no more") {
  asio::io_context io{1};
  auto first = serve_tcp(io, "127.0.0.1", 0, "test", echo);
  const auto errors = log::error_count();
  auto second = serve_tcp(io, "127.0.0.1", (*first)->port(), "test", echo);
  REQUIRE(second);
  CHECK((*second)->port() == 0);
  CHECK(log::error_count() == errors + 1);
}

TEST_CASE("a Unix socket: mode 0660, a dead one is replaced, a living one is not, the file goes with the server") {
  asio::io_context io{1};
  TemporaryDirectory dir;
  const std::string path = dir.path + "/felix.sock";
  {  // left behind by a process that died
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(fd);
  }
  auto server = serve_unix(io, path, "test", echo);
  REQUIRE(server);
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  CHECK(talk<asio::local::stream_protocol>(io, {path}, get("/s")).ends_with("GET /s "));
  {
    const auto errors = log::error_count();
    auto rival = serve_unix(io, path, "test", echo);
    CHECK(log::error_count() == errors + 1);
  }
  CHECK(talk<asio::local::stream_protocol>(io, {path}, get("/s")).ends_with("GET /s "));
  server->reset();
  CHECK(::stat(path.c_str(), &info) != 0);
  CHECK_FALSE(serve_unix(io, std::string(200, 'x'), "test", echo));
}
