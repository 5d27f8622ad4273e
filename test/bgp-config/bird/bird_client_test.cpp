// The client against a server that is told what to answer: what a real BIRD does not do on request.
#include "bird/bird_client.hpp"

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "client_world.hpp"
#include "datastore/temp_dir.hpp"

using namespace margay;
using namespace margay::bgp;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Stream = asio::local::stream_protocol;

namespace {

class Server {
 public:
  // What to send for a line; none: silence. "CLOSE" closes.
  using Answer = std::function<std::optional<std::string>(const std::string& line)>;

  Server(asio::io_context& io, std::string path) : io_{io}, path_{std::move(path)} { listen(); }
  std::optional<std::string> greeting = "0001 BIRD 2.0.12 ready.\n";
  Answer answer = [](const std::string&) { return "0000 \n"; };
  std::vector<std::string> heard;
  int connections = 0;

  void listen() {
    ::unlink(path_.c_str());
    acceptor_.emplace(io_, Stream::endpoint{path_});
    accept();
  }
  // Ends as a process does.
  void die() {
    acceptor_.reset();
    for (const auto& session : sessions_) session->socket.close();
    sessions_.clear();
  }
  void send(const std::string& bytes) {
    for (const auto& session : sessions_) asio::write(session->socket, asio::buffer(bytes));
  }

 private:
  struct Session {
    explicit Session(Stream::socket s) : socket{std::move(s)} {}
    Stream::socket socket;
    std::string input;
  };
  void accept() {
    acceptor_->async_accept([this](boost::system::error_code error, Stream::socket socket) {
      if (error) return;
      ++connections;
      const auto session = std::make_shared<Session>(std::move(socket));
      sessions_.insert(session);
      if (greeting) asio::write(session->socket, asio::buffer(*greeting));
      read(session);
      accept();
    });
  }
  void read(const std::shared_ptr<Session>& session) {
    asio::async_read_until(session->socket, asio::dynamic_buffer(session->input), '\n',
                           [this, session](boost::system::error_code error, std::size_t size) {
                             if (error) {
                               sessions_.erase(session);
                               return;
                             }
                             heard.push_back(session->input.substr(0, size - 1));
                             session->input.erase(0, size);
                             const auto reply = answer(heard.back());
                             if (reply == "CLOSE") {
                               session->socket.close();
                               sessions_.erase(session);
                               return;
                             }
                             if (reply) asio::write(session->socket, asio::buffer(*reply));
                             read(session);
                           });
  }

  asio::io_context& io_;
  std::string path_;
  std::optional<Stream::acceptor> acceptor_;
  std::set<std::shared_ptr<Session>> sessions_;
};

struct World : test::ClientWorld {
  test::TempDir temp;
  Server server{io, temp / "bird.ctl"};
  BirdClient::Options options{
      .path = temp / "bird.ctl", .deadline = 100ms, .configure_deadline = 200ms, .retry_first = 5ms, .retry_cap = 20ms};
};

}  // namespace

TEST_CASE("it connects for the first command and says one after another") {
  World w;
  BirdClient client{w.io, w.options};
  CHECK_FALSE(client.connected());
  w.io.poll();
  CHECK(w.server.connections == 0);
  w.server.answer = [](const std::string& line) { return "1000-" + line + "\n0000 \n"; };
  std::vector<std::string> order;
  for (const char* what : {"a", "b", "c"})
    client.command(what, [&](const Result<Reply>& reply) { order.push_back(reply ? reply->lines[0].text : reply.error().text); });
  CHECK(order.empty());
  REQUIRE(w.run_until([&] { return order.size() == 3; }));
  CHECK(order == std::vector<std::string>{"a", "b", "c"});
  CHECK(w.server.connections == 1);
  CHECK(client.connected());
}

TEST_CASE("a restricted one says so first, and is nobody's where BIRD does not obey") {
  World w;
  w.options.restricted = true;
  BirdClient client{w.io, w.options};
  w.server.answer = [](const std::string& line) { return line == "restrict" ? "0016 Access restricted\n" : "0013 up\n"; };
  CHECK(w.ask(client, "show status")->code == 13);
  CHECK(w.server.heard == std::vector<std::string>{"restrict", "show status"});

  World other;
  other.options.restricted = true;
  BirdClient refused{other.io, other.options};
  CHECK_FALSE(other.ask(refused, "show status"));
  CHECK(other.server.heard == std::vector<std::string>{"restrict"});
}

