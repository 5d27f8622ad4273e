// BIRD's replies from any bytes: bounded, the same however they are cut, and the readers of status, protocols and routes take
// all.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bird/bird_status.hpp"
#include "bird/reply_parser.hpp"
#include "margay/base/assert.hpp"

namespace {

using namespace margay;
using namespace margay::bgp;

struct Heard {
  std::vector<std::vector<ReplyLine>> replies;
  std::vector<std::string> notices;
  bool good = true;
};

Heard hear(std::string_view bytes, std::size_t step) {
  Heard heard;
  ReplyParser parser{{.line = 256, .held = 4096}};
  while (!bytes.empty() && heard.good) {
    heard.good = parser.feed(bytes.substr(0, step)).has_value();
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (auto reply = parser.next_reply()) {
      MARGAY_ASSERT(!reply->lines.empty() && reply->lines.back().code == reply->code);
      MARGAY_ASSERT(reply->code >= 0 && reply->code <= 9999);
      MARGAY_ASSERT(reply->text().find('\n') == std::string::npos);
      heard.replies.push_back(std::move(reply->lines));
    }
    while (auto notice = parser.next_notice()) heard.notices.push_back(std::move(*notice));
  }
  return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  // Cut fine, what was complete is taken before more comes; limits on what is held are then the same for both.
  const Heard bytewise = hear(text, 1), pieces = hear(text, 3);
  if (bytewise.good && pieces.good) {
    MARGAY_ASSERT(bytewise.replies == pieces.replies);
    MARGAY_ASSERT(bytewise.notices == pieces.notices);
  }
  for (const auto& lines : bytewise.replies) {
    const Reply reply{lines, lines.back().code};
    if (const auto status = parse_status(reply)) MARGAY_ASSERT(!status->version.empty());
    const auto protocols = parse_protocols(reply);
    MARGAY_ASSERT(protocols.size() <= lines.size());
    for (const auto& protocol : protocols) MARGAY_ASSERT(!protocol.name.empty() && protocol.name.find(' ') == std::string::npos);
    const auto routes = parse_routes(reply);
    MARGAY_ASSERT(routes.size() <= lines.size());
    for (const auto& route : routes) MARGAY_ASSERT(Cidr::parse(route.net.to_string()) == route.net);
  }
  return 0;
}
