#include "bird_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "reply_parser.hpp"

namespace margay::bgp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Stream = asio::local::stream_protocol;

constexpr std::size_t kLongestCommand = 4093;
constexpr std::size_t kLongestPath = 107;
constexpr int kGreeting = 1, kRestricted = 16;

bool is_slow(std::string_view command) { return command.starts_with("configure") && command != "configure status"; }

}  // namespace

// The connection and its queue. Handlers hold it; the client closes it when it goes.
struct BirdClient::Link : std::enable_shared_from_this<Link> {
  Link(asio::io_context& context, Options what)
      : io{context}, options{std::move(what)}, socket{context}, deadline{context}, retry{context} {}

  enum class Stage { Idle, Waiting, Connecting, Greeting, Restricting, Ready };
  struct Request {
    std::string text;
    Done done;
  };

  void wake() {
    if (stage == Stage::Idle && !queue.empty()) connect_when_due();
    else if (stage == Stage::Ready) send_next();
  }

  void connect_when_due() {
    const auto now = std::chrono::steady_clock::now();
    if (not_before <= now) return connect();
    stage = Stage::Waiting;
    retry.expires_at(not_before);
    retry.async_wait([self = shared_from_this(), era = era](error_code error) {
      if (!error && era == self->era) self->connect();
    });
  }

  void connect() {
    stage = Stage::Connecting;
    parser = ReplyParser{};
    expect_within(options.deadline, "no answer to connecting");
    socket.async_connect(Stream::endpoint{options.path}, [self = shared_from_this(), era = era](error_code error) {
      if (era != self->era) return;
      if (error) return self->lose(ErrorCode::Unavailable, error.message());
      self->stage = Stage::Greeting;
      self->expect_within(self->options.deadline, "no greeting");
      self->read();
    });
  }

  void read() {
    socket.async_read_some(asio::buffer(input), [self = shared_from_this(), era = era](error_code error, std::size_t size) {
      if (era != self->era) return;
      if (error) return self->lose(ErrorCode::Unavailable, error == asio::error::eof ? "closed by BIRD" : error.message());
      if (const Status fed = self->parser.feed({self->input.data(), size}); !fed)
        return self->lose(ErrorCode::Unavailable, fed.error().text);
      self->take(era);
    });
  }

  // Handlers may send commands, or destroy the client, which begins another era.
  void take(std::uint64_t in) {
    while (auto notice = parser.next_notice()) {
      const auto handler = on_notice;
      if (handler) handler(*notice);
      if (in != era) return;
    }
    while (auto reply = parser.next_reply()) {
      on_reply(std::move(*reply));
      if (in != era) return;
    }
    read();
  }

  void on_reply(Reply reply) {
    switch (stage) {
      case Stage::Greeting:
        if (reply.code != kGreeting) return lose(ErrorCode::Unavailable, "greeted with \"" + reply.text() + "\"");
        if (!options.restricted) return become_ready();
        stage = Stage::Restricting;
        return write("restrict", options.deadline);
      case Stage::Restricting:
        if (reply.code != kRestricted) return lose(ErrorCode::Unavailable, "not restricted: " + reply.text());
        return become_ready();
      case Stage::Ready:
        if (!sent) return lose(ErrorCode::Unavailable, "a reply to nothing: " + reply.text().substr(0, 80));
        {
          expect_nothing();
          const Done done = std::move(sent->done);
          sent.reset();
          const auto before = era;
          done(std::move(reply));
          if (before == era) send_next();
        }
        return;
      default: return;
    }
  }

  void become_ready() {
    stage = Stage::Ready;
    failures = 0;
    not_before = {};
    expect_nothing();
    send_next();
  }

  void send_next() {
    if (sent || queue.empty()) return;
    sent = std::move(queue.front());
    queue.pop_front();
    write(sent->text, is_slow(sent->text) ? options.configure_deadline : options.deadline);
  }