TEST_CASE("no socket, no listener, no greeting, another's greeting") {
  World w;
  int lost = 0;
  BirdClient client{w.io, w.options};
  client.on_lost([&] { ++lost; });
  w.server.die();
  auto reply = w.ask(client, "show status");  // a file without a listener
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::Unavailable);
  CHECK(reply.error().text.find(w.options.path) != std::string::npos);
  ::unlink(w.options.path.c_str());
  CHECK(w.ask(client, "show status").error().code == ErrorCode::Unavailable);
  w.server.greeting.reset();
  w.server.listen();
  CHECK(w.ask(client, "show status").error().text.find("no greeting within 100 ms") != std::string::npos);
  for (const char* greeting : {"SSH-2.0-OpenSSH_9.2\r\n", "0002 not this\n", "1000-x\n0000 \n"}) {
    w.server.greeting = greeting;
    CHECK(w.ask(client, "show status").error().code == ErrorCode::Unavailable);
  }
  CHECK(lost == 0);  // there was nothing to lose
  CHECK(w.server.heard.empty());
  w.server.greeting = "0001 BIRD 2.0.12 ready.\n";
  CHECK(w.ask(client, "show status"));
}

TEST_CASE("an answer that does not come fails what waits too, then tells; the next command connects anew") {
  World w;
  BirdClient client{w.io, w.options};
  std::vector<std::string> events;
  client.on_lost([&] { events.push_back("lost"); });
  client.on_lost([&] { events.push_back("lost, too"); });
  w.server.answer = [](const std::string&) { return std::nullopt; };
  const auto begin = std::chrono::steady_clock::now();
  for (const char* what : {"configure \"/secret\"", "b"})
    client.command(what, [&, what](const Result<Reply>& reply) {
      events.push_back(std::string{what} + ": " + (reply ? "ok" : reply.error().text));
    });
  REQUIRE(w.run_until([&] { return events.size() == 4; }));
  CHECK(std::chrono::steady_clock::now() - begin >= 200ms);  // `configure` has longer
  CHECK(events[0].ends_with("no answer to \"configure\" within 200 ms"));
  CHECK(events[1].starts_with("b: "));
  CHECK(events[2] == "lost");
  CHECK(events[3] == "lost, too");
  CHECK(w.server.heard == std::vector<std::string>{"configure \"/secret\""});  // what was not sent is not sent later
  w.server.answer = [](const std::string&) { return "0000 \n"; };
  CHECK(w.ask(client, "c"));
  CHECK(w.server.connections == 2);
  CHECK(events.size() == 4);
}

TEST_CASE("configure status is a question, and has a question's deadline") {
  World w;
  BirdClient client{w.io, w.options};
  w.server.answer = [](const std::string&) { return std::nullopt; };
  CHECK(w.ask(client, "configure status").error().text.find("within 100 ms") != std::string::npos);
}

TEST_CASE("a reply in time is no loss, whatever the timer thinks of it") {
  World w;
  BirdClient client{w.io, w.options};
  REQUIRE(w.ask(client, "first"));
  // The answer and the end of the wait become ready in the same turn of the loop.
  std::optional<Result<Reply>> heard;
  client.command("second", [&](Result<Reply> reply) { heard = std::move(reply); });
  REQUIRE(w.run_until([&] { return w.server.heard.size() == 2; }));  // answered, and not read yet
  const auto end = std::chrono::steady_clock::now() + 120ms;
  while (std::chrono::steady_clock::now() < end) {
  }
  REQUIRE(w.run_until([&] { return heard.has_value(); }));
  CHECK(*heard);
  w.io.restart();
  w.io.poll();
  CHECK(client.connected());
}

