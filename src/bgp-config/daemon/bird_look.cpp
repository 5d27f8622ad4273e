#include "daemon/bird_look.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace margay::bgp {

using boost::system::error_code;

struct BirdLook::Impl : std::enable_shared_from_this<Impl> {
  Impl(boost::asio::io_context& io, Bird& port, Clock::duration every, Seen handler)
      : bird{port}, interval{every}, seen{std::move(handler)}, timer{io} {}

  void after(Clock::duration delay) {
    timer.expires_after(delay);
    timer.async_wait([self = weak_from_this()](error_code aborted) {
      if (const auto impl = self.lock(); impl && !aborted) impl->look();
    });
  }

  void look() {
    if (busy) {  // asked for while an answer is under way: that one may be too old
      again = true;
      return;
    }
    busy = true;
    bird.command("show status", [self = weak_from_this()](Result<Reply> reply) {
      const auto impl = self.lock();
      if (!impl) return;
      if (!reply) return impl->end(std::nullopt, reply.error());
      auto status = parse_status(*reply);
      if (!status) return impl->end(std::nullopt, status.error());
      impl->bird.command("show protocols all", [self, status = std::move(*status)](Result<Reply> protocols) {
        const auto still = self.lock();
        if (!still) return;
        if (!protocols) return still->end(std::nullopt, protocols.error());
        still->end(BirdSight{status, parse_protocols(*protocols)}, {});
      });
    });
  }

  void end(std::optional<BirdSight> sight, const Error& error) {
    busy = false;
    after(std::exchange(again, false) ? Clock::duration::zero() : interval);
    seen(sight, error);
  }

  Bird& bird;
  Clock::duration interval;
  Seen seen;
  boost::asio::steady_timer timer;
  bool busy = false, again = false;
};

BirdLook::BirdLook(boost::asio::io_context& io, Bird& bird, Clock::duration interval, Seen seen)
    : impl_{std::make_shared<Impl>(io, bird, interval, std::move(seen))} {
  impl_->after(Clock::duration::zero());
}
BirdLook::~BirdLook() = default;

void BirdLook::soon(Clock::duration delay) {
  if (!impl_->busy) impl_->after(delay);
  else impl_->again = true;
}

}  // namespace margay::bgp
