// BirdClient: Bird over BIRD's control socket.
//
// Connects when the first command comes, and after a loss for the next one, not sooner than the back-off allows. Commands go out
// one by one; a reply that does not come in its time, a reply that is none, or the end of the connection fails what was sent and
// what waits, then tells on_lost (if the connection had been greeted), and the next command meets a new connection. A command is
// never sent twice: whoever asked decides what to do about one whose outcome is unknown.
//
// One instance for commands, a second one, restricted, for status: it says `restrict` first, after which BIRD refuses whatever
// changes something. Destroying the client drops its commands without calling back.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>

#include "bird.hpp"

namespace margay::bgp {

class BirdClient final : public Bird {
 public:
  struct Options {
    std::string path;
    bool restricted = false;
    std::chrono::milliseconds deadline{10'000};
    std::chrono::milliseconds configure_deadline{60'000};  // of `configure` and `configure check`
    std::chrono::milliseconds retry_first{50}, retry_cap{1'000};
  };
  BirdClient(boost::asio::io_context& io, Options options);
  ~BirdClient() override;
  BirdClient(const BirdClient&) = delete;
  BirdClient& operator=(const BirdClient&) = delete;

  // Invalid: more than one line, or longer than BIRD reads (4093 bytes).
  void command(std::string text, Done done) override;
  void on_lost(std::function<void()> handler) override;
  // Lines that belong to no reply ("Config timeout expired, starting undo").
  void on_notice(std::function<void(const std::string&)> handler);
  [[nodiscard]] bool connected() const;  // and greeted

 private:
  struct Link;
  std::shared_ptr<Link> link_;
};

}  // namespace margay::bgp