TEST_CASE("BIRD ends in the middle of a reply, while idle, and after a last word") {
  World w;
  BirdClient client{w.io, w.options};
  int lost = 0;
  client.on_lost([&] { ++lost; });
  w.server.answer = [](const std::string& line) { return line == "half" ? "1000-half\n10" : "CLOSE"; };
  std::optional<Result<Reply>> heard;
  client.command("half", [&](Result<Reply> reply) { heard = std::move(reply); });
  REQUIRE(w.run_until([&] { return !w.server.heard.empty(); }));
  w.server.die();
  REQUIRE(w.run_until([&] { return lost == 1; }));
  REQUIRE(heard);
  CHECK(heard->error().text.ends_with("closed by BIRD"));
  w.server.listen();
  CHECK_FALSE(w.ask(client, "close"));
  CHECK(lost == 2);
  w.server.answer = [](const std::string&) { return "0007 Shutdown requested\n"; };
  CHECK(w.ask(client, "down")->code == 7);
  w.server.die();
  REQUIRE(w.run_until([&] { return lost == 3; }));
  CHECK_FALSE(client.connected());
}

TEST_CASE("replies to nothing, garbage and floods end the connection") {
  for (const char* bytes : {"0000 \n", "garbage\n"}) {
    World w;
    BirdClient client{w.io, w.options};
    int lost = 0;
    client.on_lost([&] { ++lost; });
    REQUIRE(w.ask(client, "show status"));
    w.server.send(bytes);
    REQUIRE(w.run_until([&] { return lost == 1; }));
    CHECK(w.ask(client, "show status"));
  }
  World w;
  BirdClient client{w.io, w.options};
  w.server.answer = [](const std::string&) { return std::string(100'000, '+'); };
  CHECK(w.ask(client, "show status").error().text.find("a line of more than") != std::string::npos);
}

TEST_CASE("notices come to their handler, in the middle of a reply too") {
  World w;
  BirdClient client{w.io, w.options};
  std::vector<std::string> notices;
  client.on_notice([&](const std::string& text) { notices.push_back(text); });
  w.server.answer = [](const std::string&) { return "1000-a\n+undo\n0000 \n"; };
  CHECK(w.ask(client, "x")->lines.size() == 2);
  w.server.send("+later\n");
  REQUIRE(w.run_until([&] { return notices.size() == 2; }));
  CHECK(notices == std::vector<std::string>{"undo", "later"});
}

TEST_CASE("what is no command is refused without a word to BIRD") {
  World w;
  BirdClient client{w.io, w.options};
  for (const std::string& bad : {std::string{"a\nb"}, std::string{"a\r"}, std::string{"a\0b", 3}, std::string(4094, 'x')})
    CHECK(w.ask(client, bad).error().code == ErrorCode::Invalid);
  CHECK(w.server.connections == 0);
  CHECK(w.ask(client, std::string(4093, 'x')));
  BirdClient nowhere{w.io, {.path = std::string(108, 'x')}};
  CHECK(w.ask(nowhere, "x").error().code == ErrorCode::Invalid);
}

TEST_CASE("callbacks may ask more, and may end the client") {
  World w;
  auto client = std::make_unique<BirdClient>(w.io, w.options);
  int asked = 0;
  std::function<void(Result<Reply>)> more = [&](const Result<Reply>& reply) {
    REQUIRE(reply);
    if (++asked < 5) client->command("more", more);
  };
  client->command("first", more);
  REQUIRE(w.run_until([&] { return asked == 5; }));
  bool called = false;
  client->command("end", [&](const Result<Reply>&) { client.reset(); });
  client->command("never", [&](const Result<Reply>&) { called = true; });
  REQUIRE(w.run_until([&] { return !client; }));
  w.io.restart();
  w.io.poll();
  CHECK_FALSE(called);
  // From within a failure, with others behind it.
  client = std::make_unique<BirdClient>(w.io, w.options);
  w.server.die();
  client->on_lost([&] { called = true; });
  client->command("a", [&](const Result<Reply>&) { client.reset(); });
  client->command("b", [&](const Result<Reply>&) { called = true; });
  REQUIRE(w.run_until([&] { return !client; }));
  w.io.restart();
  w.io.poll();
  CHECK_FALSE(called);
}

TEST_CASE("a dead socket is not hammered") {
  World w;
  w.server.die();
  w.options.retry_first = 20ms;
  w.options.retry_cap = 40ms;
  BirdClient client{w.io, w.options};
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) CHECK_FALSE(w.ask(client, "x"));
  CHECK(std::chrono::steady_clock::now() - begin >= 20ms + 40ms + 40ms);
}
