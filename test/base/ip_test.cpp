#include "margay/base/ip.hpp"

#include "support/catch.hpp"

using namespace margay;

TEST_CASE("addresses parse strictly and print canonically") {
  struct Row {
    const char* text;
    const char* printed;  // null: refused
  };
  const Row rows[] = {
      {"10.0.0.1", "10.0.0.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"fd00:0:0::1", "fd00::1"},
      {"FE80::A", "fe80::a"},
      {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
      {"10.0.0.01", nullptr},
      {"10.0.0", nullptr},
      {"10.0.0.1 ", nullptr},
      {"", nullptr},
      {"1.2.3.4.5", nullptr},
      {"fe80::1%eth0", nullptr},
      {":::", nullptr},
      {"10.0.0.256", nullptr},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const auto addr = Addr::parse(row.text);
    REQUIRE(addr.has_value() == (row.printed != nullptr));
    if (addr) CHECK(addr->to_string() == row.printed);
  }
}

TEST_CASE("a text with a NUL inside is no address") { CHECK_FALSE(Addr::parse(std::string_view{"10.0.0.1\0x", 10})); }

TEST_CASE("prefixes are masked and ordered") {
  CHECK(Cidr::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
  CHECK(Cidr::parse("10.1.2.3")->to_string() == "10.1.2.3/32");
  CHECK(Cidr::parse("fd00::1/64")->to_string() == "fd00::/64");
  CHECK(Cidr::parse("0.0.0.0/0")->to_string() == "0.0.0.0/0");
  CHECK_FALSE(Cidr::parse("10.0.0.0/33"));
  CHECK_FALSE(Cidr::parse("10.0.0.0/08"));
  CHECK_FALSE(Cidr::parse("10.0.0.0/"));
  CHECK_FALSE(Cidr::parse("::/129"));
  CHECK(Cidr::is_masked("10.0.0.0/8"));
  CHECK_FALSE(Cidr::is_masked("10.0.0.1/8"));
}

TEST_CASE("containment respects family and length") {
  const auto net = *Cidr::parse("10.1.0.0/16");
  CHECK(net.contains(*Addr::parse("10.1.255.255")));
  CHECK_FALSE(net.contains(*Addr::parse("10.2.0.0")));
  CHECK_FALSE(net.contains(*Addr::parse("::1")));
  CHECK(net.contains(*Cidr::parse("10.1.2.0/24")));
  CHECK_FALSE(net.contains(*Cidr::parse("10.0.0.0/8")));
  CHECK(net.last().to_string() == "10.1.255.255");
  CHECK(Cidr::parse("fd00::/120")->last().to_string() == "fd00::ff");
}

TEST_CASE("MAC addresses") {
  CHECK(Mac::parse("EE:ee:ee:ee:ee:01")->to_string() == "ee:ee:ee:ee:ee:01");
  CHECK(Mac::parse("00-11-22-33-44-55")->to_string() == "00:11:22:33:44:55");
  for (const char* bad : {"", "ee:ee", "ee:ee:ee:ee:ee:0g", "ee:ee-ee:ee:ee:ee", "eeeeeeeeeeeeeeeee"})
    CHECK_FALSE(Mac::parse(bad));
}