  void write(std::string_view text, std::chrono::milliseconds patience) {
    // Its own buffer: who answers before he has read all would else have it change under the writer.
    const auto output = std::make_shared<std::string>(std::string{text} + "\n");
    expect_within(patience, "no answer to \"" + std::string{text.substr(0, text.find(' '))} + "\"");
    asio::async_write(
        socket, asio::buffer(*output), [self = shared_from_this(), era = era, output](error_code error, std::size_t) {
          // The reader hears of the end too, and may have unread lines before it; a full buffer is the deadline's concern.
          if (error && era == self->era && error != asio::error::broken_pipe && error != asio::error::connection_reset)
            self->lose(ErrorCode::Unavailable, error.message());
        });
  }

  void expect_within(std::chrono::milliseconds patience, std::string complaint) {
    deadline.expires_after(patience);
    // What was expected may come while the handler waits to run: cancelling is then too late.
    deadline.async_wait(
        [self = shared_from_this(), wait = ++expectation, patience, complaint = std::move(complaint)](error_code error) {
          if (error || wait != self->expectation) return;
          self->lose(ErrorCode::Unavailable, fmt::format("{} within {} ms", complaint, patience.count()));
        });
  }

  void expect_nothing() {
    ++expectation;
    deadline.cancel();
  }

  void close() {
    ++era;
    error_code ignored;
    socket.close(ignored);
    expect_nothing();
    retry.cancel();
    stage = Stage::Idle;
  }

  void lose(ErrorCode code, const std::string& why) {
    const bool was_ready = stage == Stage::Ready;
    close();
    const auto pause = std::min(options.retry_cap, options.retry_first * (1 << std::min(failures, 10u)));
    ++failures;
    not_before = std::chrono::steady_clock::now() + pause;
    std::vector<Request> failed;
    if (sent) failed.push_back(std::move(*sent));
    sent.reset();
    std::move(queue.begin(), queue.end(), std::back_inserter(failed));
    queue.clear();
    const Error error = Error{code, why}.in("BIRD at " + options.path);
    for (const Request& request : failed) {
      if (gone) return;
      request.done(error);
    }
    if (!was_ready) return;
    const auto handlers = on_lost;
    for (const auto& handler : handlers) {
      if (gone) return;
      handler();
    }
  }

  asio::io_context& io;
  Options options;
  Stream::socket socket;
  asio::steady_timer deadline, retry;
  Stage stage = Stage::Idle;
  std::uint64_t era = 0;  // of a connection; what an older one still has to say is not heard
  std::uint64_t expectation = 0;
  bool gone = false;  // the client was destroyed
  ReplyParser parser;
  std::deque<Request> queue;
  std::optional<Request> sent;
  std::array<char, 16 * 1024> input{};
  unsigned failures = 0;
  std::chrono::steady_clock::time_point not_before{};
  std::vector<std::function<void()>> on_lost;
  std::function<void(const std::string&)> on_notice;
};

BirdClient::BirdClient(asio::io_context& io, Options options) : link_{std::make_shared<Link>(io, std::move(options))} {}

BirdClient::~BirdClient() {
  link_->gone = true;
  link_->close();
  link_->queue.clear();
  link_->sent.reset();
}

void BirdClient::command(std::string text, Done done) {
  const auto refuse = [&](std::string why) {
    asio::post(link_->io, [link = link_, done = std::move(done), why = std::move(why)] {
      if (!link->gone) done(Error{ErrorCode::Invalid, why});
    });
  };
  if (text.size() > kLongestCommand || text.find_first_of(std::string_view{"\r\n\0", 3}) != std::string::npos)
    return refuse("not one line of at most 4093 bytes");
  if (link_->options.path.empty() || link_->options.path.size() > kLongestPath)
    return refuse("socket path \"" + link_->options.path + "\" is empty or longer than 107 bytes");
  link_->queue.push_back({std::move(text), std::move(done)});
  link_->wake();
}

void BirdClient::on_lost(std::function<void()> handler) { link_->on_lost.push_back(std::move(handler)); }
void BirdClient::on_notice(std::function<void(const std::string&)> handler) { link_->on_notice = std::move(handler); }
bool BirdClient::connected() const { return link_->stage == Link::Stage::Ready; }

}  // namespace margay::bgp
