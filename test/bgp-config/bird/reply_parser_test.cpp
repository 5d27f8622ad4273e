#include "bird/reply_parser.hpp"

#include "support/catch.hpp"

using namespace margay;
using namespace margay::bgp;

namespace {

// All that a stream says, fed in pieces of `step` bytes.
struct Heard {
  std::vector<Reply> replies;
  std::vector<std::string> notices;
  Status status;
};
Heard hear(std::string_view bytes, std::size_t step, ReplyParser::Limits limits = {}) {
  Heard heard;
  ReplyParser parser{limits};
  while (!bytes.empty() && heard.status) {
    heard.status = parser.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (auto reply = parser.next_reply()) heard.replies.push_back(std::move(*reply));
    while (auto notice = parser.next_notice()) heard.notices.push_back(std::move(*notice));
  }
  return heard;
}

}  // namespace

TEST_CASE("replies, continuations and notices are told apart, however the bytes are cut") {
  const std::string stream =
      "0001 BIRD 2.0.12 ready.\n"
      "0002-Reading configuration from /etc/bird/bird.conf\n"
      "+Config timeout expired, starting undo\n"
      "0003 Reconfigured\n"
      "1000-BIRD 2.0.12\n"
      "1011-Router ID is 10.77.0.11\n"
      " Hostname is vm\n"
      "+\n"
      "  indented\n"
      "0013 Daemon is up and running\n"
      "0000 \n";
  for (std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{64}, stream.size()}) {
    CAPTURE(step);
    const Heard heard = hear(stream, step);
    REQUIRE(heard.status);
    REQUIRE(heard.replies.size() == 4);
    CHECK(heard.replies[0].code == 1);
    CHECK(heard.replies[0].text() == "BIRD 2.0.12 ready.");
    CHECK(heard.replies[1].lines ==
          std::vector<ReplyLine>{{2, "Reading configuration from /etc/bird/bird.conf"}, {3, "Reconfigured"}});
    CHECK(heard.replies[1].code == 3);
    CHECK(heard.replies[2].lines == std::vector<ReplyLine>{{1000, "BIRD 2.0.12"},
                                                           {1011, "Router ID is 10.77.0.11"},
                                                           {1011, "Hostname is vm"},
                                                           {1011, " indented"},
                                                           {13, "Daemon is up and running"}});
    CHECK(heard.replies[3].lines == std::vector<ReplyLine>{{0, ""}});
    CHECK_FALSE(heard.replies[3].failed());
    CHECK(heard.notices == std::vector<std::string>{"Config timeout expired, starting undo", ""});
  }
}

TEST_CASE("a reply that failed, and one whose end is too long a line") {
  const Heard heard = hear("8003 No protocols match\n1002-a\n8000-<line overflow>\n1002-b\n0000 \n8000 <line overflow>\n", 5);
  REQUIRE(heard.replies.size() == 3);
  CHECK(heard.replies[0].failed());
  CHECK(heard.replies[0].text() == "No protocols match");
  CHECK_FALSE(heard.replies[1].failed());
  CHECK(heard.replies[1].text() == "a; <line overflow>; b; ");
  CHECK(heard.replies[2].failed());
}

TEST_CASE("what is no line of BIRD ends the stream") {
  for (const char* bad :
       {"\n", "HTTP/1.1 400 Bad Request\n", "12-x\n", "00a0 x\n", "0000\n", "0000x\n", "00000 \n", "\x7f\x45LF\n"}) {
    CAPTURE(bad);
    const Heard heard = hear(std::string{"0001 ok\n"} + bad + "0000 \n", 100);
    CHECK_FALSE(heard.status);
    CHECK(heard.status.error().code == ErrorCode::Invalid);
    CHECK(heard.replies.size() == 1);
  }
  ReplyParser parser;
  REQUIRE_FALSE(parser.feed("bad\n"));
  CHECK_FALSE(parser.feed("0000 \n"));  // for good
  CHECK_FALSE(parser.next_reply());
}

TEST_CASE("memory is bounded") {
  const ReplyParser::Limits limits{.line = 100, .held = 10'000};
  SECTION("a line without end") {
    CHECK_FALSE(hear(std::string(101, '+'), 10, limits).status);
    CHECK(hear(std::string(99, '+') + "\n", 10, limits).status);
  }
  SECTION("a reply without end, of empty lines too") {
    std::string stream = "1000-\n";
    for (int i = 0; i < 1000; ++i) stream += " \n";
    CHECK_FALSE(hear(stream, 64, limits).status);
  }
  SECTION("notices that nobody takes") {
    ReplyParser parser{limits};
    Status status;
    int fed = 0;
    for (; status && fed < 1000; ++fed) status = parser.feed("+notice\n");
    CHECK_FALSE(status);
    CHECK(fed < 1000);
  }
  SECTION("what was taken counts no more") {
    std::string stream;
    for (int i = 0; i < 10'000; ++i) stream += "+notice\n1000-text\n0000 \n";
    const Heard heard = hear(stream, 64, limits);
    REQUIRE(heard.status);
    CHECK(heard.replies.size() == 10'000);
    CHECK(heard.notices.size() == 10'000);
  }
}
