// BirdLook: what BIRD says of itself, asked for in regular intervals over a restricted connection.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bird/bird.hpp"
#include "bird/bird_status.hpp"
#include "margay/base/clock.hpp"

namespace boost::asio {
class io_context;
}

namespace margay::bgp {

struct BirdSight {
  BirdStatus status;
  std::vector<ProtocolStatus> protocols;
};

class BirdLook {
 public:
  // Nothing: BIRD did not answer; `error` says why.
  using Seen = std::function<void(const std::optional<BirdSight>&, const Error& error)>;

  // `bird` outlives this. Looks at once, then `interval` after each answer.
  BirdLook(boost::asio::io_context& io, Bird& bird, Clock::duration interval, Seen seen);
  ~BirdLook();
  BirdLook(const BirdLook&) = delete;
  BirdLook& operator=(const BirdLook&) = delete;

  // Sooner than the interval would: something happened.
  void soon(Clock::duration delay);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace margay::bgp
