#include "quantity.hpp"

#include <limits>

#include "names.hpp"
#include "support/catch.hpp"

using margay::model::parse_go_duration;
using margay::model::parse_quantity;

TEST_CASE("quantities, rounded up") {
  const struct {
    const char* text;
    std::int64_t value;
  } good[] = {{"0", 0},
              {"5", 5},
              {"+5", 5},
              {"-5", -5},
              {"1k", 1000},
              {"1.1k", 1100},
              {"1Ki", 1024},
              {"1.5Ki", 1536},
              {"1e3", 1000},
              {"1E3", 1000},
              {"1E", 1000000000000000000},
              {"12e-1", 2},
              {"500m", 1},
              {"1001m", 2},
              {"1n", 1},
              {".5", 1},
              {"5.", 5},
              {"0.000000000000000000000000001", 1},
              {"8Ei", std::numeric_limits<std::int64_t>::max()},
              {"1.000000000000000000Ei", 1ll << 60},
              {"99999999999999999999999999999999999999999999", std::numeric_limits<std::int64_t>::max()},
              {"1e999999999999", std::numeric_limits<std::int64_t>::max()}};
  for (const auto& c : good) {
    INFO(c.text);
    CHECK(parse_quantity(c.text) == c.value);
  }
  for (const char* bad : {"", "k", "1kk", "1 k", "1K", "0x10", "1.2.3", "e3", "1e", "1e+", "--1", "1ki", ".", "1i"}) {
    INFO(bad);
    CHECK_FALSE(parse_quantity(bad));
  }
}

TEST_CASE("Go durations") {
  const struct {
    const char* text;
    std::int64_t nanoseconds;
  } good[] = {{"0", 0},
              {"0s", 0},
              {"90s", 90'000'000'000},
              {"1m30s", 90'000'000'000},
              {"1.5h", 5'400'000'000'000},
              {"50ms", 50'000'000},
              {"2us", 2000},
              {"2\xc2\xb5s", 2000},
              {"3ns", 3},
              {"-1s", -1'000'000'000},
              {"1h2m3.004s", 3'723'004'000'000}};
  for (const auto& c : good) {
    INFO(c.text);
    CHECK(parse_go_duration(c.text) == c.nanoseconds);
  }
  for (const char* bad :
       {"", "90", "s", "1x", "1 s", "1s ", "1m30", "99999999999h", "99999999999999999999999999999999999999999s"}) {
    INFO(bad);
    CHECK_FALSE(parse_go_duration(bad));
  }
}

TEST_CASE("forms of names at their limits") {
  using namespace margay::model;
  const auto of = [](std::size_t n) { return std::string(n, 'a'); };
  CHECK(is_dns_label(of(63)));
  CHECK_FALSE(is_dns_label(of(64)));
  CHECK_FALSE(is_dns_label(""));
  CHECK_FALSE(is_dns_label("a."));
  CHECK_FALSE(is_dns_label("-a"));
  CHECK_FALSE(is_dns_label("A"));
  CHECK(is_dns_subdomain(of(253)));
  CHECK_FALSE(is_dns_subdomain(of(254)));
  CHECK(is_dns_subdomain("a.b-c.0"));
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.-b", "a_b"}) CHECK_FALSE(is_dns_subdomain(bad));
  CHECK(is_qualified_name(of(253) + "/" + of(63)));
  CHECK(is_qualified_name("A.b_c-D"));
  for (const std::string& bad :
       {std::string{}, std::string{"/a"}, std::string{"a/"}, std::string{"a/b/c"}, of(64), std::string{"A/b"}, std::string{"_a"}})
    CHECK_FALSE(is_qualified_name(bad));
  CHECK(is_label_value(""));
  CHECK(is_label_value(of(63)));
  CHECK_FALSE(is_label_value(of(64)));
  CHECK_FALSE(is_label_value("a b"));
  CHECK(is_port_name("http-2"));
  CHECK(is_port_name(of(15)));
  for (const std::string& bad : {std::string{"80"}, std::string{"a--b"}, of(16), std::string{"-a"}, std::string{"A"}})
    CHECK_FALSE(is_port_name(bad));
  CHECK(is_interface_name(of(15)));
  CHECK_FALSE(is_interface_name(of(16)));
}
